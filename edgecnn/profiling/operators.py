"""Where a network's time goes, operator by operator, beside what this CPU can do at best.

Each measurement has a child process of its own: a runtime's idle threads spin for a while, and
would take time from the next one's.
"""

from __future__ import annotations

import hashlib
import statistics
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from edgecnn import files, gate
from edgecnn.errors import InputError, MissingPartError
from edgecnn.inspection import flatbuffer
from edgecnn.isolation import CrashedError
from edgecnn.profiling import operator_sums, roofline
from edgecnn.profiling.operator_costs import tflite_costs
from edgecnn.profiling.operator_litert import ProfilerFailedError
from edgecnn.profiling.operator_record import OperatorProfile
from edgecnn.progress import Progress, Silent

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from edgecnn.profiling.operator_litert import Run
    from edgecnn.profiling.operator_onnx import OnnxProfile
    from edgecnn.profiling.operator_record import Ceilings, Method
    from edgecnn.profiling.operator_sums import TimedOperator

_START_S, _TIMES_SECONDS = 60.0, 4.0  # until a child is killed
_STEADY = 0.1
_EXPLAINED = 0.5  # a profile that accounts for less of the time it ran is not believed
_LITERT = (
    "by LiteRT's own profiler, which times every operator inside XNNPACK (read through"
    " libLiteRt.so; in whole microseconds)"
)
_ONNX = "by onnxruntime's own profiler, which times every node of the graph as it optimized it"
_ALONE = (
    "by timing each operator alone, in a file of its own, and scaling all times so that their sum"
    " is the latency: the shares are estimates"
)


class Measured(NamedTuple):
    """What one way of measuring gave: operators, milliseconds in all, and how many runs."""

    method: Method
    how: str
    operators: list[TimedOperator]
    wall_ms: float
    runs: int
    notes: tuple[str, ...] = ()


@gate.guarded("Profiling")
def profile_operators(
    path: Path,
    threads: int = 1,
    *,
    seconds: float = 8.0,
    method: Method | None = None,
    ceilings: Ceilings | None = None,
    progress: Progress | None = None,
) -> OperatorProfile:
    """Measure what each operator of a .tflite or .onnx file takes on this machine.

    Args:
        path: the file, anybody's; native code sees it in child processes only.
        threads: of one inference.
        seconds: how long to measure, about; loading comes on top.
        method: None takes the runtime's own profiler where it can be reached, else times each
            operator alone; the record says which. "alone" is for .tflite files only.
        ceilings: this CPU's with as many threads, where they are known already.
        progress: told of the three stages.

    Raises:
        InputError: no such file, not a model, or the runtime refuses it.
        CrashedError: native code crashed on it, or ran out of time.
        MissingPartError: a package the file's format needs is not installed.
    """
    path, progress = Path(path), progress or Silent()
    data = _read(path)
    ways = _ways(path, data, method)
    if ceilings is None:
        progress.stage("measuring this CPU's ceilings")
        ceilings = roofline.measure(threads, seconds / 2)
    progress.stage("measuring the latency")
    runtime, before = _latency(path, threads, seconds / 8)
    progress.stage("profiling operators")
    measured = first_that_works(ways, Job(path, data, threads, seconds / 4))
    _, after = _latency(path, threads, seconds / 8)
    latency_ms = statistics.median([*before, *after])
    unsteady = _unsteady(statistics.median(before), statistics.median(after))
    if measured.method == "alone":
        scaled = _scaled(measured.operators, latency_ms)
        measured = measured._replace(operators=scaled, wall_ms=latency_ms)
    ceilings = operator_sums.raised(ceilings, measured.operators)
    layers = operator_sums.layer_times(measured.operators, ceilings)
    return OperatorProfile(
        file=str(path),
        file_sha256=hashlib.sha256(data).hexdigest(),
        runtime=runtime,
        threads=threads,
        method=measured.method,
        how=measured.how,
        latency_ms=latency_ms,
        profiled_ms=measured.wall_ms,
        outside_ms=max(measured.wall_ms - sum(layer.time_ms for layer in layers), 0.0),
        runs=measured.runs,
        layers=layers,
        kinds=operator_sums.kind_times(layers),
        ceilings=ceilings,
        notes=(*measured.notes, *unsteady),
    )


