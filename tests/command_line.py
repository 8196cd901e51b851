"""The `edgecnn` command as a user starts it, in an environment without the suite's own settings.

`run` starts a process as a user does. `forked` is for tests of what a command does, not of how it
starts: a second less, and five where TensorFlow is wanted (see warm_children.py).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import warm_children

if TYPE_CHECKING:
    from pathlib import Path
    from typing import TypeAlias

    import pytest

    Ended: TypeAlias = subprocess.CompletedProcess[str] | warm_children.Done

COMMAND = [sys.executable, "-m", "edgecnn"]
# What TensorFlow, absl, oneDNN and LiteRT write when nobody keeps them from it.
NOISE = ("I0000", "W0000", "E0000", "oneDNN", "WARNING: All log messages", "INFO: Created", "cuda",
         "Traceback", "absl", "FutureWarning", "DeprecationWarning", "UserWarning",
         "RuntimeWarning")  # fmt: skip


def environment(**more: str | Path) -> dict[str, str]:
    """The environment a user has: the suite's quieting of TensorFlow taken out."""
    ours = {"ORT_DISABLE_TELEMETRY", "TF_CPP_MIN_LOG_LEVEL", "CUDA_VISIBLE_DEVICES"}
    kept = {name: value for name, value in os.environ.items() if name not in ours}
    return {**kept, **{name: str(value) for name, value in more.items()}}


def run(*args: str | Path, **more: str | Path) -> subprocess.CompletedProcess[str]:
    """Run `edgecnn ARGS`; keywords are environment variables."""
    return subprocess.run(
        [*COMMAND, *map(str, args)],
        env=environment(**more),
        capture_output=True,
        text=True,
        check=False,
    )


def run_json(*args: str | Path, code: int = 0, **more: str | Path) -> dict[str, Any]:
    """Run `edgecnn ARGS --json`, hold its exit code, and return its one object."""
    return _object(run(*args, "--json", **more), code)


def forked(*args: str | Path, **more: str | Path) -> warm_children.Done:
    """Run `edgecnn ARGS` as a fork of a process that has its imports; its children are too."""
    return warm_children.nursery().command([*map(str, args)], environment(**more))


def forked_json(*args: str | Path, code: int = 0, **more: str | Path) -> dict[str, Any]:
    """The same as `run_json`, forked."""
    return _object(forked(*args, "--json", **more), code)


class Here:
    """`edgecnn ARGS --json` in this process, where a test may patch what it runs."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *args: str | Path, code: int = 0) -> dict[str, Any]:
        """As `run_json`."""
        from edgecnn.cli.app import run

        self._capsys.readouterr()
        ended = run([*map(str, args), "--json"])
        shown = self._capsys.readouterr()
        return _object(warm_children.Done(ended, shown.out, shown.err), code)


def _object(done: Ended, code: int) -> dict[str, Any]:
    assert done.returncode == code, done.stdout + done.stderr
    shown: dict[str, Any] = json.loads(done.stdout)
    return shown


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, by its relative path."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(files)}
