"""What a network's outputs mean: classes, boxes or masks, out of arrays, with numpy alone.

Sent to devices as it is, and used here by `evaluate`, so that both see the same: the room runs on
Python 3.9, and imports nothing of edgecnn but itself; Pillow only where something is drawn.
"""
