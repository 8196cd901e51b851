"""Names beside points: Vega lays them out so that none covers another name or a point.

Vega-Lite has no words for this, so that a text mark is only marked here, and given Vega's label
transform once the chart is compiled. One that has no free place around its point is not drawn; the
tooltip and the table have it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    import altair as alt

_STYLE = "beside-a-point"
_NEAR_PX, _DIAGONAL_PX = 13, 9  # outside of the ring around a point of the front
# The first that is free is taken.
_PLACES = {
    "top": _NEAR_PX, "bottom": _NEAR_PX, "right": _NEAR_PX, "left": _NEAR_PX,
    "top-right": _DIAGONAL_PX, "bottom-right": _DIAGONAL_PX,
    "top-left": _DIAGONAL_PX, "bottom-left": _DIAGONAL_PX,
}  # fmt: skip
_LIMIT_PX = 190
_SPACES = "\N{NO-BREAK SPACE}" * 2
_SET_BY_THE_LAYOUT = ("align", "baseline", "dx", "dy")


def beside(points: alt.Chart, key: str) -> tuple[alt.Chart, alt.Chart]:
    """The text of a column beside each point; "" names none, but its point is not covered.

    Returns:
        Two layers: a rim that keeps the text apart from lines below it, and the text.
    """
    import altair as alt

    value = f"datum[{json.dumps(key)}]"
    # The layout knows of a point where its middle is: spaces at the ends, which are measured and
    # not drawn, keep clear of the rest of it.
    text = alt.ExprRef(f"{value} ? '{_SPACES}' + {value} + '{_SPACES}' : ''")
    rim: alt.Chart = points.mark_text(
        style=_STYLE, limit=_LIMIT_PX, aria=False, text=text,
        stroke="var(--card)", strokeWidth=3, color="var(--card)",
    )  # fmt: skip
    names: alt.Chart = points.mark_text(
        style=_STYLE, limit=_LIMIT_PX, aria=False, text=text, color="var(--muted)"
    )
    return rim, names


def lay_out(vega: dict[str, Any]) -> None:
    """Give the names of a compiled chart their layout; rows of a column `front` come first."""
    for group, mark in _marks(vega):
        if _STYLE not in mark.get("style", ()):
            continue
        for channel in _SET_BY_THE_LAYOUT:
            mark["encode"]["update"].pop(channel, None)
        mark["transform"] = [
            {
                "type": "label",
                "size": {"signal": f"[{_size(group, 'width')}, {_size(group, 'height')}]"},
                "sort": {"field": "datum.front", "order": "descending"},
                "anchor": list(_PLACES),
                "offset": list(_PLACES.values()),
            }
        ]


def _marks(group: dict[str, Any]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    for mark in group.get("marks", ()):
        yield group, mark
        yield from _marks(mark)


def _size(group: dict[str, Any], side: str) -> str:
    """The signal of a chart's width or height: its own where it is one of several."""
    signal = group.get("encode", {}).get("update", {}).get(side, {})
    return str(signal.get("signal", signal.get("value", side)))
