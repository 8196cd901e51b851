"""What is printed is cleaned where it is printed; JSON keeps what was read."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import edgecnn
from edgecnn.cli import console
from edgecnn.cli.app import run
from edgecnn.cli.progress import Lines
from edgecnn.reporting.table import Column, Table

if TYPE_CHECKING:
    from collections.abc import Callable

# Clears the screen, sets a title, moves up a line, turns the text around, ends the line.
HOSTILE = "net\x1b[2J\x1b]0;owned\x07\x9b1A\u202e\r\nOK: all is well"
CLEANED = r"net\x1b[2J\x1b]0;owned\x07\x9b1A\u202e\r"
_TABLE = Table((Column(HOSTILE),), ((HOSTILE,),))


@pytest.mark.parametrize(
    "write",
    [
        lambda: console.say(HOSTILE, HOSTILE),
        lambda: console.warn(HOSTILE),
        lambda: console.print_line(HOSTILE, "bold"),
        lambda: console.print_paragraph(HOSTILE),
        lambda: console.print_pairs([(HOSTILE, HOSTILE)]),
        lambda: console.print_table(_TABLE),
        lambda: Lines().stage(HOSTILE, 3),
        lambda: Lines().warn(HOSTILE),
    ],
)
def test_no_terminal_obeys_what_a_file_says(
    capsys: pytest.CaptureFixture[str], write: Callable[[], None]
) -> None:
    write()
    out, err = capsys.readouterr()
    shown = "".join((out + err).split())
    assert CLEANED in shown
    assert all(char.isprintable() or char == "\n" for char in out + err)


@pytest.mark.parametrize(
    "write",
    [
        lambda: console.print_line(HOSTILE),
        lambda: console.print_pairs([("", HOSTILE)]),
        lambda: console.print_table(Table((Column("name"),), ((HOSTILE,),))),
    ],
)
def test_a_name_takes_one_line_and_passes_for_no_other(
    capsys: pytest.CaptureFixture[str], write: Callable[[], None]
) -> None:
    write()
    assert not any(line.startswith("OK") for line in capsys.readouterr().out.splitlines())


def test_nothing_is_printed_past_the_console() -> None:
    """The rest prints what is ours: a version, a script for the shell, JSON in ASCII."""
    printing = {
        file.name
        for file in (Path(edgecnn.__file__).parent / "cli").glob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in {"click.echo", "print"}
    }
    assert printing == {"app.py", "completion.py", "console.py", "failure.py"}


def test_an_error_is_cleaned_for_people_and_whole_in_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a\x1b[2J\u202e.tflite"
    assert run(["inspect", str(path)]) == 2
    assert "\x1b" not in capsys.readouterr().err
    assert run(["inspect", str(path), "--json"]) == 2
    out = capsys.readouterr().out
    assert out.isascii()
    assert "\x1b" not in out
    assert str(path) in json.loads(out)["error"]["message"]


def test_a_folder_and_a_recipe_are_cleaned(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from tiny_artifact import write_artifact

    folder = write_artifact(tmp_path / "a\x1b[2J", ("tflite",))
    manifest = folder / "manifest.json"
    content = json.loads(manifest.read_text())
    content["recipe"] = "int8\x1b]0;owned\x07"
    manifest.write_text(json.dumps(content))
    assert run(["verify", str(folder)]) in {0, 1}
    out, err = capsys.readouterr()
    assert r"a\x1b[2J (int8\x1b]0;owned\x07)" in out
    assert "\x1b" not in out + err
    run(["verify", str(folder), "--json"])
    assert json.loads(capsys.readouterr().out)["recipe"] == content["recipe"]
