"""What `edgecnn fit` found: the front, and the one it would take."""

from __future__ import annotations

import math
import shlex
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
)

if TYPE_CHECKING:
    from edgecnn.latency.reports import Candidate, FitReport

_MOST_ROWS = 12


def heading(report: FitReport) -> str:
    """What was asked, in a line."""
    budgets = report.budgets
    asked = [f"{milliseconds_text(budgets.latency_ms)} ms"]
    if budgets.memory_bytes is not None:
        asked.append(f"{size_text(budgets.memory_bytes)} of memory")
    if budgets.size_bytes is not None:
        asked.append(f"a file of {size_text(budgets.size_bytes)}")
    threads = f"{report.threads} thread{'s' if report.threads > 1 else ''}"
    return (
        f"{printable(report.model)} on {printable(report.device)}, {threads}, within"
        f" {' and '.join(asked)}: {len(report.candidates)} candidates, predicted."
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
    rows = [("*" if each is report.taken else "", *_cells(each)) for each in front]
    left_out = {"width"} if _several(report) else {"model"}
    kept = [index for index, column in enumerate(columns) if column.title not in left_out]
    return Table(
        tuple(columns[index] for index in kept),
        tuple(tuple(row[index] for index in kept) for row in rows),
    )


def _several(report: FitReport) -> bool:
    """Whether other networks were looked at; those have no width."""
    return len({each.model for each in report.candidates}) > 1


def _near_budget(report: FitReport) -> tuple[Candidate, ...]:
    """As many as fit on a screen, nearest to the budget, in the front's order."""
    front, budget = report.front, report.budgets.latency_ms
    nearest = sorted(front, key=lambda each: abs(math.log(each.latency_ms / budget)))
    kept = {id(each) for each in nearest[:_MOST_ROWS]} | {id(report.taken)}
    shown = [each for each in front if id(each) in kept]
    if report.taken is not None and not any(each is report.taken for each in shown):
        shown.append(report.taken)
    return tuple(sorted(shown, key=lambda each: each.latency_ms))


def _cells(each: Candidate) -> tuple[str, ...]:
    return (
        printable(each.model),
        each.recipe,
        str(each.input_size or ABSENT),
        ABSENT if each.width is None else f"{each.width:g}",
        count_text(each.macs),
        milliseconds_text(each.latency_ms),
        interval_text(each),
        each.verdict,
        size_text(each.size_bytes),
        size_text(each.memory_bytes),
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
    taken = report.taken
    if taken is None:
        return (report.reason,)
    energy = f", {energy_text(taken.energy_mj)} an inference" if taken.energy_mj else ""
    parts = [
        f"input {taken.input_size}" if taken.input_size else "",
        f"width {taken.width:g}" if taken.width is not None else "",
    ]
    shape = "".join(f", {part}" for part in parts if part)
    line = (
        f"{printable(taken.model)} {taken.recipe}{shape}: predicted"
        f" {milliseconds_text(taken.latency_ms)} ms ({interval_text(taken)}),"
        f" {taken.basis}{energy}."
    )
    return (line, report.reason)


def export_command(candidate: Candidate, said: str = "") -> str:
    """The command that makes it; `said` are the options that fix open shapes."""
    size = f" --input-size {candidate.input_size}" if candidate.input_size else ""
    width = f" --width {candidate.width:g}" if candidate.width is not None else ""
    return f"edgecnn export {shlex.quote(candidate.model)} --{candidate.recipe}{size}{width}{said}"
