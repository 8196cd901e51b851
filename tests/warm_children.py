"""Children of `edgecnn.isolation`, and commands, forked from processes that have imported all.

A fresh interpreter takes a third of a second for numpy, onnx and a runtime, and an export asks for
a dozen; TensorFlow takes five. Here a process imports once what its kind of children wants, and
forks: a child still has a process, a pipe and limits of its own, and runs `isolation`'s own code.
There are three such processes, started when the first of their children is wanted:

- "light" has what most jobs use, and must be small: its children have limits of memory.
- "command" has what the command line imports besides; a forked `edgecnn ARGS` lives there.
- "tensorflow" has TensorFlow, and what converts and trains with it. Its import starts no thread; a
  fork after a first operation would lose those that compute, so nothing is computed there.

All children of one such process share its hash seed and begin with its memory: tests of what a
child is, of its limits, of how a process starts and ends, of imports and of determinism keep the
children that start cold.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import gc
import importlib
import io
import json
import os
import pickle
import select
import signal
import socket
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, NoReturn

from edgecnn import isolation
from edgecnn.isolation import child

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

_BOOT = (
    "import sys; sys.path[:] = sys.argv[3:]; "
    "import warm_children; warm_children.begin(int(sys.argv[1]), int(sys.argv[2]))"
)
_PR_SET_PDEATHSIG = 1
_END = "end"
_MOST_BYTES = 1 << 17  # of an environment
_MOST_FDS = 5
_LIGHT = (
    "numpy", "numpy.random", "ai_edge_litert.interpreter", "onnx", "onnx.shape_inference",
    "onnxruntime", "onnx_ir", "cattrs", "edgecnn.inspection.onnx", "edgecnn.runtime.litert",
    "edgecnn.runtime.onnxrt", "edgecnn.runtime.session", "edgecnn.parity", "edgecnn.verifying",
    "edgecnn.benchmark.outputs", "edgecnn.convert.float_stage", "edgecnn.convert.onnx_source",
    "edgecnn.convert.inspecting", "edgecnn.calibration.sources", "edgecnn.diagnosing.observe",
    "edgecnn.evaluating.worker", "edgecnn.deploying.device.network",
)  # fmt: skip
_COMMAND = (
    "edgecnn.cli.app", "edgecnn.cli.terminal", "edgecnn.cli.export", "edgecnn.cli.bench",
    "edgecnn.cli.deploy", "edgecnn.exporting.run", "edgecnn.exporting.writers",
    "edgecnn.exporting.rescue_onnx", "edgecnn.training.run", "edgecnn.benchmark.session",
    "edgecnn.deploying.run", "edgecnn.latency.predictor", "edgecnn.latency.profiles",
    "edgecnn.sweeping.run", "edgecnn.quantize.integer", "edgecnn.quantize.onnx_qdq",
    "edgecnn.quantize.onnx_draft", "edgecnn.quantize.onnx_prepare", "edgecnn.quantize.onnx_twin",
    "edgecnn.formats.tflite_copy", "edgecnn.reporting.export", "litert_quantizer.quantizer",
    "onnx.reference", "onnx_ir.passes.common", "onnxruntime.quantization", "scipy.optimize",
    "scipy.sparse.csgraph", "PIL.Image", "rich.table", "rich.progress", "threadpoolctl",
)  # fmt: skip
_TENSORFLOW = (
    "tensorflow", "keras", "h5py", "tf2onnx", "tf2onnx.tfonnx", "edgecnn.building",
    "edgecnn.convert.tflite_float", "edgecnn.convert.onnx_float", "edgecnn.convert.onnx_import",
    "edgecnn.training.loop", "PIL.Image",
)  # fmt: skip
_IMPORTED = {"light": _LIGHT, "command": _COMMAND, "tensorflow": _TENSORFLOW}
_JOBS_WITH_TENSORFLOW = {"edgecnn.convert.float_stage:make", "edgecnn.training.loop:fit"}


@functools.cache
def nursery() -> Nursery:
    """The one of this process, and of all that is forked from it."""
    return Nursery()


@dataclass(frozen=True)
class Done:
    """What a forked command ended with."""

    returncode: int
    stdout: str
    stderr: str


class Nursery:
    """What forks, started when a first child is wanted."""

    def __init__(self, connection: socket.socket | None = None) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._connection = connection

    def start(
        self, job: bytes, log: IO[bytes], environment: Mapping[str, str] | None
    ) -> tuple[Forked, IO[bytes]]:
        """As `edgecnn.isolation` starts a child."""
        head: child.Head = pickle.loads(job)  # noqa: S301 - ours; what follows it is left alone
        kind = "tensorflow" if head.function in _JOBS_WITH_TENSORFLOW else "light"
        reply, theirs = os.pipe()
        with tempfile.TemporaryFile() as handed, open(theirs, "wb"):  # noqa: PTH123 - a descriptor
            handed.write(job)
            handed.seek(0)
            fds = [handed.fileno(), log.fileno(), log.fileno(), theirs]
            forked = self._fork({"kind": kind}, {**os.environ, **(environment or {})}, fds)
        return forked, os.fdopen(reply, "rb")

    def command(self, args: list[str], environment: dict[str, str]) -> Done:
        """Run `edgecnn ARGS`, whose own children are forked too."""
        with (
            open(os.devnull, "rb") as nothing,  # noqa: PTH123 - as it is
            tempfile.TemporaryFile() as out,
            tempfile.TemporaryFile() as err,
        ):
            fds = [nothing.fileno(), out.fileno(), err.fileno()]
            forked = self._fork({"kind": "command", "args": args}, environment, fds)
            try:
                code = forked.wait()
            except BaseException:
                forked.kill()
                raise
            return Done(code, _text(out), _text(err))

    def _fork(self, asked: dict[str, Any], environment: dict[str, str], fds: list[int]) -> Forked:
        connection = self.open()
        here = {
            "environment": environment,
            "folder": os.getcwd(),  # noqa: PTH109 - a text is what is sent
            "path": [path or os.getcwd() for path in sys.path],  # noqa: PTH109 - likewise
        }
        status, told = os.pipe()
        with open(told, "wb"):  # noqa: PTH123 - a descriptor
            message = json.dumps({**asked, **here}).encode()
            socket.send_fds(connection, [message], [*fds, told])
        return Forked(os.fdopen(status))

    def open(self) -> socket.socket:
        """Start it, in the main thread: it ends with the thread that started it."""
        if self._connection is None:
            self._connection = self._open()
        return self._connection

    def _open(self) -> socket.socket:
        from edgecnn.convert import float_stage

        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        here = os.path.dirname(__file__)  # noqa: PTH120 - a text is what is sent
        fds = (theirs.fileno(), ours.fileno())
        path = [here, *filter(None, sys.path)]
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _BOOT, *map(str, fds), *path],
                stdin=subprocess.DEVNULL,
                pass_fds=fds,
                env={**os.environ, **float_stage.ENVIRONMENT},
            )
        return ours

    def close(self) -> None:
        """End it; its children have ended, or end with it."""
        if self._process is not None and self._connection is not None:
            self._connection.send(json.dumps({"kind": _END}).encode())
            self._process.wait()
            self._connection.close()
        self._process = self._connection = None


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode()


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
    nursery.open()
    started = isolation._start  # noqa: SLF001 - the one seam between a job and its process
    isolation._start = nursery.start  # type: ignore[assignment] # noqa: SLF001 - `Forked` is no Popen
    try:
        yield
    finally:
        isolation._start = started  # noqa: SLF001 - likewise


def begin(asking_fd: int, asker_fd: int) -> None:
    """The first process's life; its children ask it for theirs by the other end."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    asker = Nursery(socket.socket(fileno=asker_fd))
    isolation._start = asker.start  # type: ignore[assignment] # noqa: SLF001 - as above
    _Server("light", socket.socket(fileno=asking_fd)).serve()


