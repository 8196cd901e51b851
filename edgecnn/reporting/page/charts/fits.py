"""What it would take: the largest xception that `fit` finds within a budget."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecnn.reporting.page import drawing, words
from edgecnn.reporting.page.charts import device_rows as shared
from edgecnn.reporting.page.charts import dots
from edgecnn.reporting.page.charts.latency import BUDGETS
from edgecnn.reporting.page.figure import Column, Figure, choose, devices_source, distinct

if TYPE_CHECKING:
    from edgecnn.evidence.records import Fitted
    from edgecnn.reporting.page.figure import Gap, Row
    from edgecnn.reporting.page.material import Material

ID = "fits"
_COLUMNS = (
    shared.DEVICE_COLUMN,
    Column("budget", "budget", words.plain),
    Column("found", "meets it", words.plain),
    Column("width", "width", words.plain, number=True),
    Column("input_size", "input, pixels", words.plain, number=True),
    shared.RECIPE_COLUMN,
    shared.THREADS_COLUMN,
    shared.LATENCY,
    shared.LOW,
    shared.HIGH,
    shared.PROVENANCE,
)


def gather(material: Material) -> Figure | Gap:
    """One row a device and budget."""
    devices = material.evidence.devices
    if devices is None or not devices.fits:
        return shared.gap(ID, "The xception that fits a budget", "No search is recorded.")
    rows = tuple(map(_row, devices.fits))
    met = sum(fit.found for fit in devices.fits)
    return Figure(
        id=ID,
        title=f"With less width and smaller images, an xception meets {met} of {len(rows)} budgets",
        reading="Each mark is the largest xception that `edgecnn fit` found for a device and a"
        " budget, or the fastest one where nothing meets it; its width and its input are in the"
        " table.",
        columns=_COLUMNS,
        rows=rows,
        filters=(choose(rows, "budget", "Budget"),),
        sources=(devices_source(devices, distinct(rows, "provenance")),),
        notes=("Smaller networks are less accurate; how much is not part of this search.",),
    )


def _row(fitted: Fitted) -> Row:
    return {
        "device": fitted.device,
        "budget": words.milliseconds(fitted.budget_ms),
        "found": fitted.found,
        "width": fitted.width,
        "input_size": fitted.input_size,
        "recipe": fitted.recipe,
        "threads": fitted.threads,
        "latency_ms": fitted.latency_ms,
        "low_ms": fitted.low_ms,
        "high_ms": fitted.high_ms,
        "provenance": "predicted",
    }


def draw(figure: Figure) -> drawing.Drawing:
    """A row for each device, a mark with its interval for each budget."""
    import altair as alt

    x = alt.X(field="latency_ms", type="quantitative", **drawing.log_milliseconds("latency"))
    return dots.draw(
        figure, name="device", x=x, colour="budget", interval=("low_ms", "high_ms"), marks=BUDGETS
    )
