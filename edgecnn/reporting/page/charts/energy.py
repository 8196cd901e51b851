"""The energy of one inference, where a device's power is known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecnn.reporting.page import drawing, words
from edgecnn.reporting.page.charts import device_rows as shared
from edgecnn.reporting.page.charts import dots
from edgecnn.reporting.page.figure import Column, Figure, choose, devices_source, distinct, number

if TYPE_CHECKING:
    from edgecnn.reporting.page.figure import Gap, Row
    from edgecnn.reporting.page.material import Material

ID = "energy"
_COLUMNS = (
    shared.NAME,
    shared.RECIPE_COLUMN,
    shared.DEVICE_COLUMN,
    shared.THREADS_COLUMN,
    Column("energy_mj", "energy of one inference", words.energy, number=True),
    Column("power_w", "power of the device", words.power, number=True),
    shared.LATENCY,
    shared.PROVENANCE,
)


def gather(material: Material) -> Figure | Gap:
    """One row a latency on a device whose power is known."""
    devices = material.evidence.devices
    rows = shared.rows(material.evidence)
    rows = tuple(row for row in rows if row["energy_mj"] is not None)
    if devices is None or not rows:
        return shared.gap(ID, "Energy of one inference", "No device here has a known power.")
    name = shared.subject(rows)
    return Figure(
        id=ID,
        title=_title(rows, name),
        reading="Each mark is the energy the whole device takes for one inference, what it draws at"
        " rest included; to the left is better.",
        columns=_COLUMNS,
        rows=rows,
        filters=(
            choose(rows, "device", "Device", shared.DEVICE, every=False),
            choose(rows, "recipe", "Recipe", shared.RECIPE),
            choose(rows, "threads", "Threads", shared.THREADS, every=False),
        ),
        sources=(devices_source(devices, distinct(rows, "provenance")),),
        notes=("Energy is power times latency, and as uncertain as both.",),
    )


def _title(rows: tuple[Row, ...], name: str) -> str:
    """The power against the budget of 5 W, which decides before any energy does."""
    drawn = {str(r["device"]): number(r, "power_w") for r in rows if r["power_w"] is not None}
    within = sum(watts <= 5 for watts in drawn.values())  # noqa: PLR2004 - the issue's budget, 5 W
    return (
        f"What one inference of {name} costs in energy; {within} of {len(drawn)} devices"
        " stay within 5 W"
    )


def draw(figure: Figure) -> drawing.Drawing:
    """A row for each network, a mark for each recipe."""
    import altair as alt

    x = alt.X(
        field="energy_mj",
        type="quantitative",
        scale=alt.Scale(type="log", nice=False, padding=16),
        axis=alt.Axis(title="energy of one inference, mJ", tickCount=5, format="~g"),
    )
    return dots.draw(
        figure, name="label", x=x, colour="recipe", interval=("energy_mj", "energy_mj")
    )
