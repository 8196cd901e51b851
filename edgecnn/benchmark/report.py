"""What one `bench` or `compare` comes to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgecnn.benchmark.operator_record import OperatorProfile
    from edgecnn.measurements import BenchResult, Comparison, DeviceFailure


@dataclass(frozen=True)
class BenchReport:
    """All that was measured, and what failed; failures make the exit code 3.

    Attributes:
        results: device by device, file by file, threads by threads.
        failures: devices and files that gave nothing, or not all.
        warnings: what else the user should know, one sentence each.
        comparisons: of each further file with the first one, where several were measured.
        operators: where each file's time goes on this machine, where that was asked.
    """

    results: tuple[BenchResult, ...]
    failures: tuple[DeviceFailure, ...]
    warnings: tuple[str, ...] = ()
    comparisons: tuple[Comparison, ...] = ()
    operators: tuple[OperatorProfile, ...] = ()
