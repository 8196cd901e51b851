"""Many devices in one table: what `bench` measured there, what `deploy` put there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecnn.reporting import bench
from edgecnn.reporting.table import Column, Table
from edgecnn.text import ABSENT, printable

if TYPE_CHECKING:
    from edgecnn.benchmark.report import BenchReport

_FAILED = "failed"


def bench_table(report: BenchReport, names: dict[str, str]) -> Table:
    """A row for each device, file and number of threads; one for a device that gave nothing.

    Args:
        report: of several devices.
        names: what to call each file.
    """
    columns = (Column("device"), Column("is"), *bench.COLUMNS)
    nothing = (ABSENT,) * (len(bench.COLUMNS) - 1)
    found = bench.by_target(report)
    rows = list[tuple[str, ...]]()
    for target in report.targets:
        rows += [
            (
                target,
                printable(each.device.model),
                *bench.row(each, names.get(each.file, each.file)),
            )
            for each in found.get(target, ())
        ]
        if target not in found:
            rows.append((target, ABSENT, *nothing, _FAILED))
    return Table(columns, tuple(rows))
