"""Stand-ins for the work on a point, which workers import: it is engines that they try."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

from edgecnn.engines.tasks import Task
from edgecnn.errors import InputError


def task(function: str, argument: Any = None, *, key: str = "", **more: Any) -> Task:  # noqa: ANN401 - whatever it takes
    """A task of one of the functions below."""
    return Task(
        key or f"{function} {argument}", "trying", f"sweep_tasks:{function}", argument, **more
    )


def double(number: int) -> int:
    """A result."""
    return 2 * number


def refuse(reason: str) -> None:
    """What another try would not change."""
    raise InputError(reason)


def die(marks: str) -> None:
    """The process is gone, each time."""
    _mark(marks)
    os.kill(os.getpid(), signal.SIGKILL)


def die_once(marks: str) -> str:
    """The process is gone the first time."""
    if _mark(marks) == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return "alive"


def linger(marks: str) -> str:
    """Takes a while, and leaves a mark when it begins and when it ends."""
    _mark(marks)
    time.sleep(1.0)
    Path(marks, f"ended-{time.monotonic_ns()}").touch()
    return "rested"


def wait_for_ever(marks: str) -> None:
    """Until it is killed."""
    _mark(marks)
    while True:
        time.sleep(60)


def nap(seconds: float) -> float:
    """Work that costs no processor."""
    time.sleep(seconds)
    return seconds


def begin_and_end(argument: tuple[str, str]) -> None:
    """Write down when it begins and when it ends."""
    marks, name = argument
    with Path(marks).open("a", encoding="ascii") as stream:
        stream.write(f"begin {name}\n")
        stream.flush()
        time.sleep(0.05)
        stream.write(f"end {name}\n")


def _mark(marks: str) -> int:
    """Leave a mark of this process; returns how many there are."""
    Path(marks, f"{os.getpid()}-{time.monotonic_ns()}").touch()
    return sum(not path.name.startswith("ended") for path in Path(marks).iterdir())
