"""What `edgecnn fit` found: the front, and the one it would take."""

from __future__ import annotations

import math
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgecnn.reporting.prediction import energy_text, interval_text
from edgecnn.reporting.table import Column, Table
from edgecnn.text import (
    ABSENT,
    count_text,
    milliseconds_text,
    percent_text,
    printable,
    size_text,
    threads_text,
)

if TYPE_CHECKING:
    from edgecnn.latency.micro_reports import MicroCandidate, MicroFitReport
    from edgecnn.latency.reports import Candidate, FitReport

_MOST_ROWS = 12


@dataclass(frozen=True)
class Shown:
    """What is printed of a search.

    Attributes:
        heading: what was asked.
        table: the front about the budget; the one that would be taken is marked.
        legend: what the words of the table mean, a sentence each.
        taken: which would be taken, and why; else why none.
    """

    heading: str
    table: Table
    legend: tuple[str, ...]
    taken: tuple[str, ...]


def shown(report: FitReport | MicroFitReport) -> Shown:
    """What is printed of a search, whatever for."""
    from edgecnn.latency.reports import FitReport
    from edgecnn.reporting import micro_fitting

    if isinstance(report, FitReport):
        return Shown(heading(report), front_table(report), legend(report), taken_lines(report))
    return micro_fitting.shown(report)


def heading(report: FitReport) -> str:
    """What was asked, in a line."""
    budgets = report.budgets
    limits = [f"{milliseconds_text(budgets.latency_ms)} ms"]
    if budgets.memory_bytes is not None:
        limits.append(f"{size_text(budgets.memory_bytes)} of memory")
    if budgets.size_bytes is not None:
        limits.append(f"a file of {size_text(budgets.size_bytes)}")
    threads = threads_text(report.threads)
    return (
        f"{printable(report.model)} on {printable(report.device)}, {threads}, within"
        f" {' and '.join(limits)}: {len(report.candidates)} candidates, predicted."
    )


def front_table(report: FitReport) -> Table:
    """The front about the budget, the fastest first; the one that would be taken is marked."""
    front = _near_budget(report)
    columns = [
        Column(""),
        Column("model"),
        Column("recipe"),
        Column("input", number=True),
        Column("width", number=True),
        Column("MACs", number=True),
        Column("ms", number=True),
        Column(_rate(report), number=True),
        Column("budget"),
        Column("file", number=True),
        Column("memory", number=True),
    ]
    rows = [("*" if candidate is report.taken else "", *_cells(candidate)) for candidate in front]
    # Other networks, where they were looked at, have no width.
    several = len({candidate.model for candidate in report.candidates}) > 1
    return without_column(Table(tuple(columns), tuple(rows)), "width" if several else "model")


def _near_budget(report: FitReport) -> tuple[Candidate, ...]:
    """As many as fit on a screen, nearest to the budget, in the front's order."""
    front, budget = report.front, report.budgets.latency_ms
    nearest = sorted(front, key=lambda candidate: abs(math.log(candidate.latency_ms / budget)))
    ids = {id(candidate) for candidate in nearest[:_MOST_ROWS]} | {id(report.taken)}
    selection = [candidate for candidate in front if id(candidate) in ids]
    if report.taken is not None and not any(candidate is report.taken for candidate in selection):
        selection.append(report.taken)
    return tuple(sorted(selection, key=lambda candidate: candidate.latency_ms))


def _cells(candidate: Candidate) -> tuple[str, ...]:
    return (
        *variant_cells(candidate),
        milliseconds_text(candidate.latency_ms),
        interval_text(candidate),
        candidate.verdict,
        size_text(candidate.size_bytes),
        size_text(candidate.memory_bytes),
    )


def _rate(report: FitReport) -> str:
    return percent_text(report.interval).replace(".0%", "%")


def legend(report: FitReport) -> tuple[str, ...]:
    """What the words of the table mean."""
    words = (
        f"meets: the whole {_rate(report)} interval is within the budget; likely: the prediction"
        " is; unlikely: only the lower end of the interval is."
    )
    return (
        words,
        *((f"For: {report.conditions}.",) if report.conditions else ()),
        "File size and memory (of a process with Python and LiteRT) are estimates.",
        *report.notes,
    )


def taken_lines(report: FitReport) -> tuple[str, ...]:
    """Which would be taken and why; else why none."""
    candidate = report.taken
    if candidate is None:
        return (report.reason,)
    energy = f", {energy_text(candidate.energy_mj)} an inference" if candidate.energy_mj else ""
    line = (
        f"{shape_text(candidate)}: predicted"
        f" {milliseconds_text(candidate.latency_ms)} ms ({interval_text(candidate)}),"
        f" {candidate.basis}{energy}."
    )
    return (line, report.reason)


def shape_text(candidate: Candidate | MicroCandidate) -> str:
    """Which variant it is."""
    parts = [
        f"input {candidate.input_size}" if candidate.input_size else "",
        f"width {candidate.width:g}" if candidate.width is not None else "",
    ]
    shape = "".join(f", {part}" for part in parts if part)
    return f"{printable(candidate.model)} {candidate.recipe}{shape}"


def variant_cells(candidate: Candidate | MicroCandidate) -> tuple[str, ...]:
    """Which variant it is, cell by cell: model, recipe, input, width, MACs."""
    return (
        printable(candidate.model),
        candidate.recipe,
        str(candidate.input_size or ABSENT),
        ABSENT if candidate.width is None else f"{candidate.width:g}",
        count_text(candidate.macs),
    )


def without_column(table: Table, title: str) -> Table:
    """The table less one of its columns."""
    indices = [index for index, column in enumerate(table.columns) if column.title != title]
    return Table(
        tuple(table.columns[index] for index in indices),
        tuple(tuple(row[index] for index in indices) for row in table.rows),
    )


def export_command(candidate: Candidate | MicroCandidate, options: str = "") -> str:
    """The command that makes it; `options` are those that fix open shapes."""
    size = f" --input-size {candidate.input_size}" if candidate.input_size else ""
    width = f" --width {candidate.width:g}" if candidate.width is not None else ""
    recipe = f"--{candidate.recipe}"
    return f"edgecnn export {shlex.quote(candidate.model)} {recipe}{size}{width}{options}"
