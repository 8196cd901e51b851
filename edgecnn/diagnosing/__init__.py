"""The verb `diagnose`: layer by layer, where a quantized file departs from float, and why."""

from __future__ import annotations

from edgecnn.diagnosing.record import Cause, Diagnosis, Layer
from edgecnn.diagnosing.run import diagnose

__all__ = ["Cause", "Diagnosis", "Layer", "diagnose"]
