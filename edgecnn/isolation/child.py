"""The child process's side: it runs the function, and writes what comes of it to its parent."""

from __future__ import annotations

import ctypes
import importlib
import os
import pickle
import signal
import sys
import traceback
from dataclasses import dataclass
from typing import IO

_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Head:
    """What the child must know before it unpickles what the function takes."""

    function: str
    parent_pid: int
    wants_progress: bool
    memory_bytes: int | None


class _Messenger:
    """A Progress that writes each call to the parent's pipe."""

    def __init__(self, reply: IO[bytes]) -> None:
        self._reply = reply

    def _send(self, kind: str, value: object) -> None:
        self._reply.write(pickle.dumps((kind, value)))
        self._reply.flush()

    def stage(self, name: str, total: int | None = None) -> None:
        self._send("stage", (name, total))

    def advance(self, steps: int = 1) -> None:
        self._send("advance", (steps,))

    def warn(self, message: str) -> None:
        self._send("warn", (message,))

    def tell(self, message: str) -> None:
        self._send("tell", (message,))

    def finish(self, kind: str, value: object) -> None:
        self._send(kind, value)


def _portable(error: Exception) -> Exception:
    """The error itself where it survives pickling, else its text."""
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 - made in this line
    except Exception:  # noqa: BLE001 - anything a foreign exception class may raise
        return RuntimeError("".join(traceback.format_exception(error)))
    if hasattr(error, "add_note"):  # Python 3.11
        frames = "".join(traceback.format_tb(error.__traceback__))
        error.add_note(f"in the child process:\n{frames}")
    return error


def _die_with_parent(parent_pid: int) -> None:
    """Ask Linux to kill this process when the parent is killed; elsewhere the pipe's end does."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent_pid:  # it died before we asked
            os._exit(1)


def _limit_memory(most_bytes: int | None) -> None:
    """Let the kernel refuse more private memory; a core file of it is no use to anybody."""
    if most_bytes is None or sys.platform == "win32":
        return
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _, ceiling = resource.getrlimit(resource.RLIMIT_DATA)
    if ceiling != resource.RLIM_INFINITY:  # that of a child whose child this is
        most_bytes = min(most_bytes, ceiling)
    resource.setrlimit(resource.RLIMIT_DATA, (most_bytes, most_bytes))


def main(reply_fd: int) -> None:
    """The child's life: read the job from stdin, do it, answer through `reply_fd`."""
    os.set_inheritable(reply_fd, False)  # noqa: FBT003 - its only parameter is positional
    reply = os.fdopen(reply_fd, "wb")
    messenger = _Messenger(reply)
    head: Head = pickle.load(sys.stdin.buffer)  # noqa: S301 - our own parent wrote it
    _die_with_parent(head.parent_pid)
    _limit_memory(head.memory_bytes)
    module, _, name = head.function.partition(":")
    try:  # what follows the head: unpickling it imports what the function takes
        args, kwargs = pickle.load(sys.stdin.buffer)  # noqa: S301 - likewise
        more = {"progress": messenger} if head.wants_progress else {}
        result = getattr(importlib.import_module(module), name)(*args, **kwargs, **more)
        messenger.finish("result", result)
    except Exception as error:  # noqa: BLE001 - it is raised again in the parent
        messenger.finish("error", _portable(error))
    reply.close()
    # Native libraries' exit handlers are slow (TensorFlow) or crash; the answer is delivered.
    os._exit(0)
