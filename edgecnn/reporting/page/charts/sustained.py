"""How a device holds its speed: latency, clock and temperature over minutes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecnn.reporting.page import drawing, words
from edgecnn.reporting.page.charts import own
from edgecnn.reporting.page.figure import Column, Figure, Gap, choose, distinct

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edgecnn.measurements import BenchResult
    from edgecnn.reporting.page.figure import Row
    from edgecnn.reporting.page.material import Material

ID = "sustained"
_HEIGHT = 300
_LATENCY = "latency, median, ms"
_COLUMNS = (
    Column("run", "measurement", words.plain),
    Column("minute", "minute", words.ratio, number=True),
    Column("quantity", "quantity", words.plain),
    Column("value", "value", words.ratio, number=True),
    Column("provenance", "provenance", words.plain),
)


def gather(material: Material) -> Figure | Gap:
    """One row a stretch of time and quantity."""
    results = tuple(result for result in material.results if result.timeline)
    if not results:
        return Gap(
            ID,
            "Speed over minutes",
            "No sustained measurement is in results.jsonl.",
            ("edgecnn bench DIR --plan sustained",),
        )
    rows = tuple(row for result in results for row in _rows(result))
    return Figure(
        id=ID,
        title=_title(results[-1]),
        reading="Each mark is one stretch of a measurement that went on for minutes: a latency that"
        " climbs while the clock falls is a device that throttles.",
        columns=_COLUMNS,
        rows=rows,
        filters=(
            choose(rows, "quantity", "Quantity", (_LATENCY,), every=False),
            choose(rows, "run", "Measurement"),
        ),
        sources=(own.source(results, distinct(rows, "provenance")),),
    )


def _title(result: BenchResult) -> str:
    first, last = result.timeline[0].p50_ms, result.timeline[-1].p50_ms
    minutes = result.timeline[-1].start_s / 60
    change = last / first - 1
    return (
        f"{own.name(result)} on {result.device.model}: {words.percent(abs(change))}"
        f" {'slower' if change > 0 else 'faster'} after {minutes:.0f} minutes"
    )


def _rows(result: BenchResult) -> Iterator[Row]:
    run = f"{own.name(result)}, {result.device.model}, {result.threads} threads,"
    for minute in result.timeline:
        quantities = {
            _LATENCY: minute.p50_ms,
            "clock, MHz": minute.state.clock_mhz,
            "temperature, °C": minute.state.temperature_c,
        }
        for quantity, value in quantities.items():
            if value is not None:
                yield {
                    "run": f"{run} {result.measured_at[:16]}",
                    "minute": minute.start_s / 60,
                    "quantity": quantity,
                    "value": value,
                    "provenance": "emulated" if result.emulated else "measured",
                }


def draw(figure: Figure) -> drawing.Drawing:
    """A line for each measurement, of the chosen quantity."""
    import altair as alt

    shades = drawing.colours(distinct(figure.rows, "run"))
    base = alt.Chart().encode(
        x=alt.X(field="minute", type="quantitative", axis=alt.Axis(title="minutes")),
        y=alt.Y(
            field="value",
            type="quantitative",
            scale=alt.Scale(zero=False),
            axis=alt.Axis(title=None),
        ),
        color=drawing.colour_of("run", shades),
    )
    line = base.mark_line(opacity=0.6, aria=False)
    points = base.mark_point().encode(shape=drawing.shape_of(), tooltip=drawing.tooltips(figure))
    chart = drawing.finish([line, points], figure, height=_HEIGHT)
    return drawing.Drawing(chart, drawing.legend(shades, drawing.provenances(figure)))
