"""A cheaper and a costlier way side by side: what is saved in MACs, and what in time."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any

from edgecnn.reporting.page import drawing, words
from edgecnn.reporting.page.figure import Column, choose, number

if TYPE_CHECKING:
    from collections.abc import Iterable

    from edgecnn.evidence.records import KernelPair
    from edgecnn.reporting.page.figure import Figure, Filter, Row

COMMANDS = ("python tools/experiment_kernels.py",)
COLUMNS = (
    Column("name", "layer", words.plain),
    Column("cheap", "cheaper", words.plain),
    Column("costly", "costlier", words.plain),
    Column("dtype", "type", words.plain),
    Column("target", "on", words.plain),
    Column("threads", "threads", words.plain, number=True),
    Column("macs_ratio", "MACs, cheaper over costlier", words.ratio, number=True),
    Column("latency_ratio", "time, cheaper over costlier", words.ratio, number=True),
    Column("low_ratio", "from", words.ratio, number=True),
    Column("high_ratio", "to", words.ratio, number=True),
    Column("cheap_ms", "time of the cheaper", words.milliseconds, number=True),
    Column("costly_ms", "time of the costlier", words.milliseconds, number=True),
    Column("provenance", "provenance of the times", words.plain),
)


def rows(pairs: Iterable[KernelPair]) -> tuple[Row, ...]:
    """One row a pair."""
    return tuple(
        {
            "group": pair.group,
            "name": _name(pair),
            "cheap": pair.cheap.what,
            "costly": pair.costly.what,
            "dtype": pair.dtype,
            "target": pair.target,
            "threads": pair.threads,
            "macs_ratio": pair.cheap.macs / pair.costly.macs,
            "latency_ratio": pair.latency_ratio,
            "low_ratio": pair.low_ratio,
            "high_ratio": pair.high_ratio,
            "low": pair.latency_ratio if pair.low_ratio is None else pair.low_ratio,
            "high": pair.latency_ratio if pair.high_ratio is None else pair.high_ratio,
            "cheap_ms": pair.cheap.latency_ms,
            "costly_ms": pair.costly.latency_ms,
            "provenance": pair.provenance,
        }
        for pair in pairs
    )


def _name(pair: KernelPair) -> str:
    shape = f"{pair.size}x{pair.size}x{pair.channels}"
    return f"{pair.layer}, {shape}" if pair.layer else f"{shape} to {pair.filters}"


def filters(rows: tuple[Row, ...]) -> tuple[Filter, ...]:
    """Where, in what, and with how many threads."""
    return (
        choose(rows, "target", "On", ("local",), every=False),
        choose(rows, "dtype", "Type", ("float32",), every=False),
        choose(rows, "threads", "Threads", ("1",), every=False),
    )


def medians(rows: Iterable[Row]) -> tuple[float, float]:
    """The median ratio of MACs, and of times."""
    pairs = list(rows)
    return (
        statistics.median(number(row, "macs_ratio") for row in pairs),
        statistics.median(number(row, "latency_ratio") for row in pairs),
    )


def draw(figure: Figure, name: str = "name") -> drawing.Drawing:
    """A row for each pair: a triangle for MACs, another shape for time, a rule between them."""
    import altair as alt

    x: dict[str, Any] = {
        "type": "quantitative",
        "scale": alt.Scale(type="log", nice=False, padding=16),
        "axis": alt.Axis(title="cheaper over costlier", tickCount=5, format="~g"),
    }
    base = alt.Chart().encode(y=drawing.names(name))
    between = base.mark_rule(stroke="var(--muted)", opacity=0.5, aria=False).encode(
        x=alt.X(field="macs_ratio", **x), x2=alt.X2(field="latency_ratio")
    )
    interval = base.mark_rule(stroke="var(--c1)", strokeWidth=4, opacity=0.4, aria=False).encode(
        x=alt.X(field="low", **x), x2=alt.X2(field="high")
    )
    macs = base.mark_point(color="var(--c2)").encode(
        x=alt.X(field="macs_ratio", **x),
        shape=alt.ShapeDatum("counted", type="nominal"),
        tooltip=drawing.tooltips(figure),
    )
    time = base.mark_point(color="var(--c1)").encode(
        x=alt.X(field="latency_ratio", **x),
        shape=drawing.shape_of(),
        tooltip=drawing.tooltips(figure),
    )
    layers = [*drawing.lines({"no gain": 1.0}), between, interval, macs, time]
    chart = drawing.finish(layers, figure, height=drawing.row_height(1))
    times = tuple(
        drawing.Key(f"time, {provenance}", "var(--c1)", drawing.SHAPES[provenance])
        for provenance in drawing.provenances(figure)
    )
    return drawing.Drawing(
        chart, (drawing.Key("MACs, counted", "var(--c2)", "triangle-up"), *times)
    )
