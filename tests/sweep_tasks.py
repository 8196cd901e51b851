"""Stand-ins for the work on a point, which workers import: it is engines that they try."""

from __future__ import annotations

import os
import resource
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecnn import store
from edgecnn.engines.tasks import Task
from edgecnn.errors import InputError
from edgecnn.sweeping import storage
from edgecnn.sweeping.records import Accuracy, Place, PointRecord, Run, Timing

if TYPE_CHECKING:
    from edgecnn.sweeping.work import Work

PERFORM = "sweep_tasks:perform"
_STAND_IN_BYTES = 12_000


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


def environment_of(name: str) -> str | None:
    """What the node that does it has in its environment."""
    return os.environ.get(name)


def perform(work: Work) -> PointRecord:
    """In the place of a point's own work: its artifact is some bytes that its key decides.

    Beside the model's file lie `marks`, where each beginning and each artifact leaves one, and what
    is to happen to a seed: `SEED.lingers`, `SEED.hogs`, `SEED.killed` (once).
    """
    folder, seed = Path(work.source.model).parent, work.point.seed
    _leave(folder, f"begun {seed}")
    _suffer(folder / f"{seed}")
    held = storage.opened(work.storage)
    kept = held.find("artifacts", work.artifact)
    if kept is None:
        held.make("artifacts", work.artifact, lambda into: _write(into / work.artifact, work.key))
        _leave(folder, f"made {seed}")
    number = int(work.key[:6], 16)
    latency = Timing(Place("raspberry-pi-5", 1), number / 1e5, number / 2e5, number / 1e4)
    accuracy = Accuracy("top1", number / (1 << 24), None, None, 100, "images")
    return PointRecord(
        work.key, work.point, "done", work.artifact, size_bytes=number, accuracy=accuracy,
        timings=(latency,), run=Run(seconds=time.monotonic(), reused=kept is not None),
    )  # fmt: skip


def _leave(folder: Path, what: str) -> None:
    (folder / "marks").mkdir(exist_ok=True)
    (folder / "marks" / f"{what} {os.getpid()} {time.monotonic_ns()}").touch()


def _suffer(beside: Path) -> None:
    if beside.with_suffix(".lingers").exists():
        time.sleep(1.5)
    if beside.with_suffix(".killed").exists():  # as Linux does it where memory is short
        beside.with_suffix(".killed").unlink()
        os.kill(os.getpid(), signal.SIGKILL)
    if beside.with_suffix(".hogs").exists():
        resource.setrlimit(resource.RLIMIT_DATA, (1 << 28, 1 << 28))
        bytearray(1 << 30)


def _write(folder: Path, key: str) -> None:
    with store.new_folder(folder) as part:
        (part / "model.bin").write_bytes(key.encode().ljust(_STAND_IN_BYTES))


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
