"""Separable against normal convolution, layer by layer of xception."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecnn.reporting.page import words
from edgecnn.reporting.page.charts import pairs
from edgecnn.reporting.page.figure import Figure, Gap, distinct, source, visible

if TYPE_CHECKING:
    from edgecnn.reporting.page.drawing import Drawing
    from edgecnn.reporting.page.material import Material

ID = "separable"


def gather(material: Material) -> Figure | Gap:
    """One row a separable layer, type and target."""
    kernels = material.evidence.kernels
    own = [pair for pair in kernels.pairs if pair.group == "separable"] if kernels else []
    if kernels is None or not own:
        return Gap(
            ID,
            "What a separable convolution saves",
            "No separable layer was timed against a normal one.",
            pairs.COMMANDS,
        )
    rows = pairs.rows(own)
    figure = Figure(
        id=ID,
        title="",
        reading="Triangles are the MACs a separable layer needs over those of a normal one, the"
        " other marks the time: the gap between them is what the count promises and the machine"
        " does not give.",
        columns=pairs.COLUMNS,
        rows=rows,
        filters=pairs.filters(rows),
        sources=(source(kernels.header, (*distinct(rows, "provenance"), "counted")),),
        notes=("Bars are 95 % intervals of the ratio of times, where it was measured.",),
    )
    return _with_title(figure)


def _with_title(figure: Figure) -> Figure:
    import dataclasses

    rows = [row for row in figure.rows if visible(figure, row)] or list(figure.rows)
    macs, time = pairs.medians(rows)
    title = (
        f"Separable layers need {words.ratio(macs)} of the MACs and take {words.ratio(time)} of"
        f" the time (medians, {rows[0]['target']}, {rows[0]['dtype']})"
    )
    return dataclasses.replace(figure, title=title)


def draw(figure: Figure) -> Drawing:
    """A row for each layer."""
    return pairs.draw(figure)
