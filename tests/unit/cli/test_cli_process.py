"""The command as a process: streams that break, encodings, terminals, signals."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_tflite import float_net

COMMAND = [sys.executable, "-m", "edgecnn"]
SCRIPT = "import sys, edgecnn\n{body}\nfrom edgecnn.cli import main\nmain()"


def edgecnn(*args: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*COMMAND, *args], env={**os.environ, **environment}, capture_output=True, check=False
    )


def in_terminal(command: list[str], **environment: str) -> str:
    """Run in a terminal of 80 columns, and return all that it showed."""
    ours, theirs = pty.openpty()
    settings = {"TERM": "xterm-256color", "COLUMNS": "80", **environment}
    child = subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env={**os.environ, **settings}
    )
    os.close(theirs)
    shown = b""
    while chunk := _read(ours):
        shown += chunk
    os.close(ours)
    child.wait()
    return shown.decode()


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:  # Linux says so when the other end is closed
        return b""


def test_module_and_console_script_are_the_same_command() -> None:
    done = edgecnn("models", "--json")
    assert done.returncode == 0
    assert done.stdout.startswith(b"{")
    assert done.stderr == b""


@pytest.mark.parametrize("args", [("models",), ("models", "--json"), ("--help",)])
def test_a_reader_that_goes_away_is_no_error(args: tuple[str, ...]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as nowhere:
        done = subprocess.run(
            [*COMMAND, *args], stdout=nowhere, stderr=subprocess.PIPE, check=False
        )
    assert done.returncode == 141
    assert done.stderr == b""


@pytest.mark.parametrize(
    "args", [("models",), ("models", "--json"), ("--help",), ("inspect", "nope", "--json")]
)
def test_a_full_disk_under_stdout_has_its_own_exit_code(args: tuple[str, ...]) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run([*COMMAND, *args], stdout=full, stderr=subprocess.PIPE, check=False)
    # What went wrong before is told with its own code, on stderr.
    assert done.returncode == (2 if "inspect" in args else 74)
    assert (
        b"nope cannot be read" if "inspect" in args else b"No space left on device"
    ) in done.stderr
    assert b"Traceback" not in done.stderr


def test_a_full_disk_under_both_streams_is_no_traceback() -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run([*COMMAND, "models"], stdout=full, stderr=full, check=False)
    assert done.returncode == 74


def test_closed_streams_do_no_harm() -> None:
    closed = f"exec {sys.executable} -m edgecnn models >&- 2>&-"
    assert subprocess.run(["/bin/sh", "-c", closed], check=False).returncode == 0


def test_output_is_ascii_where_the_encoding_is(tmp_path: Path) -> None:
    path = tmp_path / "modèle.tflite"
    path.write_bytes(float_net().to_bytes())
    done = edgecnn("inspect", str(path), PYTHONIOENCODING="ascii")
    assert done.returncode == 0
    assert b"mod\\xe8le.tflite" in done.stdout
    done.stdout.decode("ascii")


@pytest.mark.parametrize("option", [[], ["--json"], ["--traceback"]])
def test_a_name_that_is_no_text_is_told_escaped(option: list[str]) -> None:
    command = [*COMMAND, "inspect", os.fsdecode(b"\xff\xfe.tflite"), *option]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == 2
    assert b"udcff" in done.stdout + done.stderr
    (done.stdout + done.stderr).decode("ascii")


def test_pipes_get_no_colours() -> None:
    assert b"\x1b" not in edgecnn("models", TERM="xterm-256color").stdout
    assert b"\x1b" not in edgecnn("export", "exception", TERM="xterm-256color").stderr


def test_a_terminal_gets_colours_unless_it_refuses_them() -> None:
    wrong = [*COMMAND, "inspect", "nope.tflite"]
    assert "\x1b[1;31merror" in in_terminal(wrong)
    assert "\x1b[1;31m" not in in_terminal(wrong, NO_COLOR="1")


def test_tables_fit_the_terminal() -> None:
    shown = in_terminal([*COMMAND, "models"], NO_COLOR="1", TERM="dumb")
    assert max(len(line) for line in shown.splitlines()) <= 80


BARS = """
from edgecnn.cli import console
from edgecnn.reporting.table import Bars, Column, Table
columns = Column("file"), Column("ms", number=True), Column("grade")
rows = ("a", "10.0", "valid"), ("b", "5.00", "valid"), ("c", "emulated", "invalid")
console.print_table(Table(columns, rows, Bars(1, (1.0, 0.5, None))))
"""


def test_a_terminal_that_can_gets_bars_beside_the_numbers() -> None:
    command = [sys.executable, "-c", BARS]
    rows = [line.split() for line in in_terminal(command).splitlines()[2:]]
    assert rows == [
        ["a", "10.0", "\N{FULL BLOCK}" * 8, "valid"],
        ["b", "5.00", "\N{FULL BLOCK}" * 4, "valid"],
        ["c", "emulated", "invalid"],
    ]


@pytest.mark.parametrize(
    "environment",
    [{"NO_COLOR": "1"}, {"TERM": "dumb"}, {"PYTHONIOENCODING": "ascii"}, {"COLUMNS": "25"}],
)
def test_no_bars_where_they_are_refused_or_have_no_room(environment: dict[str, str]) -> None:
    shown = in_terminal([sys.executable, "-c", BARS], **environment)
    assert "\N{FULL BLOCK}" not in shown
    assert [line.split()[0] for line in shown.splitlines()[2:]] == ["a", "b", "c"]


def test_no_bars_in_a_pipe() -> None:
    piped = subprocess.run([sys.executable, "-c", BARS], capture_output=True, check=True)
    assert piped.stdout.decode("ascii").split()[-2:] == ["emulated", "invalid"]


BAR = """
import time
def export(model, *, progress, **options):
    progress.stage("measuring ranges", 4)
    for _ in range(4):
        progress.advance()
        time.sleep(0.15)
    progress.stage("a stage whose name is far too long to stand in a line with its bar and clock")
    progress.warn("these are not your images")
    raise edgecnn.InputError("that is all", hint="Go on.")
