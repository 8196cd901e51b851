"""How far a sweep is, its fronts, and the point to take, as `edgecnn sweep` shows them."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from edgecnn.reporting.table import Column, Table
from edgecnn.sweeping.front import latency_ms
from edgecnn.sweeping.points import title
from edgecnn.sweeping.work import artifact_place
from edgecnn.text import (
    ABSENT,
    duration_text,
    milliseconds_text,
    percent_text,
    printable,
    size_text,
    threads_text,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edgecnn.sweeping.records import Budget, Front, Impossible, Place, PointRecord, SweepReport

_MEASURES = {"top1": "top-1", "map": "mAP", "miou": "mIoU", "agreement": "agrees"}
# What a point is told from others by; the model, the recipe and the format always are.
_AXES: dict[str, tuple[str, Callable[[object], str]]] = {
    "input_size": ("input", str),
    "width": ("width", lambda value: f"{value:g}"),
    "convolution": ("convolution", str),
    "weights": ("weights", str),
    "classes": ("classes", str),
    "seed": ("seed", str),
    "calibration": ("calibrated on", str),
    "calibration_samples": ("samples", str),
    "calibration_method": ("method", str),
    "min_snr_db": ("SNR asked", lambda value: f"{value:g} dB"),
}


def heading(report: SweepReport) -> str:
    """How far it is, in a line."""
    parts = [f"{report.points} points of {_counted(report.networks, 'network')}"]
    parts.append(f"{report.done} done")
    if report.earlier:
        parts.append(f"{report.earlier} of them before")
    for count, words in (
        (len(report.refused), "refused"),
        (len(report.failed), "failed"),
        (report.left, "left"),
    ):
        if count:
            parts.append(f"{count} {words}")
    return f"{parts[0]}: {', '.join(parts[1:])}."


def left_lines(report: SweepReport) -> tuple[str, ...]:
    """What the rest will take, as far as the first points tell."""
    if not report.left:
        return ()
    if report.seconds_left is None or report.bytes_left is None:
        return (
            "How long they take, and how much of the disk, is known once the first have ended.",
        )
    seconds, disk = duration_text(report.seconds_left), size_text(report.bytes_left)
    return (f"The rest: about {seconds} for one process, {disk} on disk.",)


def impossible_table(report: SweepReport) -> Table:
    """The points that cannot be, and why."""
    rows = [(title(record.point), _reason(record)) for record in report.impossible]
    return Table((Column("cannot be"), Column("why")), tuple(rows))


def failed_table(report: SweepReport) -> Table:
    """The points that were begun, and did not come to an end."""
    ended = (*report.refused, *report.failed)
    rows = [(title(record.point), record.status, _reason(record)) for record in ended]
    return Table((Column("not done"), Column(""), Column("why")), tuple(rows))


def _reason(record: PointRecord | Impossible) -> str:
    return f"{record.message} {record.hint}".rstrip()


def place_text(place: Place | None) -> str:
    """Where latencies hold, in a line."""
    if place is None:
        return "Accuracy and size"
    threads = threads_text(place.threads)
    how = "measured" if place.measured else "predicted for TFLite with XNNPACK"
    return f"{printable(place.device)}, {threads}, {how}"


def front_table(front: Front) -> Table:
    """One row a point of the front, the fastest first; the one to take is marked."""
    axes = [
        name for name in _AXES if len({getattr(record.point, name) for record in front.records}) > 1
    ]
    measures = {record.accuracy.measure for record in front.records if record.accuracy is not None}
    columns = (
        Column(""),
        Column("model"),
        *(Column(_AXES[name][0]) for name in axes),
        Column("recipe"),
        Column("file"),
        *(Column(_MEASURES[name], number=True) for name in sorted(measures)),
        *((Column("ms", number=True),) if front.place is not None else ()),
        Column("size", number=True),
        Column("SNR", number=True),
    )
    return Table(columns, tuple(_row(record, front, axes, measures) for record in front.records))


def _row(record: PointRecord, front: Front, axes: list[str], measures: set[str]) -> tuple[str, ...]:
    point = record.point
    values = [(_AXES[name][1], getattr(point, name)) for name in axes]
    latency = latency_ms(record, front.place)
    accuracy = record.accuracy
    return (
        "*" if record is front.taken else "",
        printable(point.model),
        *(ABSENT if value is None else show(value) for show, value in values),
        point.recipe,
        f".{point.format}",
        *(
            percent_text(accuracy.value) if accuracy and accuracy.measure == name else ABSENT
            for name in sorted(measures)
        ),
        *(() if front.place is None else (milliseconds_text(latency or 0.0),)),
        size_text(record.size_bytes or 0),
        ABSENT if record.snr_db is None else f"{record.snr_db:.1f} dB",
    )


def budget_text(budget: Budget) -> str:
    """What was asked for; "" for nothing."""
    limits = []
    if budget.latency_ms is not None:
        limits.append(f"{milliseconds_text(budget.latency_ms)} ms")
    if budget.size_bytes is not None:
        limits.append(size_text(budget.size_bytes))
    if budget.max_drop is not None:
        limits.append(f"{budget.max_drop:g} points below the best accuracy")
    return f"Budget: {', '.join(limits)}." if limits else ""


def taken_lines(front: Front, storage: Path | str) -> tuple[str, ...]:
    """The point to take and why, and where its artifact is."""
    if front.taken is None:
        return (front.reason,)
    place = artifact_place(storage, front.taken.artifact, front.taken.point)
    return (
        f"* {title(front.taken.point)}. {front.reason}",
        f"  {shlex.quote(place)}",
    )


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
