"""Gradient norms by depth: whether the first layers of a deep net are told anything."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from edgecnn.reporting.page import drawing, words
from edgecnn.reporting.page.figure import (
    Column,
    Figure,
    Gap,
    Grid,
    choose,
    distinct,
    number,
    source,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edgecnn.evidence.records import GradientRun, Gradients
    from edgecnn.reporting.page.figure import Row
    from edgecnn.reporting.page.material import Material

ID = "gradients"
_HEIGHT = 340
_COMMANDS = ("python tools/experiment_gradients.py",)
_COLUMNS = (
    Column("kind", "network", words.plain),
    Column("depth", "convolutions", words.plain, number=True),
    Column("initializer", "initializer", words.plain),
    Column("layer", "layer", words.plain, number=True),
    Column("norm", "gradient norm, median", words.ratio, number=True),
    Column("low", "lowest seed", words.ratio, number=True),
    Column("high", "highest seed", words.ratio, number=True),
    Column("seeds", "seeds", words.plain, number=True),
    Column("provenance", "provenance", words.plain),
)
_Key = tuple[str, int, str]


def gather(material: Material) -> Figure | Gap:
    """One row a kind of network, depth, initializer and layer: the median of the seeds."""
    gradients = material.evidence.gradients
    if gradients is None or not gradients.runs:
        return Gap(ID, "Gradient norms by depth", "No gradients were measured.", _COMMANDS)
    groups = _groups(gradients)
    rows = tuple(row for key, runs in groups.items() for row in _rows(key, runs))
    deepest = str(max(run.depth for run in gradients.runs))
    return Figure(
        id=ID,
        title=_title(groups, int(deepest)),
        reading="Each mark is the size of the gradient that one convolution's kernel gets before"
        " training, from the input (left) to the output. A line that lies, or falls to the left, by"
        " powers of ten below the others is a vanishing gradient; one that rises explodes.",
        columns=_COLUMNS,
        rows=rows,
        filters=(
            choose(rows, "depth", "Depth", (deepest,), every=False),
            choose(rows, "initializer", "Initializer", every=False),
        ),
        sources=(source(gradients.header, ("measured",)),),
        notes=("A norm of exactly zero has no place on a logarithmic axis; the table has it.",),
        summary=_summary(groups),
    )


def _groups(gradients: Gradients) -> dict[_Key, list[GradientRun]]:
    groups: dict[_Key, list[GradientRun]] = {}
    for run in gradients.runs:
        groups.setdefault((run.kind, run.depth, run.initializer), []).append(run)
    return groups


def _rows(key: _Key, runs: list[GradientRun]) -> Iterator[Row]:
    kind, depth, initializer = key
    for layer, norms in enumerate(zip(*(run.gradient_norms for run in runs), strict=False), 1):
        yield {
            "kind": kind,
            "depth": depth,
            "initializer": initializer,
            "layer": layer,
            "norm": statistics.median(norms),
            "low": min(norms),
            "high": max(norms),
            "seeds": len(norms),
            "provenance": "measured",
        }


def _first(runs: list[GradientRun]) -> float | None:
    """The first layer's norm, the median of the seeds."""
    known = [run.gradient_norms[0] for run in runs if run.gradient_norms]
    return statistics.median(known) if known else None


def _summary(groups: dict[_Key, list[GradientRun]]) -> Grid:
    rows = []
    for (kind, depth, initializer), runs in groups.items():
        trained = [run.accuracy for run in runs if run.accuracy is not None]
        accuracy = words.percent(statistics.fmean(trained)) if trained else words.ABSENT
        rows.append((kind, str(depth), initializer, words.ratio(_first(runs)), accuracy))
    titles = ("network", "convolutions", "initializer", "first layer's norm", "trained accuracy")
    return Grid(titles, tuple(rows))


def _title(groups: dict[_Key, list[GradientRun]], depth: int) -> str:
    initializer = next(iter(groups))[2]
    norms = {
        kind: _first(runs)
        for (kind, convolutions, how), runs in groups.items()
        if convolutions == depth and how == initializer
    }
    phrases = [f"{words.ratio(norm)} in {kind}" for kind, norm in norms.items() if norm is not None]
    if not phrases:
        return "Gradient norms by depth"
    return (
        f"At {depth} convolutions ({initializer}), the first layer's gradient is"
        f" {words.listed(phrases)} nets"
    )


def _ticks(figure: Figure) -> list[float]:
    """Powers of ten; also twice and five times of them where the norms span little."""
    norms = [number(row, "norm") for row in figure.rows if row["norm"]]
    span = max(norms, default=1.0) / min(norms, default=1.0)
    digits = (1, 2, 5) if span < 1000 else (1,)  # noqa: PLR2004 - three powers of ten
    return [digit * 10.0**power for power in range(-30, 10) for digit in digits]


def draw(figure: Figure) -> drawing.Drawing:
    """A line for each kind of network, the seeds' range around it."""
    import altair as alt

    shades = drawing.colours(distinct(figure.rows, "kind"))
    base = alt.Chart().encode(
        x=alt.X(
            field="layer", type="quantitative", axis=alt.Axis(title="convolution, from the input")
        ),
        color=drawing.colour_of("kind", shades),
    )
    y = alt.Y(
        field="norm",
        type="quantitative",
        scale=alt.Scale(type="log", nice=False),
        axis=alt.Axis(title="gradient norm", format=".0e", values=_ticks(figure)),
    )
    dash = alt.StrokeDash(field="kind", type="nominal", legend=None)
    line = base.mark_line(aria=False).encode(y=y, strokeDash=dash)
    points = base.mark_point(size=40).encode(
        y=y, shape=drawing.shape_of(), tooltip=drawing.tooltips(figure)
    )
    span = base.mark_rule(opacity=0.35, aria=False).encode(
        y=alt.Y(field="low", type="quantitative"), y2=alt.Y2(field="high")
    )
    chart = drawing.finish([line, span, points], figure, height=_HEIGHT, where="datum.low > 0")
    return drawing.Drawing(chart, drawing.legend(shades, drawing.provenances(figure)))
