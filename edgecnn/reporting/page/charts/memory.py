"""The memory that running a network takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecnn.reporting.page.charts import contenders

if TYPE_CHECKING:
    from edgecnn.reporting.page.drawing import Drawing
    from edgecnn.reporting.page.figure import Figure, Gap
    from edgecnn.reporting.page.material import Material

_MEMORY = contenders.Quantity(
    id="memory",
    field="memory",
    title="needs",
    axis="peak memory",
    reading="Each mark is the peak of a process that runs the network, above that of one which runs"
    " a tiny network; the dashed line is the budget of 64 MB.",
    marks=(("64 MB", 64.0),),
)


def gather(material: Material) -> Figure | Gap:
    """One row a network and recipe."""
    return contenders.gather(material, _MEMORY)


def draw(figure: Figure) -> Drawing:
    """A row for each network, a mark for each recipe."""
    return contenders.draw(figure, _MEMORY)
