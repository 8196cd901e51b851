"""`edgecnn deploy`: a self-contained folder on a device that proves itself.

`device/`, with `edgecnn.tasks`, and `install.py` are sent to devices as they are: they run on
Python 3.9, and import nothing else of edgecnn.
"""

from __future__ import annotations

from edgecnn.deploying.collecting import Collected, collect
from edgecnn.deploying.records import (
    Bundle,
    Deployment,
    Network,
    OutputProof,
    Proof,
    Rolled,
    Rollout,
    Standing,
    StatusReport,
)
from edgecnn.deploying.remote_live import LiveOptions, LiveRun, live
from edgecnn.deploying.rollout import roll_out
from edgecnn.deploying.run import bundle, deploy
from edgecnn.deploying.services import ServiceOptions, ServiceReport, service
from edgecnn.deploying.status import deployed
from edgecnn.deploying.tasking import TaskOptions

__all__ = [
    "Bundle",
    "Collected",
    "Deployment",
    "LiveOptions",
    "LiveRun",
    "Network",
    "OutputProof",
    "Proof",
    "Rolled",
    "Rollout",
    "ServiceOptions",
    "ServiceReport",
    "Standing",
    "StatusReport",
    "TaskOptions",
    "bundle",
    "collect",
    "deploy",
    "deployed",
    "live",
    "roll_out",
    "service",
]
