"""The verb `export`: plan, float stage, calibrate; then each recipe made, inspected, compared."""

from __future__ import annotations

from edgecnn.exporting.options import Artifact, ExportOptions, ExportResult
from edgecnn.exporting.run import export

__all__ = ["Artifact", "ExportOptions", "ExportResult", "export"]
