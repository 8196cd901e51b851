"""Starts edgecnn/runtime/runner.py as a device would: a copy, alone in a folder."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecnn.runtime import runner

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SHORT_PLAN: dict[str, Any] = {
    "name": "short",
    "warmup_s": 0.02,
    "min_runs": 8,
    "min_s": 0.1,
    "repeats": 1,
}
LONG_PLAN = {**SHORT_PLAN, "min_s": 600.0}
_PATIENCE_S = 60


@dataclass
class Outcome:
    """How a runner ended, and what it said."""

    exit_code: int
    report: dict[str, Any]
    events: list[dict[str, Any]] = field(default_factory=list)
    stderr: str = ""

    @property
    def errors(self) -> dict[str, str | None]:
        """Each file's error."""
        return {each["path"]: each["error"] for each in self.report["results"]}


def write_request(
    folder: Path, files: Sequence[str | dict[str, Any]], plan: dict[str, Any], **more: object
) -> list[str]:
    """Put the runner and a request into the folder; returns the command."""
    shutil.copy(runner.__file__, folder / "runner.py")
    named = [{"path": each} if isinstance(each, str) else each for each in files]
    request = {"schema": 1, "plan": plan, "files": named, "threads": [1], **more}
    (folder / "request.json").write_text(json.dumps(request))
    return [sys.executable, "runner.py", "request.json"]


def run(
    folder: Path, files: Sequence[str | dict[str, Any]], plan: dict[str, Any], **more: object
) -> Outcome:
    """Run a request to its end."""
    command = write_request(folder, files, plan, **more)
    return outcome(subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False))


def outcome(done: subprocess.CompletedProcess[str]) -> Outcome:
    """What a runner that ended said; every line of its stderr must be an event."""
    events = [json.loads(line) for line in done.stderr.splitlines()]
    return Outcome(done.returncode, json.loads(done.stdout or "{}"), events, done.stderr)


def start(command: list[str], folder: Path) -> subprocess.Popen[str]:
    """Start a runner and wait until it measures."""
    pipe = subprocess.PIPE
    started = subprocess.Popen(command, cwd=folder, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
    assert started.stderr is not None
    event = json.loads(started.stderr.readline())
    assert event["event"] == "progress"
    return started


def children(pid: int) -> list[int]:
    """Processes a process has started."""
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def state(pid: int) -> str:
    """A process's state letter; "" when it is gone, also when only its zombie is left."""
    try:
        letter = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return "" if letter == "Z" else letter


def wait_for(holds: Callable[[], bool]) -> None:
    """Wait until something holds; fail when it takes too long."""
    end = time.monotonic() + _PATIENCE_S
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)
