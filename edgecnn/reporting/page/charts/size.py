"""The size of the file that goes to the device."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecnn.reporting.page.charts import contenders

if TYPE_CHECKING:
    from edgecnn.reporting.page.drawing import Drawing
    from edgecnn.reporting.page.figure import Figure, Gap
    from edgecnn.reporting.page.material import Material

_SIZE = contenders.Quantity(
    id="size",
    field="size",
    title="takes",
    axis="size of the .tflite",
    reading="Each mark is the file of one network under one recipe; shorter is smaller.",
)


def gather(material: Material) -> Figure | Gap:
    """One row a network and recipe."""
    return contenders.gather(material, _SIZE)


def draw(figure: Figure) -> Drawing:
    """A row for each network, a mark for each recipe."""
    return contenders.draw(figure, _SIZE)
