"""What a network weighs before any device is chosen: the size of its file, and its memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgecnn.reporting.page import drawing, words
from edgecnn.reporting.page.charts import device_rows as shared
from edgecnn.reporting.page.charts import dots
from edgecnn.reporting.page.figure import Column, Figure, choose, devices_source, distinct

if TYPE_CHECKING:
    from edgecnn.evidence.records import Contender
    from edgecnn.reporting.page.figure import Gap, Row
    from edgecnn.reporting.page.material import Material

_MEGA = 1e6


@dataclass(frozen=True)
class Quantity:
    """One quantity of a contender: its field, and the words of its chart."""

    id: str
    field: str
    title: str
    axis: str
    reading: str
    marks: tuple[tuple[str, float], ...] = ()
    notes: tuple[str, ...] = ()


def gather(material: Material, quantity: Quantity) -> Figure | Gap:
    """One row a network and recipe."""
    devices = material.evidence.devices
    if devices is None or not devices.contenders:
        return shared.gap(quantity.id, quantity.axis, "No network's size or memory is recorded.")
    rows = tuple(_row(contender, quantity.field) for contender in devices.contenders)
    return Figure(
        id=quantity.id,
        title=_title(rows, quantity),
        reading=quantity.reading,
        columns=(
            shared.NAME,
            shared.RECIPE_COLUMN,
            Column("bytes", quantity.axis, words.size, number=True),
            Column("parameters", "parameters", words.count, number=True),
            Column("macs", "MACs", words.count, number=True),
            Column("input_size", "input, pixels", words.plain, number=True),
            shared.PROVENANCE,
        ),
        rows=rows,
        filters=(choose(rows, "recipe", "Recipe", shared.RECIPE),),
        sources=(devices_source(devices, distinct(rows, "provenance")),),
        notes=quantity.notes,
    )


def _row(contender: Contender, quantity: str) -> Row:
    return {
        "label": contender.label,
        "recipe": contender.recipe,
        "bytes": getattr(contender, f"{quantity}_bytes"),
        "mega": getattr(contender, f"{quantity}_bytes") / _MEGA,
        "parameters": contender.parameters,
        "macs": contender.macs,
        "input_size": contender.input_size,
        "provenance": getattr(contender, f"{quantity}_provenance"),
    }


def _title(rows: tuple[Row, ...], quantity: Quantity) -> str:
    name = shared.subject(rows)
    own = [f"{words.size(row['bytes'])} in {row['recipe']}" for row in rows if row["label"] == name]
    return f"{name} {quantity.title} {words.listed(own)}"


def draw(figure: Figure, quantity: Quantity) -> drawing.Drawing:
    """A row for each network, a mark for each recipe."""
    import altair as alt

    x = alt.X(field="mega", type="quantitative", axis=alt.Axis(title=f"{quantity.axis}, MB"))
    return dots.draw(figure, name="label", x=x, colour="recipe", marks=dict(quantity.marks))
