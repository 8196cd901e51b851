"""Figures as one picture, SVG or PNG: what the page has around a chart stands in it as text."""

from __future__ import annotations

import json
import re
import textwrap
from dataclasses import replace
from importlib import resources
from typing import TYPE_CHECKING, Any, NamedTuple

from edgecnn.reporting.page import drawing, vega
from edgecnn.reporting.page.figure import visible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from edgecnn.reporting.page.figure import Figure, Source

_WIDTH_PX = 640
_TITLE_CHARACTERS = 88
_TEXT_CHARACTERS = 126
_SCALE = 2.0  # a PNG's pixels for each of the SVG's
_VARIABLE = re.compile(r"var\((--[\w-]+)\)")
_SET = re.compile(r"(--[\w-]+): (#[0-9a-f]{6})")


class Panel(NamedTuple):
    """A figure and how it is drawn."""

    figure: Figure
    draw: Callable[[Figure], drawing.Drawing]


def svg(panels: Iterable[Panel]) -> str:
    """Draw figures one below the other, each with its title, legend, notes and sources.

    Args:
        panels: at least one; of each figure the rows that its filters leave.

    Returns:
        An SVG in the page's light colours that needs no other file. The same panels give the same
        text.
    """
    import vl_convert

    views = [_view(_narrowed(panel.figure), panel.draw) for panel in panels]
    sheet = {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "vconcat": views,
        "spacing": 40,
        "background": "white",
        "padding": 16,
        "resolve": {
            "scale": dict.fromkeys(("x", "y", "color", "shape"), "independent"),
            "legend": {"color": "independent", "shape": "independent"},
        },
    }
    spec = vega.compiled(sheet)
    drawn: str = vl_convert.vega_to_svg(json.loads(_in_light(json.dumps(spec))))
    return drawn


def png(panels: Iterable[Panel]) -> bytes:
    """The same as a PNG, with two pixels for each of the SVG's."""
    import vl_convert

    drawn: bytes = vl_convert.svg_to_png(svg(panels), scale=_SCALE)
    return drawn


def _narrowed(figure: Figure) -> Figure:
    """A picture has no filters: of the rows those that pass them."""
    rows = tuple(row for row in figure.rows if visible(figure, row))
    return replace(figure, rows=rows, filters=())


def _view(figure: Figure, draw: Callable[[Figure], drawing.Drawing]) -> dict[str, Any]:
    """A figure as one of several views: its rows inside, a fixed width, words and legends."""
    spec = drawing.specification(figure, draw(figure))
    datasets = spec.pop("datasets")
    _put_data(spec, datasets)
    for name in ("$schema", "autosize", "config"):
        spec.pop(name, None)
    _put_legends(spec, drawing.provenances(figure))
    return {**spec, "width": _WIDTH_PX, "title": _words(figure)}


def _words(figure: Figure) -> dict[str, Any]:
    """Title, how to read it, notes and sources, wrapped: Vega wraps nothing."""
    said = [figure.reading, *figure.notes, *map(source_text, figure.sources)]
    return {
        "text": textwrap.wrap(figure.title, _TITLE_CHARACTERS),
        "subtitle": [
            line for sentence in said for line in textwrap.wrap(sentence, _TEXT_CHARACTERS)
        ],
        "anchor": "start",
        "frame": "bounds",
        "offset": 14,
        "fontSize": 15,
        "subtitleFontSize": 12,
        "subtitlePadding": 6,
        "subtitleLineHeight": 16,
        "color": "var(--ink)",
        "subtitleColor": "var(--muted)",
    }


def source_text(source: Source) -> str:
    """Where the numbers come from, in a line."""
    how = " and ".join(source.provenance)
    parts = (how, source.machine, ", ".join(source.versions), source.date[:10], source.file)
    return "; ".join(part for part in parts if part)


def _put_legends(spec: dict[str, Any], provenances: tuple[str, ...]) -> None:
    """The legends that the page has as HTML: colours where there are several, and all shapes."""
    look = {"title": None, "orient": "top", "symbolSize": 90, "labelFontSize": 12, "offset": 18,
            "labelColor": "var(--muted)"}  # fmt: skip
    for channel, encoding in _encodings(spec):
        if channel == "color" and len(encoding.get("scale", {}).get("domain", ())) > 1:
            encoding["legend"] = {**look, "symbolType": "square", "symbolStrokeWidth": 0,
                                  "symbolOpacity": 1}  # fmt: skip
        if channel == "shape" and "scale" in encoding:
            encoding["legend"] = {
                **look, "values": list(provenances), "symbolFillColor": "var(--muted)",
                "symbolStrokeColor": "var(--muted)",
            }  # fmt: skip


def _put_data(spec: dict[str, Any], datasets: dict[str, Any]) -> None:
    """Names of rows stand for the whole sheet: each view gets its own rows in their place."""
    name = spec.get("data", {}).get("name")
    if name in datasets:
        spec["data"] = {"values": datasets[name]}
    for layer in spec.get("layer", ()):
        _put_data(layer, datasets)


def _encodings(spec: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    yield from spec.get("encoding", {}).items()
    for layer in spec.get("layer", ()):
        yield from _encodings(layer)


def _in_light(spec: str) -> str:
    """The page's colours are variables of its style sheet; a picture has those on white."""
    sheet = resources.files("edgecnn.reporting.page").joinpath("templates", "page.css")
    light = dict(_SET.findall(sheet.read_text("utf-8").partition("}")[0]))
    return _VARIABLE.sub(lambda variable: light[variable[1]], spec)
