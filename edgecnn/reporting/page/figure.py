"""What a chart shows, before it is drawn: rows, columns, filters, and where they come from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from edgecnn.evidence.records import Devices, Header

Value: TypeAlias = str | int | float | bool | None
Row: TypeAlias = Mapping[str, Value]


@dataclass(frozen=True)
class Column:
    """One field of a figure's rows.

    Attributes:
        key: the field's name in the row.
        title: as people read it, unit included.
        text: writes a value; called with None too.
        number: whether cells stand to the right.
    """

    key: str
    title: str
    text: Callable[[Value], str]
    number: bool = False


@dataclass(frozen=True)
class Filter:
    """A choice that narrows a figure, its table included.

    Attributes:
        key: the column it chooses from.
        label: of the control.
        options: the column's values as text, in the order they are offered.
        chosen: the first choice; "" is all of them.
        every: whether "all" is offered.
    """

    key: str
    label: str
    options: tuple[str, ...]
    chosen: str
    every: bool = True


@dataclass(frozen=True)
class Source:
    """Where a figure's numbers come from.

    Attributes:
        provenance: how they came about, each word once.
        file: the record's file, or the user's.
        date: of the record, ISO 8601; "" where the file does not say.
        machine: the computer, in a line.
        versions: "package version" of what took part.
        command: what makes the record again.
    """

    provenance: tuple[str, ...]
    file: str
    date: str = ""
    machine: str = ""
    versions: tuple[str, ...] = ()
    command: str = ""


@dataclass(frozen=True)
class Grid:
    """A small table of finished text that is always shown."""

    titles: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Figure:
    """One chart with its words and its table.

    Attributes:
        id: anchor in the page and name of its CSV file; letters and dashes.
        title: what was found, or the question.
        reading: how to read the chart, one sentence.
        columns: of the table and the tooltips.
        rows: what is drawn; every row has every column's key.
        filters: in the order of their controls.
        sources: where the numbers come from.
        notes: what else a reader should know, one sentence each.
        summary: what the rows add up to, where that is worth a table.
    """

    id: str
    title: str
    reading: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    sources: tuple[Source, ...]
    filters: tuple[Filter, ...] = ()
    notes: tuple[str, ...] = ()
    summary: Grid | None = None


@dataclass(frozen=True)
class Gap:
    """A figure that has no data: what would be here, and what makes it.

    Attributes:
        id: as the figure's.
        title: as the figure's, without a finding.
        wants: what is missing, one sentence.
        commands: to paste.
    """

    id: str
    title: str
    wants: str
    commands: tuple[str, ...]


def source(header: Header, provenance: tuple[str, ...], packages: tuple[str, ...] = ()) -> Source:
    """A record's header as a figure's source.

    Args:
        header: of the record.
        provenance: of the numbers that are shown.
        packages: whose versions matter; all of the header's where empty.
    """
    machine = header.machine
    versions = {"Python": machine.python, **header.versions}
    named = packages or tuple(versions)
    return Source(
        provenance=tuple(dict.fromkeys(provenance)),
        file=f"artifacts/experiments/{header.experiment}.json",
        date=header.date,
        machine=f"{machine.cpu}, {machine.cores} cores, {machine.memory_bytes / 1e9:.0f} GB,"
        f" {machine.kernel}",
        versions=tuple(f"{name} {versions[name]}" for name in named if name in versions),
        command=header.command,
    )


def devices_source(record: Devices, provenance: tuple[str, ...]) -> Source:
    """The record of devices as a figure's source; predictions alone have a date of their own."""
    of_record = source(record.header, provenance)
    if set(provenance) != {"predicted"} or not record.predicted_on:
        return of_record
    command = f"{of_record.command} --predictions-only"
    return replace(of_record, date=record.predicted_on, machine="", versions=(), command=command)


def number(row: Row, key: str) -> float:
    """A row's number; zero where it has none."""
    value = row[key]
    return float(value) if isinstance(value, int | float) else 0.0


def distinct(rows: tuple[Row, ...], key: str) -> tuple[str, ...]:
    """A column's values as text, in the order of the rows, without the missing ones."""
    return tuple(dict.fromkeys(str(row[key]) for row in rows if row[key] is not None))


def choose(
    rows: tuple[Row, ...],
    key: str,
    label: str,
    preferred: tuple[str, ...] = (),
    *,
    every: bool = True,
) -> Filter:
    """A filter over a column of the rows.

    Args:
        rows: of the figure.
        key: the column.
        label: of the control.
        preferred: the first of these that occurs is chosen at the start; else all where `every`,
            else the first value.
        every: whether "all" is offered.
    """
    options = distinct(rows, key)
    preference = next((option for option in preferred if option in options), None)
    start = preference if preference is not None else "" if every or not options else options[0]
    return Filter(key, label, options, start, every)


def visible(figure: Figure, row: Row) -> bool:
    """Whether a row passes the filters as they stand when the page is opened."""
    return all(choice.chosen in {"", str(row[choice.key])} for choice in figure.filters)
