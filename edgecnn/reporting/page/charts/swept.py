"""The user's sweeps: accuracy against latency, the Pareto front, and the points that failed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from edgecnn.reporting.page import drawing, words
from edgecnn.reporting.page.charts import scatter
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
_MOST_FAILED = 50
_MEGA = 1e6
_SIZE = "size alone"


def gather(material: Material) -> Figure | Gap:
    """One row a point that is done and a place where its latency holds."""
    sweeps = material.sweeps
    failed = [(name, point) for name in sweeps for point in sweeps[name] if point.status != "done"]
    gathered = figure(sweeps)
    if gathered is None:
        wants = "No sweep was run here yet."
        if failed:
            wants = f"No point of {words.listed(tuple(sweeps))} is done: {failed[0][1].message}"
        return Gap(ID, "Sweeps", wants, _COMMANDS)
    notes = (*gathered.notes, *_failed_notes(len(failed)))
    return replace(gathered, notes=notes, summary=_failed_grid(failed))


def figure(sweeps: Mapping[str, tuple[PointRecord, ...]]) -> Figure | None:
    """The points that are done, by the sweep's name; None where none is."""
    rows = tuple(row for name, records in sweeps.items() for row in _rows(name, records))
    if not rows:
        return None
    choices = (
        choose(rows, "sweep", "Sweep", every=False),
        choose(rows, "place", "Device", every=False),
    )
    return with_finding(
        Figure(
            id=ID,
            title="",
            reading=_reading(rows),
            columns=_COLUMNS,
            rows=rows,
            filters=choices,
            sources=(_source(sweeps, rows),),
        )
    )


def _reading(rows: tuple[Row, ...]) -> str:
    left = "faster" if _any(rows, "latency_ms") else "smaller"
    up = "more accurate" if _any(rows, "accuracy") else "closer to float (nothing was evaluated)"
    bars = ", and the bars are intervals of latency" if left == "faster" else ""
    return (
        f"To the left is {left}, up is {up}; ringed points are beaten by no other in accuracy,"
        f" latency and size together{bars}."
    )


def _any(rows: tuple[Row, ...], key: str) -> bool:
    return any(row[key] is not None for row in rows)


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
            front = (place, record.key) in best
            yield {
                **_row(record, place),
                "sweep": name,
                "short": short[record.key] if front else "",
                "front": front,
            }


def _row(record: PointRecord, place: Place | None) -> dict[str, str | float | int | None]:
    accuracy = record.accuracy
    timing = next((timing for timing in record.timings if timing.place == place), None)
    return {
        "key": record.key,
        "place": place_text(place),
        "name": title(record.point),
        "recipe": record.point.recipe,
        "accuracy": None if accuracy is None else accuracy.value,
        "measure": None if accuracy is None else _MEASURES[accuracy.measure],
        "latency_ms": None if timing is None else timing.latency_ms,
        "low_ms": None if timing is None else timing.low_ms,
        "high_ms": None if timing is None else timing.high_ms,
        "bytes": record.size_bytes,
        "mega": None if record.size_bytes is None else record.size_bytes / _MEGA,
        "snr_db": record.snr_db,
        "provenance": "measured" if place is None or place.measured else "predicted",
    }


def place_text(place: Place | None) -> str:
    """A place as a row names it."""
    if place is None:
        return _SIZE
    return f"{place.device}, {place.threads} thread{'' if place.threads == 1 else 's'}"


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


def _failed_notes(failed: int) -> tuple[str, ...]:
    if failed <= _MOST_FAILED:
        return ()
    return (f"{failed - _MOST_FAILED} more points failed; sweep.jsonl has them.",)


def _source(sweeps: Mapping[str, tuple[PointRecord, ...]], rows: tuple[Row, ...]) -> Source:
    return Source(
        provenance=tuple(dict.fromkeys((*distinct(rows, "provenance"), "measured"))),
        file=", ".join(f"sweeps/{name}/sweep.jsonl" for name in sweeps),
        command="edgecnn sweep SPEC.toml",
    )


def with_finding(figure: Figure) -> Figure:
    """Say in the title what the chart shows when it is opened."""
    rows = [row for row in figure.rows if visible(figure, row)]
    front = [row for row in rows if row["front"]]
    sweep, place = (choice.chosen for choice in figure.filters)
    where = f"by {place}" if place == _SIZE else f"on {place}"
    title = f"{sweep}: {len(front)} of {len(rows)} points are on the front, {where}"
    return replace(figure, title=title)


def draw(figure: Figure, budget: dict[str, float] | None = None) -> drawing.Drawing:
    """Points, the front's ones ringed and with their names.

    Args:
        figure: what to draw; its size stands in for a latency that nothing has, its SNR against
            float for an accuracy.
        budget: words and values of vertical lines.
    """
    import altair as alt

    timed, judged = _any(figure.rows, "latency_ms"), _any(figure.rows, "accuracy")
    x = scatter.latency() if timed else scatter.size()
    y = scatter.accuracy(_measure(figure)) if judged else scatter.snr()
    front = alt.Chart().transform_filter("datum.front").encode(x=x, y=y)
    return scatter.draw(
        figure,
        x=x,
        y=y,
        name="short",
        front=[*drawing.lines(budget or {}), scatter.ring(front)],
        intervals=timed,
        where=f"isValid(datum.{'latency_ms' if timed else 'mega'})"
        f" && isValid(datum.{'accuracy' if judged else 'snr_db'})",
    )


def _measure(figure: Figure) -> str:
    measures = distinct(figure.rows, "measure")
    return f"{measures[0]} accuracy" if measures == ("top-1",) else words.listed(measures)
