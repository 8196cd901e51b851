"""What all charts share: data, filters, tooltips, colours and shapes.

Colours are CSS variables of the page, so that light, dark and print restyle a drawn chart; how a
number came about is a shape, so that no meaning hangs on colour alone. Altair is imported inside
the functions: the report's other formats need none.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgecnn.reporting.page import words
from edgecnn.reporting.page.figure import distinct

if TYPE_CHECKING:
    from collections.abc import Sequence

    import altair as alt

    from edgecnn.reporting.page.figure import Column, Figure, Row

SHAPES = {
    "measured": "circle",
    "emulated": "square",
    "predicted": "diamond",
    "published": "cross",
    "counted": "triangle-up",
}
MARK_SIZE = 70
ROW_PX = 28
_OFFSET_PX = 16
_LABEL_PX = "containerSize()[0] < 520 ? 140 : 300"
_COLOURS = 6
_ROWS = "rows"
_RECIPES = ("float32", "float16", "dynamic", "int8", "int16x8")
_MILLISECONDS = (
    "datum.value >= 1000 ? format(datum.value / 1000, '~g') + ' s'"
    " : format(datum.value, '~g') + ' ms'"
)


@dataclass(frozen=True)
class Key:
    """One entry of a chart's legend: a colour, a shape, or both."""

    label: str
    colour: str = "var(--muted)"
    shape: str = "swatch"


@dataclass(frozen=True)
class Drawing:
    """A chart and the legend that stands above it, as HTML."""

    chart: alt.LayerChart
    keys: tuple[Key, ...] = ()


def colours(values: tuple[str, ...]) -> dict[str, str]:
    """A colour for each value; a recipe has the same one in every chart."""
    if set(values) <= set(_RECIPES):
        shades = {value: f"var(--c{index})" for index, value in enumerate(_RECIPES, 1)}
        return {value: shade for value, shade in shades.items() if value in values}
    return {value: f"var(--c{index % _COLOURS + 1})" for index, value in enumerate(values)}


def specification(figure: Figure, drawing: Drawing) -> dict[str, Any]:
    """The chart in Vega-Lite's words, with the figure's rows.

    A number stands there also as the table writes it, so that a tooltip says the same. The rows
    are put in at the end: Altair would copy and check them at every step. What the chart does not
    use is left out, and numbers have six digits: a record of all devices has thousands of rows.
    """
    spec = drawing.chart.to_dict()
    used = set(re.findall(r"\w+", json.dumps(spec)))
    columns = {_text_key(column, figure): column for column in figure.columns}
    values = [_short(row, columns, used) for row in figure.rows]
    return {**spec, "datasets": {**spec.get("datasets", {}), _ROWS: values}}


def _short(row: Row, columns: dict[str, Column], used: set[str]) -> dict[str, Any]:
    values = {**row, **{key: column.text(row[column.key]) for key, column in columns.items()}}
    return {
        key: float(f"{value:.6g}") if isinstance(value, float) else value
        for key, value in values.items()
        if key in used
    }


def _text_key(column: Column, figure: Figure) -> str:
    """Where a cell's text stands: its own place where all rows have text, else beside it."""
    is_text = all(isinstance(row[column.key], str) for row in figure.rows)
    return column.key if is_text and column.text is words.plain else f"{column.key}_text"


def tooltips(figure: Figure) -> list[alt.Tooltip]:
    """Every column of the table, in its order."""
    import altair as alt

    return [
        alt.Tooltip(field=_text_key(column, figure), type="nominal", title=column.title)
        for column in figure.columns
    ]


def finish(
    layers: Sequence[alt.Chart], figure: Figure, *, height: int | alt.Step, where: str = ""
) -> alt.LayerChart:
    """Lay marks over each other, and give them filters and a size: as wide as the page lets it.

    Args:
        layers: the lowest first.
        figure: whose filters narrow the rows.
        height: pixels, or pixels a row.
        where: of the rows that can be drawn at all, as a Vega expression.
    """
    import altair as alt

    chart = alt.LayerChart(layer=list(layers)).properties(
        data=alt.NamedData(name=_ROWS),
        width="container",
        height=height,
        autosize=alt.AutoSizeParams(type="fit-x", contains="padding"),
        description=figure.title,
    )
    if where:
        chart = chart.transform_filter(where)
    for choice in figure.filters:
        chart = chart.add_params(alt.param(name=f"by_{choice.key}", value=choice.chosen))
        field = json.dumps(choice.key)
        chart = chart.transform_filter(
            f"by_{choice.key} === '' || toString(datum[{field}]) === by_{choice.key}"
        )
    return chart


