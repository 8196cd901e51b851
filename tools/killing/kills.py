"""One command, started as a shell starts it and ended by a signal; Linux alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from killing.cases import Case

SIGNALS = ("KILL", "INT", "TERM")
ENDS_WITHIN_S = 60.0
_UNDISTURBED_S = 600.0
_MARK = "EDGECNN_KILLED"
_TAIL = 3000
_INTERRUPTED = 130
_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Kill:
    """How a command took a signal.

    Attributes:
        signal: its name.
        at_s: when it came, seconds after the start.
        code: as Popen has it: -9 where the signal ended the process; 0 where it was done before.
        ended_s: from the signal to the end of the last of its processes.
        problems: what is wrong with that; a clause each.
        log: the end of its stderr.
    """

    signal: str
    at_s: float
    code: int | None
    ended_s: float
    problems: tuple[str, ...]
    log: str

    def __str__(self) -> str:
        """As it is told."""
        return f"SIG{self.signal} at {self.at_s:.2f} s"


def kill(case: Case, name: str, at_s: float) -> Kill:
    """Start a case's command, send it a signal, and see how it ends."""
    with tempfile.TemporaryFile() as log:
        child = _start(case, log.fileno())
        _wait_until(lambda: child.poll() is not None, at_s)
        began = time.monotonic()
        _send(child, name)
        ended = _wait_until(lambda: child.poll() is not None and not marked(case), ENDS_WITHIN_S)
        seconds = time.monotonic() - began
        problems = [] if ended else [_still_there(child, case)]
        _end_all(child, case)
        tail = _tail(log.fileno())
    problems += _wrong_end(name, child.returncode, tail) if ended else []
    return Kill(name, at_s, child.returncode, seconds, tuple(problems), tail)


def undisturbed(case: Case) -> list[str]:
    """Run a case's command to its end; what is wrong with that."""
    with tempfile.TemporaryFile() as log:
        child = _start(case, log.fileno())
        ended = _wait_until(lambda: child.poll() is not None and not marked(case), _UNDISTURBED_S)
        problems = [] if ended else [_still_there(child, case)]
        _end_all(child, case)
        if child.returncode != 0:
            problems.append(f"exit {child.returncode}: {_tail(log.fileno())}")
    return problems


def _start(case: Case, log: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "edgecnn", *case.arguments],
        cwd=case.folder,
        env={**os.environ, **case.environment(), "PYTHONPATH": str(_ROOT), _MARK: str(case.folder)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=log,
        start_new_session=True,
        preexec_fn=_heed_control_c,  # noqa: PLW1509 - this process has no threads
    )


def _heed_control_c() -> None:
    """A shell that runs something behind itself has it ignore Ctrl-C, and so what that starts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _send(child: subprocess.Popen[bytes], name: str) -> None:
    number = signal.Signals[f"SIG{name}"]
    if child.poll() is not None:
        return
    if number == signal.SIGINT:
        os.killpg(child.pid, number)
    else:
        child.send_signal(number)


def _wrong_end(name: str, code: int | None, log: str) -> list[str]:
    number = signal.Signals[f"SIG{name}"]
    # 0 where it was done before. Ctrl-C ends Python itself until Python has begun to heed it.
    right = {0, -number, *([_INTERRUPTED] if number == signal.SIGINT else [])}
    problems = [] if code in right else [f"exit {code}"]
    if "Traceback" in log or "Exception ignored" in log:
        problems.append("a traceback")
    return problems


def marked(case: Case) -> list[int]:
    """Processes of a case's command that run: they have its mark."""
    mark = f"{_MARK}={case.folder}".encode()
    processes = Path("/proc").glob("[0-9]*")
    return [int(process.name) for process in processes if mark in _variables(process)]


def _variables(process: Path) -> list[bytes]:
    try:
        return (process / "environ").read_bytes().split(b"\0")
    except OSError:  # it has ended meanwhile, or is another user's
        return []


def _still_there(child: subprocess.Popen[bytes], case: Case) -> str:
    """Says which processes have not ended, and what each waits in."""
    lines = []
    for pid in {*marked(case), *([child.pid] if child.poll() is None else [])}:
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ")[:200].decode()
            tasks = list(Path(f"/proc/{pid}/task").iterdir())
            waits = [(task / "wchan").read_text() or "running" for task in tasks]
        except OSError:
            continue
        lines.append(f"{pid} ({command.strip()}: {', '.join(waits)})")
    return f"still there after {ENDS_WITHIN_S:.0f} s: {'; '.join(lines)}"


def _end_all(child: subprocess.Popen[bytes], case: Case) -> None:
    for pid in marked(case):
        os.kill(pid, signal.SIGKILL)
    if child.poll() is None:
        child.kill()
    child.wait()


def _wait_until(holds: Callable[[], bool], seconds: float) -> bool:
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def _tail(log: int) -> str:
    size = os.lseek(log, 0, os.SEEK_END)
    os.lseek(log, max(0, size - _TAIL), os.SEEK_SET)
    return os.read(log, _TAIL).decode(errors="replace")
