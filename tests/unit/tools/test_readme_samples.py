"""The samples of README and guides: each has its scene, and is renewed as it was printed."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

import pytest
import readme_samples
from readme_samples import SCENES
from samples import documents, samples_text

if TYPE_CHECKING:
    from pathlib import Path


def test_every_sample_comes_from_a_scene_and_every_scene_has_a_sample() -> None:
    shown = {
        (document.stem, sample.command)
        for document in documents.DOCUMENTS
        for sample in documents.samples(document)
    }
    assert shown == {(scene.document, tuple(shlex.split(scene.command))) for scene in SCENES}


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.label)
def test_a_sample_printed_as_it_stands_is_kept(scene: readme_samples.Scene) -> None:
    printed = readme_samples.sample_of(scene).printed
    assert samples_text.renewed(printed, printed) == printed


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.label)
def test_a_sample_of_times_says_when_and_where_it_was_run(scene: readme_samples.Scene) -> None:
    line = readme_samples.sample_of(scene).dateline
    assert (" cores" in line) == scene.timed


def test_an_output_without_a_command_of_its_own_is_a_sample_too(tmp_path: Path) -> None:
    document = tmp_path / "guide.md"
    document.write_text("```sh\nls\n```\n\n```text\na\n```\nor\n\n```text\nb\n```\n", "utf-8")
    assert [sample.command for sample in documents.samples(document)] == [("ls",), ()]


@pytest.mark.parametrize("dated", ["", "\nRun on 2026-11-22: A, 2 cores.\n"])
def test_a_sample_of_times_is_written_with_its_date(tmp_path: Path, dated: str) -> None:
    document = tmp_path / "guide.md"
    document.write_text(f"```sh\nls\n```\n\n```text\n9.5 ms\n```\n{dated}\nMore.\n", "utf-8")
    (sample,) = documents.samples(document)
    line = "Run on 2026-11-28: B, 4 cores."
    rewritten = sample.rewritten(document.read_text("utf-8"), "8.5 ms\n", line)
    assert rewritten == f"```sh\nls\n```\n\n```text\n8.5 ms\n```\n\n{line}\n\nMore.\n"


def test_numbers_are_renewed_and_columns_keep_their_places() -> None:
    sample = "file       ms\n-------------\na.tflite  9.5\n...\nTogether\n9.5 ms [...]\n"
    printed = (
        "hello\nfile        ms  \n--------------\na.tflite  10.5  \nmore\nTogether 10.5 ms which"
    )
    assert samples_text.renewed(sample, printed) == (
        "file        ms\n--------------\na.tflite  10.5\n...\nTogether\n10.5 ms [...]\n"
    )
    assert samples_text.changes("a 9.5 b", "a 10.5 b") == [("9.5", "10.5")]


def test_what_is_no_longer_printed_is_no_sample() -> None:
    assert samples_text.renewed("file  ms\n", "file  seconds\n") is None


def test_what_a_scene_needs_is_played_before_it() -> None:
    played = [scene.label for scene in readme_samples.chosen("deploy")]
    deploy = f"raspberry-pi: {SCENES[7].command}"
    assert played == ["README: make export", deploy]
    assert [scene.label for scene in readme_samples.chosen("deploy", exported=True)] == [deploy]


def test_samples_of_one_file_agree() -> None:
    """README's export, the budgets' check and the deploy show one xception in int8."""
    (export,) = [readme_samples.sample_of(s).printed for s in SCENES if s.command == "make export"]
    (check,) = [readme_samples.sample_of(s).printed for s in SCENES if " check " in s.command]
    (deploy,) = [readme_samples.sample_of(s).printed for s in SCENES if " deploy " in s.command]
    size, share, snr = re.findall(r"model\.tflite +([\d.]+) MB +([\d.]+)% +([\d.]+)", export)[0]
    assert f"{size} MB" in check
    assert f"{snr} dB" in check
    assert float(share) < 50
    assert "xception (int8)" in deploy
    assert "xception-mini" not in deploy
