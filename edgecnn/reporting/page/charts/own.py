"""What the user measured: every line of results.jsonl."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecnn.reporting.page import drawing, words
from edgecnn.reporting.page.charts import dots
from edgecnn.reporting.page.figure import Column, Figure, Gap, Source, choose, distinct

if TYPE_CHECKING:
    from edgecnn.measurements import BenchResult
    from edgecnn.reporting.page.figure import Row
    from edgecnn.reporting.page.material import Material

ID = "measured"
COMMANDS = ("edgecnn bench DIR", "edgecnn bench DIR --on ssh://pi@raspberrypi.local")
_COLUMNS = (
    Column("name", "network", words.plain),
    Column("device", "device", words.plain),
    Column("target", "target", words.plain),
    Column("runtime", "runtime", words.plain),
    Column("threads", "threads", words.plain, number=True),
    Column("plan", "plan", words.plain),
    Column("p50_ms", "median", words.milliseconds, number=True),
    Column("p90_ms", "90th percentile", words.milliseconds, number=True),
    Column("p99_ms", "99th percentile", words.milliseconds, number=True),
    Column("memory", "peak memory", words.size, number=True),
    Column("trust", "trust", words.plain),
    Column("date", "date", words.plain),
    Column("provenance", "provenance", words.plain),
)


def gather(material: Material) -> Figure | Gap:
    """One row a result."""
    results = material.results
    if not results:
        return Gap(
            ID, "Measured on your devices", "Nothing was measured on your devices yet.", COMMANDS
        )
    rows = tuple(map(_row, results))
    devices = distinct(rows, "device")
    emulated = sum(result.emulated for result in results)
    notes = ("An emulator's times say nothing of the device it imitates.",) if emulated else ()
    return Figure(
        id=ID,
        title=f"{len(results)} measurements on {words.listed(devices)}",
        reading="Each mark is the 90th percentile of one measurement, its bar reaches from the"
        " median to the 99th.",
        columns=_COLUMNS,
        rows=rows,
        filters=(
            choose(rows, "device", "Device"),
            choose(rows, "recipe", "Recipe"),
            choose(rows, "threads", "Threads"),
        ),
        sources=(source(results, distinct(rows, "provenance")),),
        notes=notes,
    )


def source(results: tuple[BenchResult, ...], provenance: tuple[str, ...]) -> Source:
    """The user's file: its newest date, and the versions that took part."""
    return Source(
        provenance=provenance,
        file="results.jsonl",
        date=max(result.measured_at for result in results),
        machine=words.listed(tuple(dict.fromkeys(result.device.model for result in results))),
        versions=tuple(
            dict.fromkeys(
                text for result in results for text in (f"edgecnn {result.edgecnn}", result.runtime)
            )
        ),
        command="edgecnn bench",
    )


def name(result: BenchResult) -> str:
    """The network and its recipe, or the file where it has no manifest."""
    return f"{result.model} {result.recipe}" if result.model else result.file


def _row(result: BenchResult) -> Row:
    return {
        "name": name(result),
        "recipe": result.recipe,
        "device": result.device.model,
        "target": result.target,
        "runtime": result.runtime,
        "threads": result.threads,
        "plan": result.plan,
        "p50_ms": result.latency_ms.p50,
        "p90_ms": result.latency_ms.p90,
        "p99_ms": result.latency_ms.p99,
        "memory": result.peak_rss_bytes,
        "trust": result.trust.grade,
        "date": result.measured_at[:10],
        "provenance": "emulated" if result.emulated else "measured",
    }


def draw(figure: Figure) -> drawing.Drawing:
    """A row for each network, a mark for each measurement."""
    import altair as alt

    x = alt.X(field="p90_ms", type="quantitative", **drawing.log_milliseconds("latency"))
    return dots.draw(figure, name="name", x=x, colour="device", interval=("p50_ms", "p99_ms"))
