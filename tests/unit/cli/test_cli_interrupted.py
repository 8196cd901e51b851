"""Ctrl-C before the command line is even imported."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from edgecnn.cli import failure

_ROOT = Path(__file__).parents[3]
# The import system asks this finder first; Python raises KeyboardInterrupt wherever it is.
_START = """
import sys

class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupting())
sys.argv = ["edgecnn", "models"]
from edgecnn.cli import main
main()
"""


@pytest.mark.parametrize("module", ["edgecnn.cli.app", "click", "edgecnn.cli.models"])
def test_control_c_while_modules_are_imported(module: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _START.format(module=module)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "Interrupted.\n")


def test_control_c_that_python_makes_another_error_of() -> None:
    class Name:
        def __set_name__(self, *_: object) -> None:
            raise KeyboardInterrupt

    try:
        type("Owner", (), {"name": Name()})
    except BaseException as error:  # noqa: BLE001 - Python 3.11 raises a RuntimeError, 3.12 itself
        told = failure.describe(error)
    assert (told.message, told.exit_code) == ("Interrupted.", 130)
    assert failure.describe(RuntimeError("x")).exit_code == 70


def test_what_runs_before_control_c_is_heeded_imports_next_to_nothing() -> None:
    script = (
        f"import os, sys; sys.path.insert(0, {str(_ROOT)!r}); before = set(sys.modules)\n"
        "import edgecnn.cli; print(*sorted({*sys.modules} - before))"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-E", "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["__future__", "edgecnn", "edgecnn.cli"]