def _ways(path: Path, data: bytes, method: Method | None) -> Sequence[Callable[[Job], Measured]]:
    """How a file of this format can be profiled, the best first."""
    if flatbuffer.is_tflite(data):
        return {"profiler": (_profiled,), "alone": (_alone,), None: (_profiled, _alone)}[method]
    if path.suffix != ".onnx":
        raise InputError(
            f"{path} is neither a .tflite nor a .onnx file.", hint="Name one of those."
        )
    return (_onnx,)


def _read(path: Path) -> bytes:
    try:
        return files.read_bytes(path)
    except OSError as error:
        raise InputError(
            f"{path} cannot be read: {error.strerror}.", hint="Check the path."
        ) from error


class Job(NamedTuple):
    """A file, its bytes, threads, and seconds to measure."""

    path: Path | str
    data: bytes
    threads: int
    seconds: float

    def in_child(self, function: str) -> Any:  # noqa: ANN401 - whatever the function returns
        """Call a function of this room with path, threads and seconds."""
        return gate.run(
            function,
            *(str(self.path), self.threads, self.seconds),
            source=self.path,
            work=replace(gate.RUN, seconds=_START_S + _TIMES_SECONDS * self.seconds),
            what=f"profiling {self.path}",
        )


def _latency(path: Path, threads: int, seconds: float) -> tuple[str, list[float]]:
    function = "edgecnn.runtime.timing:latency_samples_ms"
    timing: tuple[str, list[float]] = Job(path, b"", threads, seconds).in_child(function)
    return timing


def _unsteady(before_ms: float, after_ms: float) -> list[str]:
    if max(before_ms, after_ms) <= (1 + _STEADY) * min(before_ms, after_ms):
        return []
    text = f"The latency was {before_ms:.3g} ms before the profile and {after_ms:.3g} ms after it"
    return [f"{text}: other programs are running, or the clock changes."]


def first_that_works(ways: Sequence[Callable[[Job], Measured]], job: Job) -> Measured:
    """Measure by the first way that works, and note why an earlier one did not.

    LiteRT's libLiteRt.so crashes on CPUs older than Armv8.1, and tflite-runtime has none.

    Raises:
        CrashedError, MissingPartError, ProfilerFailedError: as the last way raised it.
    """
    way, *others = ways
    try:
        return way(job)
    except (CrashedError, MissingPartError, ProfilerFailedError) as error:
        if not others:
            raise
        note = f"Not by the runtime's own profiler: {error.message}"
    measured = first_that_works(others, job)
    return measured._replace(notes=(note, *measured.notes))


def _profiled(job: Job) -> Measured:
    runs: tuple[Run, ...] = job.in_child("edgecnn.profiling.operator_litert:profile")
    explained = operator_sums.explained(runs)
    wall_ms, events = operator_sums.typical(runs)
    operators = operator_sums.attribute(events, tflite_costs(job.data, str(job.path)))
    if explained < _EXPLAINED or not operators:
        raise ProfilerFailedError(
            f"LiteRT's profiler accounts for {explained:.0%} of the time {job.path} takes."
        )
    return Measured("profiler", _LITERT, operators, wall_ms, len(runs))


def _alone(job: Job) -> Measured:
    runs: tuple[Run, ...] = job.in_child("edgecnn.profiling.operator_alone:profile")
    costs = tflite_costs(job.data, str(job.path))
    operators = operator_sums.by_node(runs[0].events, costs)
    return Measured("alone", _ALONE, operators, 0.0, len(runs))


def _onnx(job: Job) -> Measured:
    result: OnnxProfile = job.in_child("edgecnn.profiling.operator_onnx:profile")
    wall_ms, events = operator_sums.typical(result.runs)
    operators = operator_sums.by_node(events, result.costs)
    return Measured("profiler", _ONNX, operators, wall_ms, len(result.runs), result.notes)


def _scaled(operators: Sequence[TimedOperator], latency_ms: float) -> list[TimedOperator]:
    whole = sum(operator.time_ms for operator in operators)
    factor = latency_ms / whole if whole else 0.0
    return [replace(operator, time_ms=operator.time_ms * factor) for operator in operators]
