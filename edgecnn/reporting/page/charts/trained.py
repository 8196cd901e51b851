"""Accuracy against latency of the networks trained here, both measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecnn.reporting.page import drawing
from edgecnn.reporting.page.charts import quantization
from edgecnn.reporting.page.figure import Figure, Gap, choose, distinct, source

if TYPE_CHECKING:
    from edgecnn.reporting.page.material import Material

ID = "trained"
_HEIGHT = 340


def gather(material: Material) -> Figure | Gap:
    """One row a trained network and recipe whose latency was measured."""
    twins = material.evidence.twins
    runs = [] if twins is None else [run for run in twins.recipes if run.latency_ms is not None]
    if twins is None or not runs:
        return Gap(
            ID,
            "Accuracy against latency, trained and measured here",
            "No trained network's latency was measured.",
            quantization.COMMANDS,
        )
    rows = tuple(map(quantization.row, runs))
    return Figure(
        id=ID,
        title=f"Accuracy on {twins.data} against latency, trained and measured here",
        reading="Each mark is one file: to the left is faster, up is more accurate.",
        columns=quantization.COLUMNS,
        rows=rows,
        filters=(choose(rows, "recipe", "Recipe"), choose(rows, "network", "Network")),
        sources=(source(twins.header, ("measured",)),),
    )


def draw(figure: Figure) -> drawing.Drawing:
    """Marks coloured by the kind of convolutions."""
    import altair as alt

    shades = drawing.colours(distinct(figure.rows, "kind"))
    points = (
        alt.Chart()
        .mark_point()
        .encode(
            x=alt.X(
                field="latency_ms",
                type="quantitative",
                scale=alt.Scale(zero=False, padding=16),
                axis=alt.Axis(title="latency, one thread, ms"),
            ),
            y=alt.Y(
                field="accuracy",
                type="quantitative",
                scale=alt.Scale(zero=False, padding=16),
                axis=alt.Axis(title="accuracy on the test images", format=".1%"),
            ),
            color=drawing.colour_of("kind", shades),
            shape=drawing.shape_of(),
            tooltip=drawing.tooltips(figure),
        )
    )
    chart = drawing.finish([points], figure, height=_HEIGHT)
    return drawing.Drawing(chart, drawing.legend(shades, drawing.provenances(figure)))
