"""What became of the budgets of `edgecnn check`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecnn.reporting.table import Column, Table
from edgecnn.text import ABSENT, milliseconds_text, printable, size_text

if TYPE_CHECKING:
    from edgecnn.benchmark.report import BudgetCheck, CheckReport

_WORDS = {"holds": "OK", "broken": "FAILED", "undecided": "?"}


def check_table(report: CheckReport) -> Table:
    """One row a budget, file and device."""
    columns = (
        Column("budget"),
        Column("result"),
        Column("actual", number=True),
        Column("file"),
        Column("device"),
        Column("threads", number=True),
    )
    return Table(columns, tuple(map(_row, report.checks)))


def _row(check: BudgetCheck) -> tuple[str, ...]:
    return (
        budget_text(check),
        _WORDS[check.outcome],
        ABSENT if check.found is None else amount_text(check.found, check.unit),
        printable(check.file),
        printable(check.target) or ABSENT,
        str(check.threads or ABSENT),
    )


def budget_text(check: BudgetCheck) -> str:
    """The budget in a few words.

    >>> from edgecnn.measurements import BudgetCheck
    >>> budget_text(BudgetCheck("p90", 40.0, 38.1, "ms", "a", "local", 1, "holds", ""))
    'p90 <= 40.0 ms'
    """
    if check.limit is None:
        return f"{check.budget} match"
    relation = ">=" if check.budget == "snr" else "<="
    return f"{check.budget} {relation} {amount_text(check.limit, check.unit)}"


def amount_text(value: float, unit: str) -> str:
    """A number with its unit."""
    if unit == "B":
        return size_text(round(value))
    return f"{milliseconds_text(value)} ms" if unit == "ms" else f"{value:.1f} {unit}"


def reason_lines(report: CheckReport, outcome: str) -> tuple[str, ...]:
    """Why budgets have this outcome, one line each."""
    return tuple(
        f"{budget_text(check)}: {printable(check.file)}: {check.reason}."
        for check in report.checks
        if check.outcome == outcome
    )


def warning_lines(report: CheckReport) -> tuple[str, ...]:
    """What makes a budget that holds less than certain."""
    return tuple(
        f"{budget_text(check)}: {check.reason}; {check.warning}."
        if check.warning not in check.reason
        else f"{budget_text(check)}: {check.reason}."
        for check in report.checks
        if check.warning and check.outcome == "holds"
    )


def verdict(report: CheckReport) -> str:
    """The last line where nothing is broken."""
    count = len(report.checks)
    return f"OK: {'the budget is' if count == 1 else f'all {count} budgets are'} met."
