"""The user's sweeps: accuracy against latency, the Pareto front, and the points that failed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecnn.reporting.page import drawing, words
from edgecnn.reporting.page.figure import (
    Column,
    Figure,
    Gap,
    Grid,
    Source,
    choose,
    distinct,
    visible,
)
from edgecnn.sweeping.front import Fronts
from edgecnn.sweeping.points import title
from edgecnn.sweeping.records import Budget, Place

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import altair as alt

    from edgecnn.reporting.page.figure import Row
    from edgecnn.reporting.page.material import Material
    from edgecnn.sweeping.records import PointRecord

ID = "swept"
_COMMANDS = ("edgecnn sweep --example", "edgecnn sweep SPEC.toml")
_MEASURES = {"top1": "top-1", "map": "mAP", "miou": "mIoU", "agreement": "agreement with float"}
_COLUMNS = (
    Column("sweep", "sweep", words.plain),
    Column("place", "device", words.plain),
    Column("name", "point", words.plain),
    Column("accuracy", "accuracy", words.percent, number=True),
    Column("measure", "measured as", words.plain),
    Column("latency_ms", "latency", words.milliseconds, number=True),
    Column("low_ms", "low", words.milliseconds, number=True),
    Column("high_ms", "high", words.milliseconds, number=True),
    Column("bytes", "size", words.size, number=True),
    Column("snr_db", "SNR against float", words.decibel, number=True),
    Column("front", "on the front", words.plain),
    Column("provenance", "provenance", words.plain),
)
_HEIGHT = 380
_PADDING_PX = 48  # for the names of the fastest and the slowest
_MOST_FAILED = 50


def gather(material: Material) -> Figure | Gap:
    """One row a point that is done and a place where its latency holds."""
    sweeps = material.sweeps
    rows = tuple(row for name, records in sweeps.items() for row in _rows(name, records))
    failed = [(name, point) for name in sweeps for point in sweeps[name] if point.status != "done"]
    if not rows:
        wants = "No sweep was run here yet."
        if failed:
            wants = f"No point of {words.listed(tuple(sweeps))} is done: {failed[0][1].message}"
        return Gap(ID, "Sweeps", wants, _COMMANDS)
    figure = Figure(
        id=ID,
        title="",
        reading="To the left is faster, up is more accurate; ringed points are beaten by no other"
        " in accuracy, latency and size together, and the bars are intervals of latency.",
        columns=_COLUMNS,
        rows=rows,
        filters=(
            choose(rows, "sweep", "Sweep", every=False),
            choose(rows, "place", "Device", every=False),
        ),
        sources=(_source(sweeps, rows),),
        notes=_notes(rows, len(failed)),
        summary=_failed_grid(failed),
    )
    return _with_finding(figure)


def _rows(name: str, records: tuple[PointRecord, ...]) -> Iterator[Row]:
    done = [record for record in records if record.status == "done"]
    places = sorted({timing.place for record in done for timing in record.timings})
    fronts = Fronts(places)
    for record in done:
        fronts.add(record)
    best = {(front.place, point.key) for front in fronts.under(Budget()) for point in front.records}
    short = _names(done)
    for record in done:
        for place in (*places,) or (None,):
            yield {
                **_row(record, place),
                "sweep": name,
                "short": short[record.key],
                "front": (place, record.key) in best,
            }


def _row(record: PointRecord, place: Place | None) -> dict[str, str | float | int | None]:
    accuracy = record.accuracy
    timing = next((timing for timing in record.timings if timing.place == place), None)
    return {
        "place": "size alone" if place is None else f"{place.device}, {_threads(place.threads)}",
        "name": title(record.point),
        "recipe": record.point.recipe,
        "accuracy": None if accuracy is None else accuracy.value,
        "measure": None if accuracy is None else _MEASURES[accuracy.measure],
        "latency_ms": None if timing is None else timing.latency_ms,
        "low_ms": None if timing is None else timing.low_ms,
        "high_ms": None if timing is None else timing.high_ms,
        "bytes": record.size_bytes,
        "snr_db": record.snr_db,
        "provenance": "measured" if place is None or place.measured else "predicted",
    }


def _threads(count: int) -> str:
    return f"{count} thread{'' if count == 1 else 's'}"


def _names(records: list[PointRecord]) -> dict[str, str]:
    """What tells each point from the others of its sweep: the words that not all have."""
    spelt = {record.key: _words(record) for record in records}
    common = set.intersection(*map(set, spelt.values())) if spelt else set[str]()
    return {
        key: " ".join(word for word in terms if word not in common) or " ".join(terms)
        for key, terms in spelt.items()
    }


def _words(record: PointRecord) -> list[str]:
    """Its title, shortly: "96 px" and a width are one word each."""
    spelt = title(record.point).replace(" px", "\N{NO-BREAK SPACE}px")
    return spelt.replace(" width ", " \N{MULTIPLICATION SIGN}").split(" ")


def _failed_grid(failed: list[tuple[str, PointRecord]]) -> Grid | None:
    if not failed:
        return None
    rows = tuple(
        (name, title(record.point), record.status, f"{record.message} {record.hint}".rstrip())
        for name, record in failed[:_MOST_FAILED]
    )
    return Grid(("sweep", "not done", "", "why"), rows)


def _notes(rows: tuple[Row, ...], failed: int) -> tuple[str, ...]:
    notes = list[str]()
    if not any(row["accuracy"] is not None for row in rows):
        notes.append(
            "Nothing was evaluated, so no point is drawn: the SPEC.toml has no [evaluate]."
        )
    if failed > _MOST_FAILED:
        notes.append(f"{failed - _MOST_FAILED} more points failed; sweep.jsonl has them.")
    return tuple(notes)


def _source(sweeps: Mapping[str, tuple[PointRecord, ...]], rows: tuple[Row, ...]) -> Source:
    return Source(
        provenance=(*distinct(rows, "provenance"), "measured")[:2],
        file=", ".join(f"sweeps/{name}/sweep.jsonl" for name in sweeps),
        command="edgecnn sweep SPEC.toml",
    )


def _with_finding(figure: Figure) -> Figure:
    """Say in the title what the chart shows when it is opened."""
    import dataclasses

    rows = [row for row in figure.rows if visible(figure, row)]
    front = [row for row in rows if row["front"]]
    sweep, place = (choice.chosen for choice in figure.filters)
    title = f"{sweep}: {len(front)} of {len(rows)} points are on the front, on {place}"
    return dataclasses.replace(figure, title=title)


def draw(figure: Figure) -> drawing.Drawing:
    """Points, the front's ones ringed and with their names."""
    import altair as alt

    shades = drawing.colours(distinct(figure.rows, "recipe"))
    x = alt.X(
        field="latency_ms", type="quantitative", **drawing.log_milliseconds("latency", _PADDING_PX)
    )
    y = alt.Y(
        field="accuracy",
        type="quantitative",
        scale=alt.Scale(zero=False, padding=24),
        axis=alt.Axis(title="accuracy", format=".1%", tickCount=6),
    )
    base = alt.Chart().encode(x=x, y=y, color=drawing.colour_of("recipe", shades))
    interval = base.mark_rule(opacity=0.25, strokeWidth=3, aria=False).encode(
        x=alt.X(field="low_ms", type="quantitative"), x2=alt.X2(field="high_ms")
    )
    points = base.mark_point(size=120).encode(
        shape=drawing.shape_of(), tooltip=drawing.tooltips(figure)
    )
    layers = [*_front(x, y), interval, points]
    drawn = "isValid(datum.latency_ms) && isValid(datum.accuracy)"
    chart = drawing.finish(layers, figure, height=_HEIGHT, where=drawn)
    keys = drawing.legend(shades, drawing.provenances(figure))
    return drawing.Drawing(chart, (*keys, drawing.Key("on the front", "var(--ink)", "ring")))


def _front(x: alt.X, y: alt.Y) -> tuple[alt.Chart, alt.Chart]:
    """The rings and the names of those on the front."""
    import altair as alt

    front = alt.Chart().transform_filter("datum.front").encode(x=x, y=y)
    ring = front.mark_point(filled=False, shape="circle", size=330, stroke="var(--ink)", aria=False)
    names = front.mark_text(align="center", dy=-18, limit=180, aria=False).encode(
        text=alt.Text(field="short", type="nominal"), color=alt.value("var(--muted)")
    )
    return ring, names
