"""The facts of a verdict as a table and as sentences: where text is made of them."""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING

from edgecnn.claims.record import Detail
from edgecnn.reporting.table import Column, Table
from edgecnn.text import ABSENT, count_text, milliseconds_text, printable, size_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from edgecnn.claims.record import Verdict

_LONGEST = 200
_MOST = 20
_EMPTY = ("", "", "", "")
_FORMATS: dict[str, Callable[[float], str]] = {
    "ms": lambda value: f"{milliseconds_text(value)} ms",
    "bytes": lambda value: size_text(int(value)),
    "MACs": lambda value: f"{count_text(int(value))} MACs",
    "parameters": lambda value: count_text(int(value)),
    "1": lambda value: f"{value:.3f}",
    "times": lambda value: f"{value:.1f} times",
    "points": lambda value: f"{value:+.2f} points",
}


def facts(verdict: Verdict) -> tuple[Detail, ...]:
    """What the devices' intervals leave open or settle, then the details."""
    known = [device for device in verdict.devices if device.at_low]
    unsettled = (
        Detail("Open", device.device, f"{device.at_low} or {device.at_high}")
        for device in known
        if device.decided_by
    )
    settled = (
        Detail("Settled", device.device, device.at_low) for device in known if not device.decided_by
    )
    return (*unsettled, *settled, *verdict.details)


def word_pairs(verdict: Verdict) -> tuple[tuple[str, str], ...]:
    """The facts in words: topic, and what is said of whom."""
    merged = [detail for detail in _merged(facts(verdict)) if isinstance(detail.value, str)]
    return tuple((detail.topic, _said(detail)) for detail in merged)


def details_table(verdict: Verdict) -> Table:
    """One row a fact in numbers, under a row with the topic alone."""
    columns = (
        Column(""),
        Column("value", number=True),
        Column("interval", number=True),
        Column("at most", number=True),
        Column("by"),
    )
    numbers = [detail for detail in facts(verdict) if not isinstance(detail.value, str)]
    topics = groupby(numbers, key=lambda detail: detail.topic)
    rows = (row for topic, group in topics for row in _topic_rows(topic, list(group)))
    return Table(columns, tuple(rows))


def _topic_rows(topic: str, details: list[Detail]) -> Iterator[tuple[str, ...]]:
    yield (topic, *_EMPTY)
    yield from map(_row, details[:_MOST])
    if len(details) > _MOST:
        yield (f"  and {len(details) - _MOST} more", *_EMPTY)


def _row(detail: Detail) -> tuple[str, ...]:
    return (
        f"  {printable(detail.label, _LONGEST)}",
        quantity(detail.value, detail.unit),
        interval_text(detail) or ABSENT,
        ABSENT if detail.limit is None else quantity(detail.limit, detail.unit),
        "; ".join(_remarks(detail)) or ABSENT,
    )


def sentences(verdict: Verdict) -> tuple[str, ...]:
    """The facts as text, one a topic: "Files: int8, file 24.3 MB (measured); ..."."""
    topics = groupby(_merged(facts(verdict)), key=lambda detail: detail.topic)
    return tuple(f"{topic}: {'; '.join(map(_phrase, group))}" for topic, group in topics)


def _phrase(detail: Detail) -> str:
    if isinstance(detail.value, str):
        return _said(detail)
    limit = "" if detail.limit is None else f"at most {quantity(detail.limit, detail.unit)}"
    remarks = ", ".join(filter(None, (*_remarks(detail), interval_text(detail), limit)))
    text = f"{printable(detail.label, _LONGEST)} {quantity(detail.value, detail.unit)}"
    return f"{text} ({remarks})" if remarks else text


def _said(detail: Detail) -> str:
    return f"{quantity(detail.value, detail.unit)}: {printable(detail.label, _LONGEST)}"


def settling(verdict: Verdict) -> str:
    """The measurement that settles the first device whose rate is open; "" where none is."""
    return next((device.decided_by for device in verdict.devices if device.decided_by), "")


def _remarks(detail: Detail) -> Iterator[str]:
    if detail.kind != "judged":
        yield detail.kind
    if detail.note:
        yield printable(detail.note, _LONGEST)


def quantity(value: float | str, unit: str) -> str:
    """A value with its unit.

    >>> quantity(67_700_000, "bytes"), quantity(6.06, "times"), quantity("10/s", "")
    ('67.7 MB', '6.1 times', '10/s')
    """
    if isinstance(value, str):
        return printable(value, _LONGEST)
    return _FORMATS[unit](value) if unit in _FORMATS else f"{value:g} {unit}".rstrip()


def interval_text(detail: Detail) -> str:
    """Both ends of an interval in the value's unit; "" where there is none."""
    if detail.low is None or detail.high is None:
        return ""
    if detail.unit == "ms":
        return f"{milliseconds_text(detail.low)}-{milliseconds_text(detail.high)}"
    return f"{detail.low:g}-{detail.high:g}"


def _merged(details: Iterable[Detail]) -> Iterator[Detail]:
    """Facts in words that are the same of several, as one of them all."""
    for (_, value), group in groupby(details, key=lambda detail: (detail.topic, detail.value)):
        same = list(group)
        if isinstance(value, str):
            yield replace(same[0], label=", ".join(detail.label for detail in same))
        else:
            yield from same
