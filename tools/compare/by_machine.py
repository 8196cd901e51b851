"""A comparison's record by machine: what holds on one CPU need not hold on another.

A report keeps those of other machines under `other_machines`, the newest of each; its own machine
is that of the last run.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeAlias

from measure.measuring import print_table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

Report: TypeAlias = dict[str, Any]
OTHERS = "other_machines"


def merged(report: Report, path: Path) -> Report:
    """A new report with the earlier ones of other machines that a file holds."""
    earlier: Report = json.loads(path.read_text("utf-8")) if path.exists() else {}
    kept = [other for other in reports(earlier) if machine(other) != machine(report)]
    return {**report, OTHERS: kept} if kept else report


def reports(record: Report) -> list[Report]:
    """The reports of a record, one a machine, the newest first."""
    if not record:
        return []
    own = {key: value for key, value in record.items() if key != OTHERS}
    return sorted([own, *record.get(OTHERS, [])], key=lambda dated: dated["date"], reverse=True)


def machine(report: Report) -> str:
    """A machine as a table names it."""
    about = report["machine"]
    return f"{about['cores']} cores of {about['cpu']}"


def rows(record: Report) -> Iterator[tuple[str, ...]]:
    """A row a target: its bound, what each machine measured, and on how many it is met."""
    every = reports(record)
    for name in dict.fromkeys(target["name"] for listed in every for target in listed["targets"]):
        targets = [_target(listed, name) for listed in every]
        known = [target for target in targets if target is not None]
        sense = "at most" if known[0]["at_most"] else "at least"
        met = sum(bool(target["met"]) for target in known)
        yield (
            name,
            f"{sense} {known[0]['bound']:g}",
            *("-" if target is None else _measured(target) for target in targets),
            f"{met} of {len(known)}",
        )


def _target(report: Report, name: str) -> dict[str, Any] | None:
    return next((target for target in report["targets"] if target["name"] == name), None)


def _measured(target: dict[str, Any]) -> str:
    return f"{target['measured']:.3f}{'' if target['met'] else ' (missed)'}"


def show(title: str, record: Report) -> None:
    """Print the targets by machine."""
    columns: Sequence[str] = (
        "target",
        "bound",
        *(f"{machine(report)}, {report['date'][:10]}" for report in reports(record)),
        "machines",
    )
    print_table(title, columns, list(rows(record)))
