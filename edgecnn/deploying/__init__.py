"""`edgecnn deploy`: a self-contained folder on a device that proves itself.

`classify.py`, `network.py` and `install.py` are sent to devices as they are: they run on Python
3.9, and import nothing of edgecnn.
"""

from __future__ import annotations

from edgecnn.deploying.records import Bundle, Deployment, Proof
from edgecnn.deploying.run import bundle, deploy

__all__ = ["Bundle", "Deployment", "Proof", "bundle", "deploy"]