class _Server:
    """Forks a child for each message of its kind, and passes the others on."""

    def __init__(self, kind: str, asking: socket.socket) -> None:
        self._kind = kind
        self._asking = asking
        self._others: dict[str, tuple[int, socket.socket]] = {}
        self._waiting: dict[int, int] = {}  # each child's process, and where its end is to be told

    def serve(self) -> NoReturn:
        """Until the tests' process is gone."""
        with _quiet_if(self._kind == "tensorflow"):
            for module in _IMPORTED[self._kind]:
                with contextlib.suppress(ModuleNotFoundError):  # an environment without all of them
                    importlib.import_module(module)
        gc.collect()
        gc.freeze()  # a child's first collection would write to every page of it
        ended, wake = os.pipe()
        for end in (ended, wake):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(wake)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        while True:
            if select.select([self._asking.fileno(), ended], [], [])[0] != [self._asking.fileno()]:
                os.read(ended, 1 << 10)
                self._tell_ends()
                continue
            message, fds, _, _ = socket.recv_fds(self._asking, _MOST_BYTES, _MOST_FDS)
            asked = json.loads(message)
            if asked["kind"] == _END:
                self._end(message)
            if asked["kind"] == self._kind:
                self._fork(asked, fds)
            else:
                socket.send_fds(self._other(asked["kind"], fds), [message], fds)
            for fd in fds[:-1] if asked["kind"] == self._kind else fds:
                os.close(fd)

    def _fork(self, asked: dict[str, Any], fds: list[int]) -> None:
        pid = os.fork()
        if pid == 0:
            _live(asked, fds[:-1])
        os.write(fds[-1], f"{pid}\n".encode())
        self._waiting[pid] = fds[-1]

    def _other(self, kind: str, fds: list[int]) -> socket.socket:
        """Where another kind is asked for; its process is a fork of this, without those fds."""
        if kind not in self._others:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            pid = os.fork()
            if pid == 0:
                ours.close()
                ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
                for fd in (*fds, *self._waiting.values()):
                    os.close(fd)
                _Server(kind, theirs).serve()
            theirs.close()
            self._others[kind] = pid, ours
        return self._others[kind][1]

    def _end(self, message: bytes) -> NoReturn:
        """Wait for the others, so that what they used is counted with what this one did."""
        for pid, other in self._others.values():
            other.send(message)
            os.waitpid(pid, 0)
        os._exit(0)

    def _tell_ends(self) -> None:
        with contextlib.suppress(ChildProcessError):  # there is none left
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                pid, status = ended
                told = self._waiting.pop(pid)
                os.write(told, f"{os.waitstatus_to_exitcode(status)}\n".encode())
                os.close(told)


