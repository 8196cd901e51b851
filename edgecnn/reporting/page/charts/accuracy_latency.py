"""Accuracy against latency, and which networks no other beats on both."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from edgecnn.reporting.page import drawing, words
from edgecnn.reporting.page.charts import device_rows as shared
from edgecnn.reporting.page.figure import Column, Figure, choose, distinct, number, source, visible

if TYPE_CHECKING:
    from collections.abc import Iterable

    import altair as alt

    from edgecnn.reporting.page.figure import Gap, Row
    from edgecnn.reporting.page.material import Material

ID = "accuracy-latency"
_COLUMNS = (
    shared.NAME,
    shared.RECIPE_COLUMN,
    shared.DEVICE_COLUMN,
    shared.THREADS_COLUMN,
    Column("accuracy", "ImageNet top-1, published", words.percent, number=True),
    shared.LATENCY,
    shared.LOW,
    shared.HIGH,
    Column("parameters", "parameters", words.count, number=True),
    Column("front", "on the front", words.plain),
    shared.PROVENANCE,
)
_HEIGHT = 380
_PADDING_PX = 48  # for the names of the fastest and the slowest


def gather(material: Material) -> Figure | Gap:
    """One row a network with a published accuracy, recipe, device and number of threads."""
    devices = material.evidence.devices
    rows = _marked(shared.rows(material.evidence))
    if devices is None or not rows:
        return shared.gap(
            ID, "Accuracy against latency", "No network here has both an accuracy and a latency."
        )
    figure = Figure(
        id=ID,
        title="Accuracy against latency",
        reading="To the left is faster, up is more accurate; the dashed line joins the networks"
        " that none beats on both, and the bars are intervals of latency.",
        columns=_COLUMNS,
        rows=rows,
        filters=(
            choose(rows, "device", "Device", shared.DEVICE, every=False),
            choose(rows, "recipe", "Recipe", shared.RECIPE),
            choose(rows, "threads", "Threads", shared.THREADS, every=False),
        ),
        sources=(source(devices.header, (*distinct(rows, "provenance"), "published")),),
        notes=(
            (
                "Accuracy is what was published for the network in float on ImageNet; networks"
                " without such a number are not shown. What a recipe costs in accuracy is measured"
                " below, on networks trained here."
            ),
        ),
    )
    return _with_finding(figure)


def _marked(rows: Iterable[Row]) -> tuple[Row, ...]:
    """The rows that have an accuracy; of each device, recipe and threads the front is marked."""
    known = [row for row in rows if row["accuracy"] is not None]
    marked: list[Row] = []
    for _, group in groupby(sorted(known, key=_place), key=_place):
        best = 0.0
        for row in sorted(
            group, key=lambda point: (number(point, "latency_ms"), -number(point, "accuracy"))
        ):
            front = number(row, "accuracy") > best
            best = max(best, number(row, "accuracy"))
            marked.append({**row, "front": front})
    return tuple(marked)


def _place(row: Row) -> tuple[str, str, str]:
    return str(row["device"]), str(row["recipe"]), str(row["threads"])


def _with_finding(figure: Figure) -> Figure:
    """Say in the title what the chart shows when it is opened."""
    import dataclasses

    rows = [row for row in figure.rows if visible(figure, row)]
    front = [str(row["label"]) for row in rows if row["front"]]
    name = shared.subject(figure.rows)
    where = f"{figure.filters[0].chosen}, {figure.filters[1].chosen or 'all recipes'}"
    if name in front or not front:
        title = f"On {where}, no network is both faster and more accurate than {name}"
    else:
        title = f"On {where}, {words.listed(front)} beat the others: {name} is not on the front"
    return dataclasses.replace(figure, title=title)


def draw(figure: Figure) -> drawing.Drawing:
    """Points with their names; the front is computed of what the filters leave."""
    import altair as alt

    shades = drawing.colours(distinct(figure.rows, "recipe"))
    x = alt.X(
        field="latency_ms", type="quantitative", **drawing.log_milliseconds("latency", _PADDING_PX)
    )
    y = alt.Y(
        field="accuracy",
        type="quantitative",
        scale=alt.Scale(zero=False, padding=16),
        axis=alt.Axis(title="ImageNet top-1", format=".0%"),
    )
    base = alt.Chart().encode(x=x, y=y, color=drawing.colour_of("recipe", shades))
    interval = base.mark_rule(opacity=0.35, strokeWidth=3, aria=False).encode(
        x=alt.X(field="low_ms", type="quantitative"), x2=alt.X2(field="high_ms")
    )
    points = base.mark_point(size=120).encode(
        shape=drawing.shape_of(), tooltip=drawing.tooltips(figure)
    )
    names = base.mark_text(align="center", dy=-16, limit=150, aria=False).encode(
        text=alt.Text(field="label", type="nominal"), color=alt.value("var(--muted)")
    )
    chart = drawing.finish([*_front(x, y), interval, points, names], figure, height=_HEIGHT)
    keys = drawing.legend(shades, drawing.provenances(figure))
    return drawing.Drawing(chart, (*keys, drawing.Key("on the front", "var(--ink)", "ring")))


def _front(x: alt.X, y: alt.Y) -> tuple[alt.Chart, alt.Chart]:
    """The line and the rings, of the rows that the filters leave."""
    import altair as alt

    order: list[alt.SortField | dict[str, str]] = [
        {"field": "latency_ms", "order": "ascending"},
        {"field": "accuracy", "order": "descending"},
    ]
    best = alt.WindowFieldDef.from_dict({"op": "max", "field": "accuracy", "as": "best"})
    before = alt.WindowFieldDef.from_dict({"op": "lag", "field": "best", "as": "before"})
    front = (
        alt.Chart()
        .transform_window([best], frame=[None, 0], sort=order)
        .transform_window([before], sort=order)
        .transform_filter("!isValid(datum.before) || datum.accuracy > datum.before")
        .encode(x=x, y=y)
    )
    line = front.mark_line(
        interpolate="step-after", strokeDash=[4, 4], stroke="var(--muted)", aria=False
    )
    ring = front.mark_point(filled=False, shape="circle", size=330, stroke="var(--ink)", aria=False)
    return line, ring
