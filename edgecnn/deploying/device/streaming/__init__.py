"""What the program `live` is made of: sources of frames, the loop, the page, the kept frames.

Sent to devices as it is: Python 3.9 and newer. All intervals are by `time.monotonic`: a device
without a battery for its clock finds the time in the middle of its day.
"""
