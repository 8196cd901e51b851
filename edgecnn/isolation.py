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
import threading
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from edgecnn import held
from edgecnn.errors import EdgeCnnError
from edgecnn.progress import Progress, Silent

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

_LOG_TAIL_BYTES = 1500
_PR_SET_PDEATHSIG = 1
# The child gets the parent's module path as it is. `python -m` would put the working folder in
# front of it, where a user's numpy/ or onnx.py would be imported instead of the library.
_BOOT = (
    "import sys; fd = int(sys.argv[1]); sys.path[:] = sys.argv[2:]; del sys.argv[1:]; "
    "from edgecnn import isolation; isolation._main(fd)"
)


class CrashedError(EdgeCnnError):
    """The child process died (a segfault, an abort, the out-of-memory killer) or took too long."""


@dataclass(frozen=True)
class _Job:
    function: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    parent_pid: int
    wants_progress: bool


def run(
    function: str,
    *args: Any,  # noqa: ANN401 - whatever the named function takes
    what: str,
    progress: Progress | None = None,
    environment: Mapping[str, str] | None = None,
    timeout_s: float | None = None,
    **kwargs: Any,  # noqa: ANN401 - likewise
) -> Any:  # noqa: ANN401 - whatever the named function returns
    """Call `function` in a child process and return what it returns.

    Args:
        function: "module:function". It may take a keyword `progress` when one is given here.
        *args: pickled positional arguments.
        what: what is being done, for the error's sentence, such as "reading model.tflite".
        progress: receives what the child reports.
        environment: variables set for the child only.
        timeout_s: seconds after which the child is killed; None waits as long as it takes.
        **kwargs: pickled keyword arguments.

    Raises:
        CrashedError: the child died without an answer, or was killed for taking too long.
        EdgeCnnError: as the function raised it. Other exceptions arrive as the child raised them
            where they can be pickled.
    """
    job = pickle.dumps(_Job(function, args, kwargs, os.getpid(), progress is not None))
    # A child that is killed removes nothing: its temporary files lie in a folder of ours.
    with tempfile.TemporaryFile() as log, held.temporary() as folder:
        child, reply = _start(job, log, {**(environment or {}), "TMPDIR": str(folder)})
        try:
            with _deadline(child, timeout_s) as passed:
                outcome = _listen(reply, progress or Silent())
        except BaseException:
            child.kill()
            raise
        finally:
            reply.close()
            child.wait()
        if outcome is None and passed.is_set():
            raise _too_late(what, timeout_s)
        if outcome is None:
            raise _crash(child.returncode, what, log)
    kind, value = outcome
    if kind == "error":
        raise value
    return value


def _start(
    job: bytes, log: IO[bytes], environment: Mapping[str, str]
) -> tuple[subprocess.Popen[bytes], IO[bytes]]:
    """Start the child and hand it the pickled job; its stdout and stderr go to the log."""
    read_end, write_end = os.pipe()
    module_path = [path or str(Path.cwd()) for path in sys.path]
    try:
        child = subprocess.Popen(
            [sys.executable, "-c", _BOOT, str(write_end), *module_path],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            pass_fds=(write_end,),
            env={**os.environ, **environment},
        )
    except OSError:
        os.close(read_end)
        raise
    finally:
        os.close(write_end)
    assert child.stdin is not None  # noqa: S101 - for the type checker: stdin is a pipe
    with contextlib.suppress(BrokenPipeError):  # a child that died at once shows as a crash
        child.stdin.write(job)
    with contextlib.suppress(BrokenPipeError):  # closing flushes what is left
        child.stdin.close()
    return child, os.fdopen(read_end, "rb")


@contextlib.contextmanager
def _deadline(
    child: subprocess.Popen[bytes], timeout_s: float | None
) -> Generator[threading.Event, None, None]:
    """Kill the child after `timeout_s`, and set the event that says so."""
    passed = threading.Event()
    if timeout_s is None:
        yield passed
        return

    def stop() -> None:
        passed.set()
        child.kill()

    timer = threading.Timer(timeout_s, stop)
    timer.start()
    try:
        yield passed
    finally:
        timer.cancel()


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


def _tail(log: IO[bytes]) -> str:
    size = log.seek(0, os.SEEK_END)
    log.seek(max(0, size - _LOG_TAIL_BYTES))
    return log.read().decode(errors="replace").strip()


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal has no name
        return f"signal {number}"


def _too_late(what: str, timeout_s: float | None) -> CrashedError:
    return CrashedError(
        f"{what}: it took more than {timeout_s} s and was stopped.",
        hint="The file may be hostile: it asks for more work than its size explains.",
    )


def _crash(return_code: int, what: str, log: IO[bytes]) -> CrashedError:
    name = _signal_name(-return_code) if return_code < 0 else f"exit code {return_code}"
    hint = "The file is corrupt, hostile, or uses what this runtime does not support."
    if name == "SIGKILL":
        hint = "Out of memory? Close other programs."
    tail = _tail(log)
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


def _main(reply_fd: int) -> None:
    os.set_inheritable(reply_fd, False)  # noqa: FBT003 - its only parameter is positional
    reply = os.fdopen(reply_fd, "wb")
    messenger = _Messenger(reply)
    job: _Job = pickle.load(sys.stdin.buffer)  # noqa: S301 - our own parent wrote it
    _die_with_parent(job.parent_pid)
    kwargs = {**job.kwargs, "progress": messenger} if job.wants_progress else job.kwargs
    module, _, name = job.function.partition(":")
    try:
        result = getattr(importlib.import_module(module), name)(*job.args, **kwargs)
        messenger.finish("result", result)
    except Exception as error:  # noqa: BLE001 - it is raised again in the parent
        messenger.finish("error", _portable(error))
    reply.close()
    # Native libraries' exit handlers are slow (TensorFlow) or crash; the answer is delivered.
    os._exit(0)
