"""A row for each name, a mark for each value: the drawing that several charts share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecnn.reporting.page import drawing
from edgecnn.reporting.page.figure import distinct

if TYPE_CHECKING:
    import altair as alt

    from edgecnn.reporting.page.figure import Figure


def draw(
    figure: Figure,
    *,
    name: str,
    x: alt.X,
    colour: str,
    interval: tuple[str, str] | None = None,
    sort: alt.EncodingSortField | None = None,
    marks: dict[str, float] | None = None,
    text: str | None = None,
) -> drawing.Drawing:
    """Marks in rows; with stems from zero, or with intervals.

    Args:
        figure: what to draw.
        name: the column whose values name the rows.
        x: the value's channel.
        colour: the column that decides the colour and the place within a row.
        interval: columns of the lower and the upper end; None draws a stem.
        sort: of the rows, by a field; None keeps the order of the records.
        marks: words and values of vertical lines.
        text: the column written to the right of each mark, or of its interval.
    """
    import altair as alt

    values = distinct(figure.rows, colour)
    shades = drawing.colours(values)
    base = alt.Chart().encode(
        y=drawing.names(name, sort=sort), color=drawing.colour_of(colour, shades)
    )
    if len(values) > 1:
        base = base.encode(yOffset=alt.YOffset(field=colour, type="nominal", sort=list(shades)))
    points = base.mark_point().encode(
        x=x, shape=drawing.shape_of(), tooltip=drawing.tooltips(figure)
    )
    if interval:
        low, high = interval
        span = base.mark_rule(strokeWidth=3, opacity=0.4, aria=False).encode(
            x=alt.X(field=low, type="quantitative"), x2=alt.X2(field=high)
        )
    else:
        span = base.mark_rule(strokeWidth=2, opacity=0.4, aria=False).encode(x=x, x2=alt.X2Datum(0))
    layers = [*drawing.lines(marks or {}), span, points]
    if text:
        end = alt.X(field=interval[1], type="quantitative") if interval else x
        layers.append(_written(base.encode(x=end), text))
    chart = drawing.finish([*layers], figure, height=drawing.row_height(len(values)))
    return drawing.Drawing(chart, drawing.legend(shades, drawing.provenances(figure)))


def _written(base: alt.Chart, column: str) -> alt.Chart:
    import altair as alt

    written: alt.Chart = base.mark_text(align="left", dx=8, aria=False).encode(
        text=alt.Text(field=column, type="nominal"), color=alt.value("var(--muted)")
    )
    return written
