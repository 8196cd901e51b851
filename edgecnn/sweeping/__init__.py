"""The verb `sweep`: many networks, recipes and files side by side, and which one to take."""

from edgecnn.sweeping.records import (
    Accuracy,
    Budget,
    Front,
    Impossible,
    Place,
    PointRecord,
    SweepReport,
    Timing,
)
from edgecnn.sweeping.run import SweepOptions, sweep
from edgecnn.sweeping.spec import Spec

__all__ = [
    "Accuracy",
    "Budget",
    "Front",
    "Impossible",
    "Place",
    "PointRecord",
    "Spec",
    "SweepOptions",
    "SweepReport",
    "Timing",
    "sweep",
]
