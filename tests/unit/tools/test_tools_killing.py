"""tools/killing: how a command takes a signal, and what it leaves."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from killing import kills
from killing.cases import Bench, Case, unlike_manifest
from tiny_artifact import write_artifact

if TYPE_CHECKING:
    from pathlib import Path


class Listing(Case):
    """A command of a second."""

    name = "models"

    @property
    def arguments(self) -> tuple[str, ...]:
        """Of `edgecnn`."""
        return ("models",)


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return Listing(tmp_path, tmp_path / "case")


@pytest.mark.parametrize("name", kills.SIGNALS)
def test_a_command_that_is_killed_at_once_leaves_nothing(case: Case, name: str) -> None:
    killed = kills.kill(case, name, 0.0)
    assert killed.code != 0
    assert killed.problems == ()
    assert kills.marked(case) == []
    assert kills.undisturbed(case) == []
    assert case.leftovers() == []


def test_what_is_left_is_named(case: Case) -> None:
    (case.temporary / "edgecnn-0.tmp").mkdir()
    (case.cache / "float").mkdir(parents=True)
    (case.cache / "float" / ".ab.1-2.part").mkdir()
    (case.home / ".new").touch()
    assert case.leftovers() == [
        "tmp/edgecnn-0.tmp is left",
        "cache/float/.ab.1-2.part is left",
        "home/.new is left",
    ]
    case.know_home()
    assert len(case.leftovers()) == 2


def test_a_wrong_end_is_told() -> None:
    assert kills._wrong_end("INT", 1, "Traceback (most") == ["exit 1", "a traceback"]  # noqa: SLF001 - it has no other way to happen
    assert kills._wrong_end("INT", 130, "Interrupted.") == []  # noqa: SLF001 - likewise


def test_an_artifact_that_is_not_what_its_manifest_says(tmp_path: Path) -> None:
    folder = write_artifact(tmp_path / "int8", ("tflite",))
    assert unlike_manifest(folder) == []
    with (folder / "model.tflite").open("ab") as file:
        file.write(b"x")
    (folder / "other").touch()
    assert len(unlike_manifest(folder)) == 2
    (folder / "manifest.json").write_text("{")
    assert "half written" in unlike_manifest(folder)[0]


def test_a_cut_line_of_results_is_told(tmp_path: Path) -> None:
    bench = Bench(tmp_path, tmp_path / "case")
    (bench.folder / "results.jsonl").write_text(json.dumps({}) + '\n{"a"', "utf-8")
    assert bench.half_written() == ["line 1 of results.jsonl is cut"]