@contextlib.contextmanager
def _quiet_if(condition: bool) -> Generator[None, None, None]:  # noqa: FBT001 - reads as a sentence
    """Keep from the tests' terminal what TensorFlow says when it is imported."""
    if not condition:
        yield
        return
    kept = os.dup(2)
    with open(os.devnull, "wb") as nowhere:  # noqa: PTH123 - as it is
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _live(asked: dict[str, Any], fds: list[int]) -> NoReturn:
    """The child's life; a job ends as `isolation`'s own does."""
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for target, source in enumerate(fds[:3]):
            os.dup2(source, target)
        os.environ.clear()
        os.environ.update(asked["environment"])
        tempfile.tempdir = None  # $TMPDIR is another now
        os.chdir(asked["folder"])
        sys.path[:] = asked["path"]
        sys.stdin = os.fdopen(0, closefd=False)
        if asked["kind"] == "command":
            _command(asked["args"])
        child._die_with_parent = _die_with_parent  # noqa: SLF001 - the job names the tests' process
        child.main(fds[3])
    finally:
        os._exit(99)


def _command(args: list[str]) -> NoReturn:
    """What `python -m edgecnn ARGS` does, its end included, with two pipes for a terminal."""
    from edgecnn.cli import main

    sys.argv = ["edgecnn", *args]
    sys.stdout = io.TextIOWrapper(open(1, "wb", closefd=False))  # noqa: SIM115 - for good
    sys.stderr = io.TextIOWrapper(
        open(2, "wb", closefd=False),  # noqa: SIM115 - likewise
        errors="backslashreplace",
        line_buffering=True,
    )
    try:
        main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    sys.stdout.flush()
    os._exit(code)


def _die_with_parent(parent_pid: int) -> None:  # noqa: ARG001 - as `child` has it
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
