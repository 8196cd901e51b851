"""What `edgecnn fit` found for a microcontroller."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from edgecnn.reporting.fitting import Shown, shape_text, variant_cells, without_column
from edgecnn.reporting.table import Column, Table
from edgecnn.text import ABSENT, milliseconds_text, percent_text, printable, size_text
from edgecnn.tflm.arena import TOLERANCE

if TYPE_CHECKING:
    from edgecnn.latency.micro_reports import MicroCandidate, MicroFitReport

_MOST_ROWS = 12
_COLUMNS = (
    Column(""),
    Column("model"),
    Column("recipe"),
    Column("input", number=True),
    Column("width", number=True),
    Column("MACs", number=True),
    Column("arena", number=True),
    Column("flash", number=True),
    Column("ms", number=True),
    Column("budget"),
)


def shown(report: MicroFitReport) -> Shown:
    """All that is printed of it."""
    return Shown(_heading(report), _table(report), _legend(report), _taken(report))


def _heading(report: MicroFitReport) -> str:
    budgets = report.budgets
    limits = []
    if budgets.latency_ms is not None:
        limits.append(f"{milliseconds_text(budgets.latency_ms)} ms")
    if budgets.arena_bytes is not None:
        limits.append(f"an arena of {size_text(budgets.arena_bytes)}")
    if budgets.flash_bytes is not None:
        limits.append(f"{size_text(budgets.flash_bytes)} of flash")
    device = report.device or "a microcontroller"
    return (
        f"{printable(report.model)} on {printable(device)}, within {' and '.join(limits)}:"
        f" {len(report.candidates)} candidates, estimated."
    )


def _table(report: MicroFitReport) -> Table:
    rows = [("*" if net is report.taken else "", *_cells(net)) for net in _near_budget(report)]
    several = len({net.model for net in report.candidates}) > 1
    table = without_column(Table(_COLUMNS, tuple(rows)), "width" if several else "model")
    if all(net.latency_ms is None for net in report.candidates):
        return without_column(table, "ms")
    return table


def _near_budget(report: MicroFitReport) -> tuple[MicroCandidate, ...]:
    """As many as fit on a screen, nearest to the budget for the arena, the smallest first."""
    budget = report.budgets.arena_bytes
    front = report.front

    def distance(candidate: MicroCandidate) -> float:
        return abs(math.log(candidate.arena_bytes / budget)) if budget else candidate.arena_bytes

    nearest = {id(net) for net in sorted(front, key=distance)[:_MOST_ROWS]} | {id(report.taken)}
    return tuple(net for net in report.candidates if id(net) in nearest)


def _cells(candidate: MicroCandidate) -> tuple[str, ...]:
    latency = candidate.latency_ms
    return (
        *variant_cells(candidate),
        *_memory_cells(candidate),
        ABSENT if latency is None else milliseconds_text(latency),
        candidate.verdict,
    )


def _memory_cells(candidate: MicroCandidate) -> tuple[str, str]:
    return (
        _with_ends(candidate.arena_bytes, candidate.arena_low_bytes, candidate.arena_high_bytes),
        _with_ends(candidate.flash_bytes, candidate.flash_low_bytes, candidate.flash_high_bytes),
    )


def _with_ends(expected: int, low: int, high: int) -> str:
    """An estimate, and the ends it lies between where they can be told apart."""
    texts = [size_text(size) for size in (expected, low, high)]
    if len(set(texts)) == 1:
        return texts[0]
    return f"{texts[0]} ({texts[1]} to {texts[2]})"


def _legend(report: MicroFitReport) -> tuple[str, ...]:
    share = percent_text(TOLERANCE).replace(".0%", "%")
    words = (
        "meets: within the budgets whatever an export leaves in float, even if the arena is"
        f" {share} larger than its upper end; likely: the estimates are within them; unlikely: only"
        " their lower ends are."
    )
    return (words, *report.notes)


def _taken(report: MicroFitReport) -> tuple[str, ...]:
    candidate = report.taken
    if candidate is None:
        return (report.reason,)
    time = ""
    if candidate.latency_ms is not None and candidate.low_ms and candidate.high_ms:
        ends = f"{milliseconds_text(candidate.low_ms)}-{milliseconds_text(candidate.high_ms)}"
        time = f", predicted {milliseconds_text(candidate.latency_ms)} ms ({ends})"
    arena, flash = _memory_cells(candidate)
    line = f"{shape_text(candidate)}: arena {arena}, flash {flash}{time}."
    return (line, report.reason)
