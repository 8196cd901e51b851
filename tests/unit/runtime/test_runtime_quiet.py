"""quiet_stderr: information is held back, warnings and errors are not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from edgecnn.runtime.quiet import quiet_stderr


def test_information_is_held_back_and_the_rest_passed_on(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with quiet_stderr():
        os.write(2, b"INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\n")
        os.write(2, b"WARNING: something odd\n")
        os.write(2, b"I0000 00:00:1795316196.037620    6599 port.cc:153] hello\n")
        os.write(2, b"ERROR: worse")
    assert capfd.readouterr().err == "WARNING: something odd\nERROR: worse"


def test_what_was_held_appears_when_the_block_fails(capfd: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        os.write(2, b"ERROR: why\n")
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"), quiet_stderr():
        fail()
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "ERROR: why\nafter\n"


def test_a_closed_stderr_is_no_hindrance() -> None:
    code = "from edgecnn.runtime.quiet import quiet_stderr\nwith quiet_stderr(): print('done')"
    root = str(Path(__file__).parents[3])
    done = subprocess.run(
        ["/bin/sh", "-c", 'exec "$0" -c "$1" 2>&-', sys.executable, code],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env={"PYTHONPATH": root},
    )
    assert done.stdout == "done\n"
