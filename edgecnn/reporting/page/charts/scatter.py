"""Accuracy over latency: the points, intervals and names that several charts share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecnn.reporting.page import drawing, labels
from edgecnn.reporting.page.figure import distinct

if TYPE_CHECKING:
    from collections.abc import Sequence

    import altair as alt

    from edgecnn.reporting.page.figure import Figure

_HEIGHT = 380
_PADDING_PX = 48  # for the names of the fastest and the slowest
RING = drawing.Key("on the front", "var(--ink)", "ring")


def latency() -> alt.X:
    """The channel of `latency_ms`."""
    import altair as alt

    return alt.X(
        field="latency_ms", type="quantitative", **drawing.log_milliseconds("latency", _PADDING_PX)
    )


def accuracy(title: str) -> alt.Y:
    """The channel of `accuracy`, a share of one."""
    import altair as alt

    return alt.Y(
        field="accuracy",
        type="quantitative",
        scale=alt.Scale(zero=False, padding=24),
        axis=alt.Axis(title=title, format="~%", tickCount=6),
    )


def size() -> alt.X:
    """The channel of `mega`, a file's size in millions of bytes."""
    import altair as alt

    return alt.X(
        field="mega",
        type="quantitative",
        scale=alt.Scale(zero=False, padding=_PADDING_PX),
        axis=alt.Axis(title="size of the file, MB", tickCount=5),
    )


def snr() -> alt.Y:
    """The channel of `snr_db`, a ratio in dB."""
    import altair as alt

    return alt.Y(
        field="snr_db",
        type="quantitative",
        scale=alt.Scale(zero=False, padding=24),
        axis=alt.Axis(title="SNR against float, dB", tickCount=6),
    )


def ring(front: alt.Chart) -> alt.Chart:
    """A ring around each point of the front."""
    ring: alt.Chart = front.mark_point(
        filled=False, shape="circle", size=330, stroke="var(--ink)", aria=False
    )
    return ring


def draw(
    figure: Figure,
    *,
    x: alt.X,
    y: alt.Y,
    name: str,
    front: Sequence[alt.Chart],
    intervals: bool = True,
    where: str = "",
) -> drawing.Drawing:
    """Points coloured by `recipe` with their names.

    Args:
        figure: what to draw.
        x: where a point is, from left to right.
        y: where it is, from bottom to top.
        name: the column of the names.
        front: layers below the points, over the intervals.
        intervals: whether bars reach from `low_ms` to `high_ms`.
        where: of the rows that can be drawn at all, as a Vega expression.
    """
    import altair as alt

    shades = drawing.colours(distinct(figure.rows, "recipe"))
    base = alt.Chart().encode(x=x, y=y, color=drawing.colour_of("recipe", shades))
    points = base.mark_point(size=120).encode(
        shape=drawing.shape_of(), tooltip=drawing.tooltips(figure)
    )
    bars = _bars(base) if intervals else ()
    rim, names = labels.beside(alt.Chart().encode(x=x, y=y), name)
    layers = [*bars, rim, *front, points, names]
    chart = drawing.finish(layers, figure, height=_HEIGHT, where=where)
    keys = drawing.legend(shades, drawing.provenances(figure))
    return drawing.Drawing(chart, (*keys, RING))


def _bars(base: alt.Chart) -> tuple[alt.Chart]:
    import altair as alt

    bars = base.mark_rule(opacity=0.3, strokeWidth=3, aria=False)
    low = alt.X(field="low_ms", type="quantitative")
    return (bars.encode(x=low, x2=alt.X2(field="high_ms")),)
