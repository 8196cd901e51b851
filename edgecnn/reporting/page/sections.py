"""The report's table of contents: every chart has its line here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgecnn.reporting.page.charts import (
    accuracy_latency,
    comparisons,
    energy,
    exported,
    fidelity,
    fits,
    gradients,
    kernels,
    latency,
    memory,
    operators,
    own,
    predictor,
    quantization,
    separable,
    size,
    sustained,
    swept,
    trained,
    twins,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgecnn.reporting.page.drawing import Drawing
    from edgecnn.reporting.page.figure import Figure, Gap
    from edgecnn.reporting.page.material import Material


@dataclass(frozen=True)
class Chart:
    """How one figure is made, and how it is drawn."""

    gather: Callable[[Material], Figure | Gap]
    draw: Callable[[Figure], Drawing]


@dataclass(frozen=True)
class Section:
    """Charts under one heading; `id` is its anchor."""

    id: str
    title: str
    charts: tuple[Chart, ...]


SECTIONS = (
    Section(
        "at-a-glance", "At a glance", (Chart(latency.gather, latency.draw),)
    ),  # in front of all
    Section(
        "on-devices",
        "On devices",
        (
            Chart(accuracy_latency.gather, accuracy_latency.draw),
            Chart(fits.gather, fits.draw),
            Chart(energy.gather, energy.draw),
            Chart(size.gather, size.draw),
            Chart(memory.gather, memory.draw),
            Chart(sustained.gather, sustained.draw),
        ),
    ),
    Section(
        "convolutions",
        "Separable and other cheap convolutions",
        (
            Chart(separable.gather, separable.draw),
            Chart(kernels.gather, kernels.draw),
            Chart(operators.gather, operators.draw),
        ),
    ),
    Section(
        "trained-here",
        "Accuracy, trained here",
        (
            Chart(twins.gather, twins.draw),
            Chart(trained.gather, trained.draw),
            Chart(gradients.gather, gradients.draw),
        ),
    ),
    Section(
        "quantized",
        "What quantization costs",
        (
            Chart(quantization.gather, quantization.draw),
            Chart(fidelity.gather, fidelity.draw),
        ),
    ),
    Section(
        "yours",
        "Your own files and devices",
        (
            Chart(own.gather, own.draw),
            Chart(swept.gather, swept.draw),
            Chart(exported.gather, exported.draw),
        ),
    ),
    Section(
        "trust",
        "How far to trust this",
        (
            Chart(predictor.gather, predictor.draw),
            Chart(comparisons.gather, comparisons.draw),
        ),
    ),
)


@dataclass(frozen=True)
class SectionContent:
    """A section with what its charts gathered."""

    section: Section
    figures: tuple[Figure | Gap, ...]


def gather(material: Material) -> tuple[SectionContent, ...]:
    """Every section, its figures in the order of the table."""
    return tuple(
        SectionContent(section, tuple(chart.gather(material) for chart in section.charts))
        for section in SECTIONS
    )
