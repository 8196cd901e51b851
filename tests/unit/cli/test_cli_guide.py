"""`edgecnn guide`: the list, one guide, and what is said where there is none."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys

import pytest

from edgecnn import guides
from edgecnn.cli.app import run


def test_without_a_name_the_guides_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["guide"]) == 0
    shown = capsys.readouterr().out
    assert all(f"  {name} " in shown for name in guides.NAMES)
    assert run(["guide", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)["guides"]
    assert [each["name"] for each in listed] == list(guides.NAMES)


@pytest.mark.parametrize("name", guides.NAMES)
def test_in_a_pipe_a_guide_is_the_file(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["guide", name]) == 0
    assert capsys.readouterr().out == guides.read(name).text
    assert run(["guide", name, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["markdown"] == guides.read(name).text


def test_in_a_terminal_a_guide_is_formatted() -> None:
    ours, theirs = pty.openpty()
    child = subprocess.Popen(
        [sys.executable, "-m", "edgecnn", "guide", "calibration"],
        stdout=theirs,
        env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "80"},
    )
    os.close(theirs)
    shown = b""
    while chunk := _read(ours):
        shown += chunk
    os.close(ours)
    assert child.wait() == 0
    assert b"representative dataset" in shown
    assert b"\x1b[" in shown
    assert b"```" not in shown


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:  # Linux says so when the other end is closed
        return b""


def test_a_guide_that_is_not_there_names_those_that_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["guide", "raspberry"]) == 2
    error = capsys.readouterr().err
    assert "There is no guide 'raspberry'" in error
    assert "raspberry-pi" in error
