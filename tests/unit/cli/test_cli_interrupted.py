"""Ctrl-C before the command line is even imported."""

from __future__ import annotations

import subprocess
import sys

import pytest

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
