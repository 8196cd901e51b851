"""Accuracy against latency, and which networks no other beats on both."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from edgecnn.reporting.page import drawing, words
from edgecnn.reporting.page.charts import device_rows as shared
from edgecnn.reporting.page.charts import scatter
from edgecnn.reporting.page.figure import (
    Column,
    Figure,
    choose,
    devices_source,
    distinct,
    number,
    visible,
)

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
        sources=(devices_source(devices, (*distinct(rows, "provenance"), "published")),),
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
    x, y = scatter.latency(), scatter.accuracy("ImageNet top-1")
    return scatter.draw(figure, x=x, y=y, name="label", front=_front(x, y))


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
    return line, scatter.ring(front)
