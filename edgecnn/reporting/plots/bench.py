"""`bench --plot`: the distribution of each file's latencies, with p50 and p90, by device."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from edgecnn.benchmark.arrival import GRADES
from edgecnn.reporting import bench as shown
from edgecnn.reporting.page import drawing, words
from edgecnn.reporting.page.charts import own
from edgecnn.reporting.page.figure import Column, Figure, distinct
from edgecnn.reporting.page.picture import Panel
from edgecnn.text import milliseconds_text, printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    import altair as alt

    from edgecnn.benchmark.report import BenchReport
    from edgecnn.measurements import BenchResult
    from edgecnn.reporting.page.figure import Row

_MEDIAN, _HEADLINE, _ALL = 50, 90, 100
_COLUMNS = (
    Column("name", "file", words.plain),
    Column("percent", "percentile", words.plain, number=True),
    Column("latency_ms", "latency", words.milliseconds, number=True),
    Column("grade", "grade", words.plain),
    Column("provenance", "provenance", words.plain),
)
_ROW_PX = 46
_READING = (
    "Each thin line is a percentile of the inferences: where they crowd, most lie. The thick line"
    " is the median (p50), the mark the 90th percentile (p90): 90% of inferences were at least"
    " this fast."
)


def panels(report: BenchReport) -> Iterator[Panel]:
    """One figure a device; emulated timings are not representative, and not drawn."""
    names = shown.short_names(result.file for result in report.results)
    for results in shown.by_target(report).values():
        real = tuple(result for result in results if not result.emulated)
        if real:
            yield Panel(_figure(real, names), _draw)


def _figure(results: tuple[BenchResult, ...], names: dict[str, str]) -> Figure:
    several = len({result.threads for result in results}) > 1
    rows = tuple(
        row
        for result in results
        for row in _rows(result, _name(result, names[result.file], several=several))
    )
    first = results[0]
    return Figure(
        id=own.ID,
        title=f"Latency on {first.target}: {shown.device_text(first.device)}",
        reading=_READING,
        columns=_COLUMNS,
        rows=rows,
        sources=(replace(own.source(results, ("measured",)), file=_conditions(results)),),
        notes=shown.reason_lines(results),
    )


def _conditions(results: tuple[BenchResult, ...]) -> str:
    threads = sorted({result.threads for result in results})
    counts = f"{words.listed([str(count) for count in threads])} thread{'s' * (threads != [1])}"
    return f"{results[0].plan} plan, {counts}"


def _name(result: BenchResult, name: str, *, several: bool) -> str:
    threads = f", {result.threads} thread{'s' * (result.threads > 1)}" if several else ""
    return f"{printable(name)}{threads}"


def _rows(result: BenchResult, name: str) -> Iterator[Row]:
    """One row a percentile; a program that keeps no samples has told some."""
    for percent, latency_ms in _percentiles(result).items():
        yield {
            "name": name,
            "percent": percent,
            "latency_ms": latency_ms,
            "text": _text(result),
            "grade": GRADES[result.trust.grade],
            "provenance": "measured",
        }


def _percentiles(result: BenchResult) -> dict[int, float]:
    """Latencies in milliseconds by percentile, 0 to 100; p50 and p90 as they are printed."""
    latency = result.latency_ms
    percentiles = {_MEDIAN: latency.p50, _HEADLINE: latency.p90}
    ordered = sorted(result.samples_ms)
    last = len(ordered) - 1
    if last < 0:
        return {0: latency.min, **percentiles}
    return {p: ordered[round(p * last / _ALL)] for p in range(_ALL + 1)} | percentiles


def _text(result: BenchResult) -> str:
    most = "<= " if "p90" in result.latency_at_most else ""
    latency = result.latency_ms
    graded = "" if result.trust.grade == "trusted" else f", {GRADES[result.trust.grade]}"
    return (
        f"p50 {milliseconds_text(latency.p50)} ms, p90 {most}{milliseconds_text(latency.p90)} ms"
        f"{graded}"
    )


def _draw(figure: Figure) -> drawing.Drawing:
    """A row for each file and number of threads."""
    import altair as alt

    shades = drawing.colours(distinct(figure.rows, "grade"))
    x = alt.X(field="latency_ms", type="quantitative", **drawing.log_milliseconds("latency", 24))
    base = alt.Chart().encode(
        x=x, y=drawing.names("name"), color=drawing.colour_of("grade", shades)
    )
    percentiles = base.mark_tick(thickness=1, size=16, opacity=0.45, aria=False)
    median = _at(base, _MEDIAN).mark_tick(thickness=3, size=22, aria=False)
    headline = _at(base, _HEADLINE).mark_point(size=90, stroke="var(--card)", strokeWidth=1)
    written = _at(base, _MEDIAN).mark_text(align="left", dy=-17, dx=-2, aria=False)
    layers = [
        percentiles,
        median,
        headline.encode(shape=drawing.shape_of(), tooltip=drawing.tooltips(figure)),
        written.encode(
            text=alt.Text(field="text", type="nominal"), color=alt.value("var(--muted)")
        ),
    ]
    chart = drawing.finish(layers, figure, height=alt.Step(_ROW_PX))
    return drawing.Drawing(chart, drawing.legend(shades, drawing.provenances(figure)))


def _at(base: alt.Chart, percent: int) -> alt.Chart:
    return base.transform_filter(f"datum.percent === {percent}")
