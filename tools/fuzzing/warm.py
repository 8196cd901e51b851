"""Children of `edgecnn.isolation` forked from a process that has imported what they need.

They run the same function under the same limits, behind the same pipe; only the second that a fresh
interpreter takes for its imports is saved. A forked child begins with this process's memory, which
counts into its own.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import resource
import sys
import tempfile
import warnings
from typing import IO, TYPE_CHECKING

from edgecnn import isolation
from edgecnn.isolation import child

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

_IMPORTED = (
    "numpy", "ai_edge_litert.interpreter", "ai_edge_litert.schema_py_generated", "onnx",
    "onnx.inliner", "onnx.shape_inference", "onnxruntime", "onnx_ir", "cattrs",
    "edgecnn.inspection.onnx", "edgecnn.runtime.litert", "edgecnn.runtime.onnxrt",
    "edgecnn.parity", "edgecnn.verifying", "edgecnn.benchmark.outputs",
    "edgecnn.convert.float_stage", "edgecnn.convert.onnx_source", "edgecnn.diagnosing.observe",
    "edgecnn.evaluating.worker", "edgecnn.calibration.sources", "edgecnn.quantize",
)  # fmt: skip


class Forked:
    """A forked child as `isolation` knows a `subprocess.Popen`.

    Attributes:
        peak: bytes of resident memory of the largest child so far; set to 0 by who asks.
        worked_s: processor seconds of all children so far; likewise.
    """

    peak = 0
    worked_s = 0.0

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None

    def kill(self) -> None:
        """Kill it, if it still runs."""
        if self.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, 9)

    def wait(self) -> int:
        """Wait for its end, and note how much memory it and its own children had."""
        if self.returncode is None:
            _, status, used = os.wait4(self.pid, 0)
            self.returncode = os.waitstatus_to_exitcode(status)
            Forked.peak = max(Forked.peak, used.ru_maxrss * 1024)
            Forked.worked_s += used.ru_utime + used.ru_stime
        return self.returncode


@contextlib.contextmanager
def children() -> Generator[None, None, None]:
    """Let `isolation.run` fork while the block lasts."""
    for module in _IMPORTED:
        with contextlib.suppress(ModuleNotFoundError):
            importlib.import_module(module)
    started = isolation._start  # noqa: SLF001 - the one seam between a job and its process
    isolation._start = _start  # type: ignore[assignment] # noqa: SLF001 - `Forked` is no Popen
    try:
        yield
    finally:
        isolation._start = started  # noqa: SLF001 - likewise


def _start(
    job: bytes, log: IO[bytes], environment: Mapping[str, str] | None
) -> tuple[Forked, IO[bytes]]:
    read_end, write_end = os.pipe()
    with tempfile.TemporaryFile() as handed:
        handed.write(job)
        handed.seek(0)
        sys.stdout.flush()
        sys.stderr.flush()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of threads: those here hold no lock a child needs
            pid = os.fork()
        if pid == 0:
            _live(handed.fileno(), log.fileno(), read_end, write_end, environment or {})
    os.close(write_end)
    return Forked(pid), os.fdopen(read_end, "rb")


def _live(
    handed: int, log: int, read_end: int, write_end: int, environment: Mapping[str, str]
) -> None:
    """The child's whole life; it never returns."""
    try:
        os.close(read_end)
        for source, target in ((handed, 0), (log, 1), (log, 2)):
            os.dup2(source, target)
        sys.stdin = os.fdopen(0, closefd=False)
        sys.stdout, sys.stderr = os.fdopen(1, "w", closefd=False), os.fdopen(2, "w", closefd=False)
        os.environ.update(environment)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        child.main(write_end)
    finally:
        os._exit(99)
