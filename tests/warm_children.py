"""Children of `edgecnn.isolation` that are forked from a process that has imported what they need.

A fresh interpreter takes a third of a second for numpy, onnx and a runtime, and an export asks for
a dozen. Here one process imports them once, and forks: each job still has a process, a pipe and
limits of its own, and runs `isolation`'s own code. There is no TensorFlow in it, whose threads a
fork would lose; a child that needs it imports it as ever. All children of one such process share
its hash seed and begin with its memory (some 150 MB): tests of what a child is, of its limits and
of determinism keep the children that start cold.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
from typing import IO, TYPE_CHECKING, Any, NoReturn

from edgecnn import isolation
from edgecnn.isolation import child

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

_BOOT = (
    "import sys; sys.path[:] = sys.argv[2:]; "
    "import warm_children; warm_children.serve(int(sys.argv[1]))"
)
_PR_SET_PDEATHSIG = 1
_MOST_BYTES = 1 << 17  # of an environment
_IMPORTED = (
    "numpy", "numpy.random", "ai_edge_litert.interpreter", "onnx", "onnx.shape_inference",
    "onnxruntime", "onnx_ir", "cattrs", "edgecnn.inspection.onnx", "edgecnn.runtime.litert",
    "edgecnn.runtime.onnxrt", "edgecnn.runtime.session", "edgecnn.parity", "edgecnn.verifying",
    "edgecnn.benchmark.outputs", "edgecnn.convert.float_stage", "edgecnn.convert.onnx_source",
    "edgecnn.convert.inspecting", "edgecnn.calibration.sources", "edgecnn.diagnosing.observe",
    "edgecnn.evaluating.worker", "edgecnn.deploying.device.network",
)  # fmt: skip


class Nursery:
    """The process that forks, started when a first child is wanted."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket

    def start(
        self, job: bytes, log: IO[bytes], environment: Mapping[str, str] | None
    ) -> tuple[Forked, IO[bytes]]:
        """As `edgecnn.isolation` starts a child."""
        if self._process is None:
            self._open()
        asked = {
            "environment": {**os.environ, **(environment or {})},
            "folder": os.getcwd(),  # noqa: PTH109 - a text is what is sent
            "path": [path or os.getcwd() for path in sys.path],  # noqa: PTH109 - likewise
        }
        (reply, theirs), (status, told) = os.pipe(), os.pipe()
        with tempfile.TemporaryFile() as handed:
            handed.write(job)
            handed.seek(0)
            fds = [handed.fileno(), log.fileno(), theirs, told]
            socket.send_fds(self._socket, [json.dumps(asked).encode()], fds)
        os.close(theirs)
        os.close(told)
        return Forked(os.fdopen(status)), os.fdopen(reply, "rb")

    def _open(self) -> None:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        here = os.path.dirname(__file__)  # noqa: PTH120 - a text is what is sent
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _BOOT, str(theirs.fileno()), here, *filter(None, sys.path)],
                stdin=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
            )

    def close(self) -> None:
        """End it; its children have ended, or end with it."""
        if self._process is not None:
            self._socket.close()
            self._process.wait()


class Forked:
    """A forked child as `isolation` knows a `subprocess.Popen`."""

    def __init__(self, status: IO[str]) -> None:
        self._status = status
        self.pid = int(status.readline())
        self.returncode: int | None = None

    def kill(self) -> None:
        """Kill it, if it still runs."""
        if self.returncode is None and not select.select([self._status], [], [], 0)[0]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)

    def wait(self) -> int:
        """Wait for its end."""
        if self.returncode is None:
            with self._status:
                self.returncode = int(self._status.readline())
        return self.returncode


@contextlib.contextmanager
def forked_by(nursery: Nursery) -> Generator[None, None, None]:
    """Let `isolation.run` have its children from there while the block lasts."""
    started = isolation._start  # noqa: SLF001 - the one seam between a job and its process
    isolation._start = nursery.start  # type: ignore[assignment] # noqa: SLF001 - `Forked` is no Popen
    try:
        yield
    finally:
        isolation._start = started  # noqa: SLF001 - likewise


def serve(fd: int) -> None:
    """The forking process's life: a child for each message, until the tests' process is gone."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    for module in _IMPORTED:
        with contextlib.suppress(ModuleNotFoundError):  # an environment without all of them
            importlib.import_module(module)
    asking = socket.socket(fileno=fd)
    ended, wake = os.pipe()
    for end in (ended, wake):
        os.set_blocking(end, False)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    waiting: dict[int, int] = {}  # each child's process, and where its end is to be told
    while True:
        if select.select([asking.fileno(), ended], [], [])[0] != [asking.fileno()]:
            os.read(ended, 1 << 10)
            _tell_ends(waiting)
            continue
        message, fds, _, _ = socket.recv_fds(asking, _MOST_BYTES, 4)
        if not message:
            return
        pid = os.fork()
        if pid == 0:
            _live(json.loads(message), *fds[:3])
        os.write(fds[3], f"{pid}\n".encode())
        for each in fds[:3]:
            os.close(each)
        waiting[pid] = fds[3]


def _tell_ends(waiting: dict[int, int]) -> None:
    while waiting:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        told = waiting.pop(pid)
        os.write(told, f"{os.waitstatus_to_exitcode(status)}\n".encode())
        os.close(told)


def _live(asked: dict[str, Any], handed: int, log: int, reply: int) -> NoReturn:
    """The child's life; it ends as `isolation`'s own does."""
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for source, target in ((handed, 0), (log, 1), (log, 2)):
            os.dup2(source, target)
        os.environ.clear()
        os.environ.update(asked["environment"])
        tempfile.tempdir = None  # $TMPDIR is another now
        os.chdir(asked["folder"])
        sys.path[:] = asked["path"]
        sys.stdin = os.fdopen(0, closefd=False)
        child._die_with_parent = _die_with_parent  # noqa: SLF001 - the job names the tests' process
        child.main(reply)
    finally:
        os._exit(99)


def _die_with_parent(parent_pid: int) -> None:  # noqa: ARG001 - as `child` has it
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
