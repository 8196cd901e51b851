"""Runs one function in a child process, so that its crash, its memory and its noise stay there.

Native code that parses a foreign file may crash on it, and TensorFlow writes to stderr and never
gives memory back. `run("module:function", ...)` calls the function in a fresh interpreter; what it
returns, raises or reports as progress comes back pickled through a pipe. The caller needs no
`if __name__ == "__main__"` guard, which multiprocessing's spawn would ask of every script.

A child may be given limits: of memory, which its kernel refuses (setrlimit's RLIMIT_DATA, Linux
alone), and of time without a word, after which it is killed.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from edgecnn import held
from edgecnn.isolation.child import Head
from edgecnn.isolation.limits import (
    NO_LIMITS,
    CrashedError,
    Leash,
    LimitError,
    Limits,
    Watch,
    crash,
    doubted,
    memory_is_limited,
    met_memory,
    out_of_memory,
    too_late,
)
from edgecnn.progress import Progress, Silent

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "NO_LIMITS",
    "CrashedError",
    "Leash",
    "LimitError",
    "Limits",
    "memory_is_limited",
    "run",
]

_LOG_TAIL_BYTES = 1500
# What the job's pickled arguments become in the child: bytes, arrays, and a copy in a runtime.
_COPIES_OF_ARGUMENTS = 4
# The child gets the parent's module path as it is. `python -m` would put the working folder in
# front of it, where a user's numpy/ or onnx.py would be imported instead of the library.
_BOOT = (
    "import sys; fd = int(sys.argv[1]); sys.path[:] = sys.argv[2:]; del sys.argv[1:]; "
    "from edgecnn.isolation import child; child.main(fd)"
)


def run(
    function: str,
    *args: Any,  # noqa: ANN401 - whatever the named function takes
    what: str,
    progress: Progress | None = None,
    environment: Mapping[str, str] | None = None,
    limits: Limits = NO_LIMITS,
    leash: Leash | None = None,
    **kwargs: Any,  # noqa: ANN401 - likewise
) -> Any:  # noqa: ANN401 - whatever the named function returns
    """Call `function` in a child process and return what it returns.

    Args:
        function: "module:function". It may take a keyword `progress` when one is given here.
        *args: pickled positional arguments.
        what: what is being done, for the error's sentence, such as "reading model.tflite".
        progress: receives what the child reports.
        environment: variables set for the child only.
        limits: of its memory and time.
        leash: by which another thread may end the child.
        **kwargs: pickled keyword arguments.

    Raises:
        CrashedError: the child died without an answer; LimitError where a limit was met.
        EdgeCnnError: as the function raised it. Other exceptions arrive as the child raised them
            where they can be pickled.
    """
    arguments = pickle.dumps((args, kwargs))
    head = Head(function, os.getpid(), progress is not None, _memory(limits, len(arguments)))
    job = pickle.dumps(head) + arguments
    del arguments  # they may be a hundred megabytes of images
    # A child that is killed removes nothing: its temporary files lie in a folder of ours.
    with tempfile.TemporaryFile() as log, held.temporary() as folder:
        child, reply = _start(job, log, {**(environment or {}), "TMPDIR": str(folder)})
        del job  # likewise: the child may work for minutes
        watch = Watch(child, limits.seconds)
        if leash is not None:
            leash.tie(child)
        try:
            with watch:
                outcome = _listen(reply, progress or Silent(), watch)
        except BaseException:
            child.kill()
            raise
        finally:
            reply.close()
            child.wait()
        if outcome is None and watch.passed:
            raise too_late(what, limits)
        if outcome is None:
            raise crash(child.returncode, what, _tail(log), limits)
    kind, value = outcome
    if kind == "error":
        raise out_of_memory(what, limits) if met_memory(value, limits) else doubted(value, limits)
    return value


def _memory(limits: Limits, argument_bytes: int) -> int | None:
    """What the child may have: what it carries is the caller's, and comes on top."""
    most_bytes = limits.memory_bytes
    return None if most_bytes is None else most_bytes + _COPIES_OF_ARGUMENTS * argument_bytes


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


def _listen(reply: IO[bytes], progress: Progress, watch: Watch) -> tuple[str, Any] | None:
    """Pass progress on until the outcome arrives; None when the child ends without one."""
    while True:
        try:
            kind, value = pickle.load(reply)  # noqa: S301 - our own child wrote it
        except (EOFError, pickle.UnpicklingError):
            return None
        watch.reset()
        if kind in {"result", "error"}:
            return kind, value
        getattr(progress, kind)(*value)


def _tail(log: IO[bytes]) -> str:
    size = log.seek(0, os.SEEK_END)
    log.seek(max(0, size - _LOG_TAIL_BYTES))
    return log.read().decode(errors="replace").strip()
