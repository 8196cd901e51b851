"""Latency by device, with intervals, against the budgets of a video and of a photo a second."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecnn.reporting.page import drawing, words
from edgecnn.reporting.page.charts import device_rows as shared
from edgecnn.reporting.page.charts import dots
from edgecnn.reporting.page.figure import Column, Figure, choose, devices_source, distinct, number

if TYPE_CHECKING:
    from edgecnn.reporting.page.figure import Gap, Row
    from edgecnn.reporting.page.material import Material

ID = "latency"
BUDGETS = {"10 frames a second": 100.0, "1 frame a second": 1000.0}
_COLUMNS = (
    shared.DEVICE_COLUMN,
    shared.NAME,
    shared.RECIPE_COLUMN,
    shared.THREADS_COLUMN,
    shared.LATENCY,
    shared.LOW,
    shared.HIGH,
    shared.INTERVAL,
    shared.BASIS,
    Column("power_w", "power of the device", words.power, number=True),
    Column("energy_mj", "energy of one inference", words.energy, number=True),
    shared.PROVENANCE,
)


def gather(material: Material) -> Figure | Gap:
    """One row a network, recipe, device and number of threads."""
    devices = material.evidence.devices
    if devices is None or not devices.latencies:
        return shared.gap(ID, "Latency by device", "No latency of a device is recorded.")
    rows = shared.rows(material.evidence)
    name = shared.subject(rows)
    return Figure(
        id=ID,
        title=_title(rows, name),
        reading="Each mark is a latency, each bar its interval: circles are measured, diamonds"
        " predicted. Left of a dashed line, the network keeps up with that rate.",
        columns=_COLUMNS,
        rows=rows,
        filters=(
            choose(rows, "label", "Network", (name,), every=False),
            choose(rows, "device", "Device"),
            choose(rows, "recipe", "Recipe", shared.RECIPE),
            choose(rows, "threads", "Threads", shared.THREADS, every=False),
        ),
        sources=(devices_source(devices, distinct(rows, "provenance")),),
        notes=(
            (
                "The interval of a prediction holds for the given share of what sources left out"
                " of the predictor's fit measured; that of a measurement spans its repeats."
            ),
        ),
    )


def _title(rows: tuple[Row, ...], name: str) -> str:
    """On how many devices the network meets the budgets at its fastest, in a plain sentence."""
    best: dict[str, float] = {}
    for row in rows:
        if row["label"] == name:
            device, latency_ms = str(row["device"]), number(row, "latency_ms")
            best[device] = min(latency_ms, best.get(device, latency_ms))
    met = {rate: sum(ms <= limit for ms in best.values()) for rate, limit in BUDGETS.items()}
    phrases = [f"{rate} on {count}" for rate, count in met.items()]
    how = words.listed(distinct(rows, "provenance"))
    text = f"{name} runs at {words.listed(phrases)} of {len(best)} devices ({how})"
    return text[:1].upper() + text[1:]


def draw(figure: Figure) -> drawing.Drawing:
    """A row for each device, a mark with its interval for each recipe."""
    import altair as alt

    x = alt.X(field="latency_ms", type="quantitative", **drawing.log_milliseconds("latency"))
    return dots.draw(
        figure, name="device", x=x, colour="recipe", interval=("low_ms", "high_ms"), marks=BUDGETS
    )
