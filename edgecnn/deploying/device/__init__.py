"""What runs on the device: the programs `run` and `live`, and the proof that a release gives there.

Sent as it is, beside `edgecnn.tasks`: it runs on Python 3.9 and newer with numpy, Pillow and a
LiteRT runtime, and imports nothing else of edgecnn than `edgecnn.calibration.images`, which decodes
and scales pictures exactly as calibration did, and `edgecnn.runtime.runner`, which reads clocks and
temperatures as a bench does. Here it computes what the device must repeat.
"""