def colour_of(key: str, shades: dict[str, str]) -> alt.Color:
    """Colour by a column; its legend is the page's."""
    import altair as alt

    scale = alt.Scale(domain=list(shades), range=list(shades.values()))
    return alt.Color(field=key, type="nominal", scale=scale, legend=None)


def shape_scale() -> alt.Scale:
    """The same shape for the same provenance in every chart."""
    import altair as alt

    return alt.Scale(domain=list(SHAPES), range=list(SHAPES.values()))


def shape_of() -> alt.Shape:
    """Shape by the column `provenance`."""
    import altair as alt

    return alt.Shape(field="provenance", type="nominal", scale=shape_scale(), legend=None)


def legend(shades: dict[str, str], provenance: tuple[str, ...]) -> tuple[Key, ...]:
    """Entries for colours, then for the shapes that occur."""
    return (
        *(Key(name, colour) for name, colour in shades.items() if len(shades) > 1),
        *(Key(name, shape=SHAPES[name]) for name in provenance),
    )


def provenances(figure: Figure) -> tuple[str, ...]:
    """How the rows' numbers came about, each word once."""
    return distinct(figure.rows, "provenance")


def log_milliseconds(title: str, padding_px: int = 16) -> dict[str, Any]:
    """Scale and axis of latencies, from a fraction of a millisecond to minutes."""
    import altair as alt

    return {
        "scale": alt.Scale(type="log", nice=False, padding=padding_px),
        "axis": alt.Axis(title=title, labelExpr=_MILLISECONDS, tickCount=5),
    }


def lines(marks: dict[str, float]) -> list[alt.Chart]:
    """Dashed lines across the chart at some values of x, each with its words above it."""
    import altair as alt

    if not marks:
        return []
    base = alt.Chart(
        alt.InlineData(values=[{"at": at, "label": label} for label, at in marks.items()])
    ).encode(x=alt.X(field="at", type="quantitative"))
    rule = base.mark_rule(stroke="var(--limit)", strokeDash=[5, 4], aria=False)
    labels = base.mark_text(
        align="center", baseline="bottom", dy=-4, color="var(--limit)", aria=False
    ).encode(text=alt.Text(field="label", type="nominal"), y=alt.value(0))
    return [rule, labels]


def row_height(values: int) -> alt.Step:
    """The height of a row with this many marks one below the other."""
    import altair as alt

    several = alt.Step(step=_OFFSET_PX, **{"for": "offset"})
    return several if values > 1 else alt.Step(step=ROW_PX)


def names(key: str, *, sort: Any = None) -> alt.Y:  # noqa: ANN401 - Altair's many ways
    """A row for each value of a column, in the order of the records."""
    import altair as alt

    return alt.Y(
        field=key,
        type="nominal",
        sort=sort,
        axis=alt.Axis(
            title=None,
            labelLimit=alt.ExprRef(_LABEL_PX),
            ticks=False,
            domain=False,
            grid=True,
        ),
    )


def config() -> dict[str, Any]:
    """The look of all charts, in Vega-Lite's words."""
    text = {"labelColor": "var(--muted)", "titleColor": "var(--ink)"}
    return {
        "background": "transparent",
        "font": "system-ui, sans-serif",
        "view": {"stroke": None},
        "axis": {
            **text,
            "domainColor": "var(--line)",
            "tickColor": "var(--line)",
            "gridColor": "var(--line)",
            "labelFontSize": 12,
            "titleFontSize": 12,
            "titleFontWeight": 600,
            "titlePadding": 10,
            "labelSeparation": 8,
        },
        "text": {"fontSize": 11, "fill": "var(--muted)"},
        "point": {"filled": True, "size": MARK_SIZE, "opacity": 1},
    }
