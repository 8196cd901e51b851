"""The documents' other economies: small kernels, factorized ones, bottlenecks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecnn.reporting.page import words
from edgecnn.reporting.page.charts import pairs
from edgecnn.reporting.page.figure import Column, Figure, Gap, distinct, source

if TYPE_CHECKING:
    from edgecnn.reporting.page.drawing import Drawing
    from edgecnn.reporting.page.material import Material

ID = "kernels"


def gather(material: Material) -> Figure | Gap:
    """One row a pair of ways, type and target, separable layers left out."""
    kernels = material.evidence.kernels
    own = [pair for pair in kernels.pairs if pair.group != "separable"] if kernels else []
    if kernels is None or not own:
        return Gap(
            ID, "Cheaper kernels", "No cheaper kernel was timed against a costlier.", pairs.COMMANDS
        )
    rows = tuple(
        {**row, "way": f"{row['cheap']} for {row['costly']}, {row['name']}"}
        for row in pairs.rows(own)
    )
    return Figure(
        id=ID,
        title="Do cheaper kernels save the time that their MACs promise?",
        reading="Each row is a cheaper way beside a costlier one for the same tensor: triangles are"
        " the ratio of MACs, the other marks that of times; left of the dashed line is a gain.",
        columns=(Column("group", "claim", words.plain), *pairs.COLUMNS),
        rows=rows,
        filters=pairs.filters(rows),
        sources=(source(kernels.header, (*distinct(rows, "provenance"), "counted")),),
        notes=("Bars are 95 % intervals of the ratio of times, where it was measured.",),
    )


def draw(figure: Figure) -> Drawing:
    """A row for each pair."""
    return pairs.draw(figure, name="way")
