"""Measuring with TFLite's `benchmark_model` on a phone that has no Python.

The program tells percentiles, and keeps no samples: its p95 stands for p90 and its slowest run for
p99, both of which are upper bounds, and every result says so.
"""

from __future__ import annotations

import hashlib
import statistics
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from edgecnn.benchmark import parsing
from edgecnn.benchmark.answer import Content, Entry
from edgecnn.devices import benchmark_model, phone_watch
from edgecnn.errors import DeviceError, InputError
from edgecnn.measurements import DeviceFailure, Latency, Trust

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from edgecnn.benchmark.files import BenchFile
    from edgecnn.benchmark.session import Job
    from edgecnn.devices.adb import AdbDevice
    from edgecnn.devices.adb_folder import AdbFolder
    from edgecnn.devices.benchmark_model import Summary
    from edgecnn.devices.phone_watch import Watched
    from edgecnn.measurements import BenchPlan, BenchResult, Grade
    from edgecnn.progress import Progress

    Sink = Callable[[Sequence[BenchResult], Sequence[DeviceFailure]], None]

_PROGRAM = "benchmark_model"
_STARTING_S = 600.0  # to load a network and warm it up
_UPPER_BOUNDS = (
    "benchmark_model keeps no samples: its p95 stands for p90, and its slowest run for p99"
)


def check_program(path: Path) -> None:
    """Hold that the file the user named is a program for a phone.

    Raises:
        InputError: it is not.
    """
    try:
        with path.open("rb") as stream:
            begins = stream.read(4)
    except OSError as error:
        raise InputError(
            f"{path} cannot be read: {error.strerror}.", hint="Check the path."
        ) from error
    if begins != b"\x7fELF":
        raise InputError(
            f"{path} is no program for Android.",
            hint="Name TFLite's benchmark_model, built for the phone (android_arm64).",
        )


def measure(device: AdbDevice, job: Job, program: Path, sink: Sink, progress: Progress) -> None:
    """Measure a job with the program; see `edgecnn.benchmark.session.measure`.

    Raises:
        DeviceError: the device cannot be reached, or failed.
    """
    progress.stage(f"{device.target}: identifying the device")
    facts = device.facts()
    pairs = [
        Pair(f"{number}.tflite", file, threads)
        for threads in job.threads
        for number, file in enumerate(job.files)
        if file.format == "tflite"
    ]
    left_out = [_no_tflite(device, file) for file in job.files if file.format != "tflite"]
    context = parsing.Context(device.target, facts, job)
    cut = ""
    try:
        if pairs:
            with device.folder() as folder:
                progress.stage(f"{device.target}: sending the files")
                folder.send({_PROGRAM: program, **{pair.there: pair.file.path for pair in pairs}})
                progress.stage(f"{device.target}: measuring", job.plan.repeats * len(pairs))
                _run(folder, pairs, job.plan, progress)
    except BaseException as error:
        cut = str(error) or type(error).__name__
        raise
    finally:
        measured = [_result(pair, context, _named(program), cut) for pair in pairs if pair.good]
        failures = [_failure(pair, device.target) for pair in pairs if pair.problem]
        sink(measured, [*left_out, *failures])


@dataclass
class Pair:
    """A file at one number of threads, and what its runs said."""

    there: str
    file: BenchFile
    threads: int
    runs: list[Summary] = field(default_factory=list)
    watched: list[Watched] = field(default_factory=list)
    peak_rss_bytes: int = 0
    problem: DeviceError | None = None

    @property
    def good(self) -> bool:
        """Whether there is something to tell."""
        return bool(self.runs) and self.problem is None


def _run(folder: AdbFolder, pairs: Sequence[Pair], plan: BenchPlan, progress: Progress) -> None:
    """Every repeat of every pair, in turns."""
    for _ in range(plan.repeats):
        for pair in pairs:
            if pair.problem is None:
                _run_once(folder, pair, plan)
            progress.advance()


def _run_once(folder: AdbFolder, pair: Pair, plan: BenchPlan) -> None:
    """Run the program; what it cannot do with this file is this file's failure alone."""
    arguments = benchmark_model.arguments(pair.there, pair.threads, plan)
    limit_s = benchmark_model.longest_s(plan) + _STARTING_S
    watched = phone_watch.run(folder, [f"./{_PROGRAM}", *arguments], timeout_s=limit_s)
    memory = None
    if not pair.peak_rss_bytes:
        arguments = benchmark_model.memory_arguments(pair.there, pair.threads)
        memory = folder.run([f"./{_PROGRAM}", *arguments], timeout_s=limit_s)
    try:
        pair.runs.append(benchmark_model.parse(watched.done.stdout + watched.done.stderr))
        pair.watched.append(watched)
        if memory is not None:
            pair.peak_rss_bytes = benchmark_model.parse_peak_bytes(memory.stdout + memory.stderr)
    except DeviceError as error:
        pair.problem = error


def _named(program: Path) -> str:
    """The program tells no version: its hash does."""
    return f"{_PROGRAM} {hashlib.sha256(program.read_bytes()).hexdigest()[:12]}"


def _no_tflite(device: AdbDevice, file: BenchFile) -> DeviceFailure:
    return DeviceFailure(
        device.target,
        f"{device.target}: {file.name}: benchmark_model runs .tflite files only.",
        "Leave it out, or use a phone with a Python.",
        file.name,
    )


def _failure(pair: Pair, target: str) -> DeviceFailure:
    assert pair.problem is not None  # noqa: S101 - for the type checker
    sentence = f"{target}: {pair.file.name} (threads {pair.threads}): {pair.problem.message}"
    return DeviceFailure(target, sentence, pair.problem.hint, pair.file.name)


def _result(pair: Pair, context: parsing.Context, runtime: str, cut: str) -> BenchResult:
    result = parsing.result(
        Entry(
            path=pair.there,
            threads=pair.threads,
            sha256=pair.file.sha256,
            runtime=runtime,
            load_ms=statistics.median(run.init_ms for run in pair.runs),
            first_ms=statistics.median(run.first_ms for run in pair.runs),
            # As many as were taken, for the trust's count: each stands for itself in no figure.
            repeats=tuple((run.p50_ms,) * run.runs for run in pair.runs),
            peak_rss_bytes=pair.peak_rss_bytes,
            inputs="seeded",
        ),
        pair.file,
        _content(pair),
        context,
        cut=cut,
    )
    grade: Grade = "void" if result.trust.grade == "void" else "warned"
    trust = Trust(grade, (*result.trust.reasons, _UPPER_BOUNDS))
    return replace(
        result,
        samples_ms=(),
        latency_ms=_latency(pair.runs),
        latency_at_most=("p90", "p99"),
        trust=trust,
    )


def _content(pair: Pair) -> Content:
    """The phone's state; how busy others kept it is the worst of all repeats."""
    first, last = pair.watched[0], pair.watched[-1]
    busy = [watch.after.busy_share for watch in pair.watched if watch.after.busy_share is not None]
    after = replace(last.after, busy_share=max(busy, default=None))
    return Content(before=first.before, after=after)


def _latency(runs: Sequence[Summary]) -> Latency:
    """Of all repeats together; what no repeat tells is the next higher figure that one does."""
    count = sum(run.runs for run in runs)
    return Latency(
        min=min(run.min_ms for run in runs),
        mean=sum(run.mean_ms * run.runs for run in runs) / count,
        p50=statistics.median(run.p50_ms for run in runs),
        p90=max(run.p95_ms for run in runs),
        p99=max(run.max_ms for run in runs),
    )
