"""Runs one function in a child process, so that its crash, its memory and its noise stay there.

Native code that parses a foreign file may crash on it, and TensorFlow writes to stderr and never
gives memory back. `run("module:function", ...)` calls the function in a fresh interpreter; what it
returns, raises or reports as progress comes back pickled through a pipe. The caller needs no
`if __name__ == "__main__"` guard, which multiprocessing's spawn would ask of every script.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import traceback
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

from edgecnn.errors import EdgeCnnError
from edgecnn.progress import Progress, Silent

if TYPE_CHECKING:
    from collections.abc import Mapping

_LOG_TAIL_CHARS = 1500
_PR_SET_PDEATHSIG = 1
# The child talks on this descriptor; 1 and 2 go to the log, where native code may write as it likes.
_REPLY_FD_VARIABLE = "EDGECNN_REPLY_FD"


class CrashedError(EdgeCnnError):
    """The child process died: a segfault, an abort, or the out-of-memory killer."""


@dataclass(frozen=True)
class _Job:
    function: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    parent_pid: int


def run(
    function: str,
    *args: Any,  # noqa: ANN401 - whatever the named function takes
    what: str,
    progress: Progress | None = None,
    environment: Mapping[str, str] | None = None,
    **kwargs: Any,  # noqa: ANN401 - likewise
) -> Any:  # noqa: ANN401 - whatever the named function returns
    """Call `function` in a child process and return what it returns.

    Args:
        function: "module:function". It may take a keyword `progress` when one is given here.
        *args: pickled positional arguments.
        what: what is being done, for the error's sentence, such as "reading model.tflite".
        progress: receives what the child reports.
        environment: variables set for the child only.
        **kwargs: pickled keyword arguments.

    Raises:
        CrashedError: the child died without an answer.
        EdgeCnnError: as the function raised it. Other exceptions arrive as the child raised them
            where they can be pickled.
    """
    job = _Job(function, args, kwargs, os.getpid())
    with tempfile.TemporaryFile() as log:
        child, reply = _start(job, log, environment, wants_progress=progress is not None)
        try:
            outcome = _listen(reply, progress or Silent())
        finally:
            reply.close()
            if sys.exc_info()[0] is not None:
                child.kill()
            child.wait()
        if outcome is None:
            raise _crash(child.returncode, what, log)
    kind, value = outcome
    if kind == "error":
        raise value
    return value


def _start(
    job: _Job, log: IO[bytes], environment: Mapping[str, str] | None, *, wants_progress: bool
) -> tuple[subprocess.Popen[bytes], IO[bytes]]:
    read_end, write_end = os.pipe()
    extra = {_REPLY_FD_VARIABLE: str(write_end), "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    if wants_progress:
        extra["EDGECNN_PROGRESS"] = "1"
    try:
        child = subprocess.Popen(
            [sys.executable, "-m", "edgecnn.isolation"],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            pass_fds=(write_end,),
            env={**os.environ, **(environment or {}), **extra},
        )
    except OSError:
        os.close(read_end)
        raise
    finally:
        os.close(write_end)
    with contextlib.suppress(BrokenPipeError):  # a child that died at once shows as a crash
        assert child.stdin is not None  # noqa: S101 - for the type checker: stdin is a pipe
        pickle.dump(job, child.stdin)
        child.stdin.close()
    return child, os.fdopen(read_end, "rb")


def _listen(reply: IO[bytes], progress: Progress) -> tuple[str, Any] | None:
    """Pass progress on until the outcome arrives; None when the child ends without one."""
    while True:
        try:
            kind, value = pickle.load(reply)  # noqa: S301 - our own child wrote it
        except (EOFError, pickle.UnpicklingError):
            return None
        if kind in {"result", "error"}:
            return kind, value
        getattr(progress, kind)(*value)


def _crash(return_code: int, what: str, log: IO[bytes]) -> CrashedError:
    log.seek(0)
    tail = log.read().decode(errors="replace")[-_LOG_TAIL_CHARS:].strip()
    name = signal.Signals(-return_code).name if return_code < 0 else f"exit code {return_code}"
    hint = "Out of memory? Close other programs." if name == "SIGKILL" else (
        "The file is corrupt, hostile, or uses what this runtime does not support."
    )
    said = f" Its last words:\n{tail}" if tail else ""
    return CrashedError(f"{what}: the process that did it crashed ({name}).{said}", hint=hint)


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

    def finish(self, kind: str, value: object) -> None:
        self._send(kind, value)


def _portable(error: Exception) -> Exception:
    """The error itself where it survives pickling, else its text."""
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 - made in this line
    except Exception:  # noqa: BLE001 - anything a foreign exception class may raise
        return RuntimeError("".join(traceback.format_exception(error)))
    error.add_note("in the child process:\n" + "".join(traceback.format_tb(error.__traceback__))) if (
        hasattr(error, "add_note")
    ) else None
    return error


def _die_with_parent(parent_pid: int) -> None:
    """Ask Linux to kill this process when the parent is killed; elsewhere the pipe's end does it."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent_pid:  # it died before we asked
            os._exit(1)


def _main() -> None:
    reply = os.fdopen(int(os.environ.pop(_REPLY_FD_VARIABLE)), "wb")
    messenger = _Messenger(reply)
    job: _Job = pickle.load(sys.stdin.buffer)  # noqa: S301 - our own parent wrote it
    _die_with_parent(job.parent_pid)
    kwargs = dict(job.kwargs)
    if os.environ.pop("EDGECNN_PROGRESS", None):
        kwargs["progress"] = messenger
    module, _, name = job.function.partition(":")
    try:
        result = getattr(importlib.import_module(module), name)(*job.args, **kwargs)
    except Exception as error:  # noqa: BLE001 - it is raised again in the parent
        messenger.finish("error", _portable(error))
    else:
        messenger.finish("result", result)
    reply.close()
    # Native libraries' exit handlers are slow (TensorFlow) or crash; the answer is delivered.
    os._exit(0)


if __name__ == "__main__":
    # Pickles name classes by module, and this file must not exist twice as two modules.
    from edgecnn import isolation

    isolation._main()  # noqa: SLF001 - its own module, under its importable name