edgecnn.export = export
"""


def test_the_bar_shows_the_stage_and_leaves_only_messages() -> None:
    command = [sys.executable, "-c", SCRIPT.format(body=BAR), "export", "vgg", "--int8"]
    shown = in_terminal(command)
    assert "measuring ranges" in shown
    assert "4/4" in shown
    after_the_bar = shown.rpartition("\x1b[2K")[2]
    assert "error" in after_the_bar
    assert "stage" not in after_the_bar
    assert "these are not your images" in shown


INTERRUPT = """
import os, signal
def export(model, *, progress, **options):
    progress.stage("measuring ranges")
    os.kill(os.getpid(), signal.SIGINT)
    progress.stage("never reached")
edgecnn.export = export
"""


def test_control_c_ends_with_one_short_line() -> None:
    command = [sys.executable, "-c", SCRIPT.format(body=INTERRUPT), "export", "vgg", "--int8"]
    done = subprocess.run(command, capture_output=True, check=False, text=True)
    assert done.returncode == 130
    assert done.stderr == "measuring ranges\nInterrupted.\n"
    assert done.stdout == ""


def test_names_that_no_locale_has_are_written_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "n\u00e9t \u4e2d.tflite"
    path.write_bytes(float_net().to_bytes())
    plain = {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    for verb in (["inspect", str(path)], ["inspect", str(path), "--json"], ["inspect", "\u4e2d"]):
        done = edgecnn(*verb, **plain)
        assert done.returncode == (0 if str(path) in verb else 2)
        assert b"Traceback" not in done.stderr
        assert (done.stdout if done.returncode == 0 else done.stderr).strip()
