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
    by_device = bench.by_target(report)
    rows, shown = list[tuple[str, ...]](), list["BenchResult | None"]()
    for target in report.targets:
        shown += by_device.get(target, (None,))
        rows += [
            (
                target,
                printable(result.device.model),
                *bench.row(result, names.get(result.file, result.file)),
            )
            for result in by_device.get(target, ())
        ]
        if target not in by_device:
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
    return Table(columns, tuple(map(_rolled_row, report.devices)))


def _rolled_row(rolled: Rolled) -> tuple[str, ...]:
    deployment = rolled.deployment
    if deployment is None:
        return (rolled.target, _OUTCOMES[rolled.outcome], rolled.release or ABSENT, ABSENT, ABSENT)
    check = "bit-identical" if deployment.proof.bit_identical else "within its limits"
    before = deployment.release if deployment.unchanged else deployment.previous or ABSENT
    return (rolled.target, _OUTCOMES[rolled.outcome], deployment.release, before, check)


def rollout_sentence(report: Rollout) -> str:
    """How far it came, and why no further."""
    done = sum(device.outcome == "deployed" for device in report.devices)
    sentence = f"{done} of {len(report.devices)} devices run the new release."
    if report.stopped:
        failed = next(device.target for device in report.devices if device.outcome == "failed")
        sentence += f" Stopped: it did not prove itself on {failed}."
    elif any(device.outcome == "missed" for device in report.devices):
        sentence += " The same command tries the others again."
    return sentence


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
    rows += [(device.target, "nothing", *empty) for device in report.devices if not device.networks]
    rows += [(failure.target, "no answer", *empty) for failure in report.failures]
    return Table(columns, tuple(rows))
