"""Comparisons by machine: the newest run of each, and what holds on how many."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from compare import by_machine
from measure.measuring import BENCHMARKS
from samples import documents

if TYPE_CHECKING:
    from pathlib import Path


def report(cpu: str, date: str, measured: float) -> dict[str, Any]:
    return {
        "date": date,
        "machine": {"cpu": cpu, "cores": 2},
        "targets": [
            {"name": "time", "measured": measured, "bound": 0.4, "at_most": True,
             "met": measured <= 0.4}
        ],
    }  # fmt: skip


def test_a_run_keeps_those_of_other_machines_and_replaces_its_own(tmp_path: Path) -> None:
    path = tmp_path / "export.json"
    for each in (report("A", "1", 0.3), report("B", "2", 0.8), report("A", "3", 0.35)):
        path.write_text(json.dumps(by_machine.merged(each, path)), "utf-8")
    record = json.loads(path.read_text("utf-8"))
    found = [(by_machine.machine(each), each["date"]) for each in by_machine.reports(record)]
    assert found == [("2 cores of A", "3"), ("2 cores of B", "2")]
    assert list(by_machine.rows(record)) == [
        ("time", "at most 0.4", "0.350", "0.800 (missed)", "1 of 2")
    ]


def test_the_results_say_on_how_many_machines_each_target_of_the_export_is_met() -> None:
    record = json.loads((BENCHMARKS / "export.json").read_text("utf-8"))
    assert len(by_machine.reports(record)) > 1
    said = (documents.GUIDES / "results.md").read_text("utf-8")
    for name, bound, *measured, met in by_machine.rows(record):
        cells = [each.replace(" (missed)", ": missed") for each in measured]
        assert f"| {name} | {bound} | {' | '.join(cells)} | {met} |" in said
