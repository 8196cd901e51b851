"""Predicted latencies, as `edgecnn predict` shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecnn.reporting.table import Column, Table
from edgecnn.text import (
    ABSENT,
    count_text,
    milliseconds_text,
    percent_text,
    printable,
    size_text,
    threads_text,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from edgecnn.latency.reports import Candidate, PredictedRun, PredictReport

_MJ_PER_J = 1000
_MUCH = 0.25
_BASES = {
    "interpolated": "interpolated: similar networks were measured on this device",
    "extrapolated": "extrapolated: this device was measured, but not with a network of this kind",
    "calibrated": "calibrated: probe networks were measured on this device",
    "no rows": "no rows: no published latencies of this device with this build and precision;"
    " predicted from its type of cores",
}
_KINDS = {
    "convolution": "convolutions",
    "pointwise": "1x1 convolutions",
    "depthwise": "depthwise convolutions",
    "grouped": "grouped convolutions",
    "transposed": "transposed convolutions",
    "dense": "dense layers",
    "matmul": "matrix products",
    "recurrent": "recurrent layers",
    "pool": "poolings",
    "mean": "global averages",
    "elementwise": "element-wise operators",
    "activation": "separate activations",
    "copy": "copies",
    "resize": "resizings",
    "quantize": "requantizations",
    "detection": "detection operators",
    "free": "reshapes",
    "unknown": "unknown operators",
}
_BOUND = {
    "compute": "compute-bound",
    "memory": "memory-bound",
    "overhead": "mostly operator overhead",
}


def predictions_table(runs: Iterable[PredictedRun]) -> Table:
    """One row a prediction; the file is a column where there are several."""
    runs = list(runs)
    several = len({run.model for run in runs}) > 1
    columns = (
        *((Column("model"),) if several else ()),
        Column("device"),
        Column("threads", number=True),
        Column("recipe"),
        Column("ms", number=True),
        Column(_rate(runs), number=True),
        Column("energy", number=True),
        Column("basis"),
    )
    rows = [((printable(run.model),) if several else ()) + _row(run) for run in runs]
    return Table(columns, tuple(rows))


def _row(run: PredictedRun) -> tuple[str, ...]:
    return (
        printable(run.device),
        str(run.threads),
        run.recipe,
        milliseconds_text(run.latency_ms),
        interval_text(run),
        energy_text(run.energy_mj),
        run.basis,
    )


def _rate(runs: list[PredictedRun]) -> str:
    return percent_text(runs[0].interval).replace(".0%", "%") if runs else ""


def interval_text(run: PredictedRun | Candidate) -> str:
    """Both ends of the interval, milliseconds."""
    return f"{milliseconds_text(run.low_ms)}-{milliseconds_text(run.high_ms)}"


def energy_text(energy_mj: float | None) -> str:
    """An estimate of energy, with two digits.

    >>> energy_text(123.4), energy_text(5120.0), energy_text(None)
    ('~120 mJ', '~5.1 J', '-')
    """
    if energy_mj is None:
        return ABSENT
    value, unit = (energy_mj, "mJ") if energy_mj < _MJ_PER_J else (energy_mj / _MJ_PER_J, "J")
    rounded = float(f"{value:.2g}")
    return f"~{rounded:.0f} {unit}" if rounded >= 10 else f"~{rounded:g} {unit}"  # noqa: PLR2004 - two digits


def heading(report: PredictReport) -> str:
    """What all rows have in common."""
    run = report.predictions[0]
    networks = {(prediction.model, prediction.macs) for prediction in report.predictions}
    only = len(networks) == 1
    what = f"{printable(run.model)}: {count_text(run.macs)} MACs" if only else "Networks"
    return f"{what}, TFLite with XNNPACK. Predicted, not measured."


def legend(report: PredictReport) -> tuple[str, ...]:
    """What the columns mean, as far as they are used."""
    runs = report.predictions
    rate = _rate(list(runs))
    lines = [
        f"For: {runs[0].conditions}.",
        (
            f"{rate}: of the latencies that sources left out of the fit measured, {rate} lay within"
            " this range. Another build, clock or governor gives another answer."
        ),
        *(f"Basis {_BASES[basis]}." for basis in dict.fromkeys(run.basis for run in runs)),
    ]
    if any(run.energy_mj is not None for run in runs):
        lines.append("Energy: an estimate for the whole device, including idle power.")
    return tuple(lines)


def warning_lines(report: PredictReport) -> tuple[str, ...]:
    """Each warning once; with its devices where it is not of all."""
    where: dict[str, list[str]] = {}
    for run in report.predictions:
        for warning in run.warnings:
            where.setdefault(warning, []).append(run.device)
    every = {run.device for run in report.predictions}
    return tuple(
        warning if set(devices) == every else f"{', '.join(dict.fromkeys(devices))}: {warning}"
        for warning, devices in where.items()
    )


def kinds_table(run: PredictedRun) -> Table:
    """Where the time would go by kind of operator, the costliest first."""
    columns = (
        Column("operators"),
        Column("n", number=True),
        Column("ms", number=True),
        Column("time", number=True),
        Column("MACs", number=True),
        Column("moved", number=True),
        Column("bound by"),
    )
    rows = [
        (
            _KINDS[kind.kind],
            str(kind.count),
            milliseconds_text(kind.time_ms),
            percent_text(kind.share),
            count_text(kind.macs) if kind.macs else ABSENT,
            size_text(kind.bytes_moved),
            kind.bound,
        )
        for kind in run.kinds
        if kind.kind != "free"
    ]
    return Table(columns, tuple(rows))


def title(run: PredictedRun) -> str:
    """Which prediction it is, in a line."""
    threads = threads_text(run.threads)
    return f"{printable(run.model)} {run.recipe} on {printable(run.device)}, {threads}"


def bottleneck(run: PredictedRun) -> str:
    """What the network would wait for, in a few sentences."""
    kinds = [kind for kind in run.kinds if kind.share >= _MUCH] or list(run.kinds[:1])
    sentences = [
        f"{percent_text(kind.share)} of the time goes to {kind.count} {_KINDS[kind.kind]}"
        + (f" with {percent_text(kind.macs / run.macs)} of the MACs" if kind.macs else "")
        + f", {_BOUND[kind.bound]}."
        for kind in kinds
    ]
    return " ".join(sentences)


def changes_table(run: PredictedRun) -> Table:
    """What would be predicted if one thing were otherwise, the fastest first."""
    columns = (Column("with"), Column("ms", number=True), Column("times", number=True))
    rows = [
        (
            change.what,
            milliseconds_text(change.latency_ms),
            f"{change.latency_ms / run.latency_ms:.2f}",
        )
        for change in sorted(run.changes, key=lambda change: change.latency_ms)
    ]
    return Table(columns, tuple(rows))
