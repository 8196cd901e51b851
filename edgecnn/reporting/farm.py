"""Many devices in one table: what `bench` measured there, what `deploy` put there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecnn.reporting import bench
from edgecnn.reporting.table import Bars, Column, Table
from edgecnn.text import ABSENT, printable

if TYPE_CHECKING:
    from edgecnn.benchmark.report import BenchReport
    from edgecnn.deploying import Rolled, Rollout, StatusReport
    from edgecnn.measurements import BenchResult

_FAILED = "failed"


def bench_table(report: BenchReport, names: dict[str, str]) -> Table:
    """A row for each device, file and number of threads; one for a device that gave nothing.

    Args:
        report: of several devices.
        names: what to call each file.
    """
    before = (Column("device"), Column("is"))
    nothing = (ABSENT,) * (len(bench.COLUMNS) - 1)
    found = bench.by_target(report)
    rows, shown = list[tuple[str, ...]](), list["BenchResult | None"]()
    for target in report.targets:
        shown += found.get(target, (None,))
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
    bars = Bars(len(before) + bench.P90, bench.bar_shares(shown))
    return Table((*before, *bench.COLUMNS), tuple(rows), bars)


_OUTCOMES = {
    "deployed": "deployed",
    "failed": "NOT PROVEN",
    "missed": "not reached",
    "left": "not begun",
}


def rollout_table(report: Rollout) -> Table:
    """A row for each device: what became of it, and which release runs there now."""
    columns = (
        Column("device"),
        Column("outcome"),
        Column("runs"),
        Column("before"),
        Column("check"),
    )
    return Table(columns, tuple(_rolled_row(each) for each in report.devices))


def _rolled_row(rolled: Rolled) -> tuple[str, ...]:
    made = rolled.deployment
    if made is None:
        return (rolled.target, _OUTCOMES[rolled.outcome], rolled.release or ABSENT, ABSENT, ABSENT)
    check = "bit-identical" if made.proof.bit_identical else "within its limits"
    before = made.release if made.unchanged else made.previous or ABSENT
    return (rolled.target, _OUTCOMES[rolled.outcome], made.release, before, check)


def rollout_sentence(report: Rollout) -> str:
    """How far it came, and why no further."""
    done = sum(each.outcome == "deployed" for each in report.devices)
    said = f"{done} of {len(report.devices)} devices run the new release."
    if report.stopped:
        failed = next(each.target for each in report.devices if each.outcome == "failed")
        said += f" Stopped: it did not prove itself on {failed}."
    elif any(each.outcome == "missed" for each in report.devices):
        said += " The same command tries the others again."
    return said


def status_table(report: StatusReport) -> Table:
    """A row for each network on each device, in the order asked; devices without an answer last."""
    columns = (
        Column("device"),
        Column("network"),
        Column("recipe"),
        Column("release"),
        Column("runtime"),
        Column("folder"),
    )
    rows = [
        (device.target, *map(printable, (n.model, n.recipe, n.release, n.runtime, n.folder)))
        for device in report.devices
        for n in device.networks
    ]
    empty = (ABSENT,) * (len(columns) - 2)
    rows += [(each.target, "nothing", *empty) for each in report.devices if not each.networks]
    rows += [(each.target, "no answer", *empty) for each in report.failures]
    return Table(columns, tuple(rows))
