"""What a child process may use, and how it is told when it asked for more."""

from __future__ import annotations

import os
import re
import signal
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgecnn.errors import EdgeCnnError

if TYPE_CHECKING:
    import subprocess

# What Python, C++ and the runtimes say when the kernel gives no more memory.
_NO_MEMORY = re.compile(
    r"bad_alloc|bad allocation|MemoryError|std::length_error|[Ff]ailed to allocate"
    r"|[Uu]nable to allocate|[Cc]an(?:not|'t) allocate|[Oo]ut of memory|OOM when|RESOURCE_EXHAUSTED"
)
# What XNNPACK says then, and where a graph's shapes do not fit.
_PERHAPS_NO_MEMORY = re.compile(r"failed to reshape runtime")
# A child that gets little of a busy machine's processors is waited for so many times as long.
_PATIENCE = 4
_BUSY_SHARE = 0.5
_HOSTILE = "The file may be hostile: it asks for more than its size explains."


class CrashedError(EdgeCnnError):
    """The child process died (a segfault, an abort, the out-of-memory killer) or took too long."""


class LimitError(CrashedError):
    """The child met a limit that it was given."""


@dataclass(frozen=True)
class Limits:
    """What a child may use; None for as much as there is.

    Attributes:
        memory_bytes: private memory that it may ask for, beside its arguments.
        seconds: between two words of progress, and until it is done. Where it gets less than half
            a processor, because others work, it is waited for up to four times as long.
        hint: what the user is told to do when the one of time is met.
        memory_hint: likewise, of memory.
    """

    memory_bytes: int | None = None
    seconds: float | None = None
    hint: str = ""
    memory_hint: str = ""


NO_LIMITS = Limits()


class Leash:
    """Lets another thread end a child, also one that is only about to start."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._cut = False

    def tie(self, child: subprocess.Popen[bytes]) -> None:
        """It has started; where nobody wants it any more, it ends."""
        with self._lock:
            self._child = child
            if self._cut:
                child.kill()

    @property
    def is_cut(self) -> bool:
        """Whether `cut` was called."""
        return self._cut

    def cut(self) -> None:
        """End the child: `run` raises CrashedError in its own thread."""
        with self._lock:
            self._cut = True
            if self._child is not None:
                self._child.kill()


class Watch:
    """Kills a child that says nothing for too long; `passed` tells that it did."""

    def __init__(self, child: subprocess.Popen[bytes], seconds: float | None) -> None:
        self.passed = False
        self._child, self._seconds = child, seconds
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._wait, daemon=True)
        self.reset()

    def reset(self) -> None:
        """It said something: its time begins anew."""
        if self._seconds is not None:
            self._since = time.monotonic(), _processor_s(self._child.pid)

    def __enter__(self) -> None:
        """Begin to watch, where there is a limit."""
        if self._seconds is not None:
            self._thread.start()

    def __exit__(self, *_: object) -> None:
        """Watch no more: it is done, or somebody else ends it."""
        self._done.set()
        if self._seconds is not None:
            self._thread.join()

    def _wait(self) -> None:
        while not self._done.wait(self._left_s()):
            if self._left_s() <= 0:
                self.passed = True
                self._child.kill()
                return

    def _left_s(self) -> float:
        """Seconds it has left; a second more, while it cannot be blamed for being slow."""
        assert self._seconds is not None  # noqa: S101 - for the type checker: the thread runs
        began, used = self._since
        waited = time.monotonic() - began
        if waited < self._seconds:
            return self._seconds - waited
        now = _processor_s(self._child.pid)
        starved = now is not None and used is not None and now - used < _BUSY_SHARE * waited
        return 1.0 if starved and waited < _PATIENCE * self._seconds else 0.0


def _processor_s(pid: int) -> float | None:
    """Processor time a process has used; None where the system has no /proc."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    user, system = fields.rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal has no name
        return f"signal {number}"


def too_late(what: str, limits: Limits) -> LimitError:
    """What is said of a child that was killed for taking too long."""
    return LimitError(
        f"{what}: it took more than {limits.seconds:g} s without an answer and was stopped.",
        hint=limits.hint or _HOSTILE,
    )


def out_of_memory(what: str, limits: Limits) -> LimitError:
    """What is said of a child that the kernel refused more memory."""
    megabytes = (limits.memory_bytes or 0) / 1e6
    return LimitError(
        f"{what}: it asked for more than the {megabytes:,.0f} MB of memory that it may have.",
        hint=limits.memory_hint or _HOSTILE,
    )


def memory_is_limited() -> bool:
    """Whether this process may have less private memory than the machine has."""
    if sys.platform == "win32":
        return False
    import resource

    return resource.getrlimit(resource.RLIMIT_DATA)[0] != resource.RLIM_INFINITY


def met_memory(error: BaseException, limits: Limits) -> bool:
    """Whether the limit of memory is what stands behind an error; some runtimes only quote it."""
    if limits.memory_bytes is None:
        return False
    return isinstance(error, MemoryError) or _NO_MEMORY.search(str(error)) is not None


def doubted(error: Exception, limits: Limits) -> Exception:
    """The error of a child, with a word of memory where a want of it may stand behind it."""
    if limits.memory_bytes is None or not isinstance(error, EdgeCnnError):
        return error
    if not _PERHAPS_NO_MEMORY.search(error.message):
        return error
    megabytes = f"{limits.memory_bytes / 1e6:,.0f} MB of memory"
    message = f"{error.message} Perhaps it needs more than the {megabytes} that it may have."
    return type(error)(message, hint=limits.memory_hint)


def crash(return_code: int, what: str, tail: str, limits: Limits) -> CrashedError:
    """What is said of a child that died; `tail` is the end of what it printed."""
    if limits.memory_bytes is not None and _NO_MEMORY.search(tail):
        return out_of_memory(what, limits)
    name = _signal_name(-return_code) if return_code < 0 else f"exit code {return_code}"
    hint = "The file is corrupt, hostile, or uses what this runtime does not support."
    if name == "SIGKILL":
        hint = "Out of memory? Close other programs."
    elif limits.memory_bytes is not None:  # native code that looks at no answer of malloc's
        hint += f" It might have no more than {limits.memory_bytes / 1e6:,.0f} MB of memory."
        hint += f" {limits.memory_hint}".rstrip()
    last_words = f" Its last words:\n{tail}" if tail else ""
    return CrashedError(f"{what}: the process that did it crashed ({name}).{last_words}", hint=hint)
