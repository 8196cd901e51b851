"""The verb `bench`: measure files on devices: this machine alone, all others side by side."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecnn.benchmark import arrival, binary, outputs, plans, session, statistics
from edgecnn.benchmark import files as bench_files
from edgecnn.benchmark.options import BenchOptions
from edgecnn.benchmark.report import BenchReport, Comparison
from edgecnn.errors import EdgeCnnError, InputError, MissingPartError
from edgecnn.evidence import results as kept_results
from edgecnn.isolation import LimitError
from edgecnn.measurements import DeviceFailure
from edgecnn.progress import Progress, Silent

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from edgecnn.benchmark.files import BenchFile
    from edgecnn.benchmark.outputs import Outputs
    from edgecnn.devices.device import Device
    from edgecnn.measurements import BenchResult
    from edgecnn.profiling.operator_record import Ceilings, OperatorProfile

_MODULES = {"tflite": ("ai_edge_litert", "tflite_runtime"), "onnx": ("onnxruntime",)}


def bench(
    paths: Path | str | Iterable[Path | str],
    *,
    progress: Progress | None = None,
    **options: Any,  # noqa: ANN401 - the fields of BenchOptions
) -> BenchReport:
    """Measure the latency of files on devices.

    The files take turns on each device. This machine is measured first, while nothing else is at
    work; then all other devices, side by side. What fails does not stop the others.

    Args:
        paths: artifact folders or model files.
        progress: told of each step.
        **options: the fields of `BenchOptions`.

    Returns:
        All results, and what failed.

    Raises:
        InputError: a file, device, profile or number of threads is not one; nothing was measured.
        MissingPartError: this machine is to measure, and the files' runtime is not installed.
    """
    chosen = BenchOptions(**options)
    named = [paths] if isinstance(paths, str | Path) else list(paths)
    return measure(bench_files.collect(named, chosen.formats, chosen.given), chosen, progress)


def measure(
    files: Sequence[BenchFile], options: BenchOptions, progress: Progress | None = None
) -> BenchReport:
    """Measure these files; see `bench`."""
    from edgecnn import devices

    watcher = progress or Silent()
    opened = [devices.open_device(target) for target in options.targets]
    job = session.Job(
        files=files,
        threads=options.thread_counts,
        plan=plans.plan(options.profile),
        keep=options.keep,
    )
    if options.results_file is not None:
        kept_results.check_writable(options.results_file)
    if options.program is not None:
        binary.check_program(options.program)
    if "local" in options.targets:
        _check_runtimes({file.format for file in files})
    gathered = Gathered(options.results_file, watcher, options.targets)
    here, stopped, refused = _outputs_here(files, gathered)
    job = replace(job, here=here, files=_without(files, stopped, options.targets, gathered))
    runnable = replace(job, files=[file for file in job.files if file.sha256 not in refused])
    for file in job.files:
        if "local" in options.targets and (error := refused.get(file.sha256)):
            told = EdgeCnnError(f"local: {file.name}: {error.message}", hint=error.hint)
            gathered.fail("local", told, file.name)
    _measure_all(opened, job, runnable, gathered, options.program)
    profiles = _operators(runnable, gathered) if options.operators else ()
    return replace(gathered.report(files), operators=profiles)


def _operators(job: session.Job, gathered: Gathered) -> tuple[OperatorProfile, ...]:
    """Where each file's time goes on this machine; one that cannot be told does not stop others."""
    from edgecnn.profiling.operators import profile_operators

    found: list[OperatorProfile] = []
    ceilings: dict[int, Ceilings] = {}
    for file in job.files:
        for threads in job.threads:
            try:
                profile = profile_operators(
                    file.path, threads, ceilings=ceilings.get(threads), progress=gathered.progress
                )
            except EdgeCnnError as error:
                gathered.fail("local", error, file.name)
                continue
            ceilings[threads] = profile.ceilings
            found.append(replace(profile, file=file.name))
    return tuple(found)


def _measure_all(
    opened: Sequence[Device],
    job: session.Job,
    here: session.Job,
    gathered: Gathered,
    program: Path | None,
) -> None:
    """Measure on all devices; `here` is what this machine is given."""
    from edgecnn.devices import side_by_side

    ours = [device for device in opened if device.target == "local"]
    # What the runtime refused within limits gets no worker without them: XNNPACK does not say that
    # memory was what it lacked.
    if here.files:
        for device in ours:
            measure_on(device, here, gathered)
    side_by_side.run(
        [device for device in opened if device.target != "local"],
        lambda device, watcher: measure_on(device, job, gathered, program, watcher),
        gathered.progress,
    )


def measure_on(
    device: Device,
    job: session.Job,
    gathered: Gathered,
    program: Path | None = None,
    progress: Progress | None = None,
) -> None:
    """Measure a job on one device; whatever is wrong with it is its failure, and told as one."""
    from edgecnn.devices.adb import AdbDevice

    watcher = progress or gathered.progress
    try:
        if program is not None and isinstance(device, AdbDevice):
            binary.measure(device, job, program, gathered.take, watcher)
        else:
            session.measure(device, job, gathered.take, watcher)
    except EdgeCnnError as error:
        gathered.fail(device.target, error)
    finally:
        device.close()


def _check_runtimes(formats: set[str]) -> None:
    from importlib.util import find_spec

    for each in sorted(formats):
        if not any(find_spec(module) for module in _MODULES[each]):
            extra = "" if each == "tflite" else "[onnx]"
            raise MissingPartError(
                f"No runtime for .{each} files is installed here ({' or '.join(_MODULES[each])}).",
                hint=f"pip install 'edgecnn{extra}'",
            )


@dataclass
class Gathered:
    """What has arrived so far, from one thread a device; it is on the disk before anybody is told.

    Attributes:
        path: of the results' file; None keeps none.
        progress: is told of each result where there are several devices.
        targets: the devices, in the order the report has them.
    """

    path: Path | None
    progress: Progress
    targets: Sequence[str] = ()
    results: list[BenchResult] = field(default_factory=list)
    failures: list[DeviceFailure] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def take(self, results: Sequence[BenchResult], failures: Sequence[DeviceFailure]) -> None:
        """Keep what one device gave."""
        with self._lock:
            self.results += results
            self._keep(results)
            for result in results:
                self._tell(arrival.result_text(result))
            for failure in failures:
                self._fail(failure)

    def _keep(self, results: Sequence[BenchResult]) -> None:
        if self.path is None:
            return
        try:
            kept_results.append(self.path, results)
        except InputError as error:  # the disk has filled up meanwhile: the report still has them
            self.warn(error.message)

    def fail(self, target: str, error: EdgeCnnError, file: str = "") -> None:
        """Keep why a device, or a file there, failed."""
        with self._lock:
            self._fail(DeviceFailure(target, error.message, error.hint, file))

    def _fail(self, failure: DeviceFailure) -> None:
        self.failures.append(failure)
        where = "" if failure.message.startswith(failure.target) else f"{failure.target}: "
        self._tell(f"{where}{failure.message}")

    def _tell(self, sentence: str) -> None:
        """Of one device alone the table follows at once."""
        if len(self.targets) > 1:
            self.progress.tell(sentence)

    def warn(self, sentence: str) -> None:
        """Keep a sentence for the report, and tell it at once."""
        self.warnings.append(sentence)
        self.progress.warn(sentence)

    def report(self, files: Sequence[BenchFile]) -> BenchReport:
        """All of it, device by device as asked, with each further file compared with the first."""
        place = {target: number for number, target in enumerate(self.targets)}
        results = sorted(self.results, key=lambda each: place.get(each.target, 0))
        failures = sorted(self.failures, key=lambda each: place.get(each.target, 0))
        found: list[Comparison] = []
        for each in compared(results, [file.name for file in files]):
            if isinstance(each, InputError):
                self.warn(f"{each.message} {each.hint}")
            else:
                found.append(each)
        return BenchReport(
            results=tuple(results),
            failures=tuple(failures),
            warnings=tuple(self.warnings),
            comparisons=tuple(found),
            targets=tuple(self.targets),
        )


def _outputs_here(
    files: Sequence[BenchFile], gathered: Gathered
) -> tuple[dict[str, Outputs], dict[str, LimitError], dict[str, EdgeCnnError]]:
    """What this machine computes for each file; what it cannot run is not compared, and told.

    Behind that the files that would not end here, or asked for too much memory, and those that the
    runtime here refuses, by SHA-256.
    """
    gathered.progress.stage("running the files here, to compare outputs", len(files))
    found: dict[str, Outputs] = {}
    stopped: dict[str, LimitError] = {}
    refused: dict[str, EdgeCnnError] = {}
    for file in files:
        try:
            found[file.sha256] = outputs.compute_here(file)
        except outputs.OpenSizesError:
            raise  # no device can measure that either
        except LimitError as error:
            stopped[file.sha256] = error
        except EdgeCnnError as error:
            refused[file.sha256] = error
            gathered.warn(
                f"{file.name}: outputs are not compared with this machine's: {error.message}"
            )
        gathered.progress.advance()
    return found, stopped, refused


def _without(
    files: Sequence[BenchFile],
    stopped: dict[str, LimitError],
    targets: Sequence[str],
    gathered: Gathered,
) -> Sequence[BenchFile]:
    """The files that are measured: a network without end is sent nowhere.

    Raises:
        LimitError: none is left.
    """
    left = [file for file in files if file.sha256 not in stopped]
    if not left:
        raise stopped[files[0].sha256]
    for file in files:
        if error := stopped.get(file.sha256):
            for target in targets:
                gathered.fail(target, error, file.name)
    return left


def compared(
    results: Sequence[BenchResult], names: Sequence[str]
) -> Iterator[Comparison | InputError]:
    """Each further file against the first, wherever both were measured side by side.

    Yields:
        The comparison, or why the samples allow none.
    """
    by_place = {(each.target, each.threads, each.file): each for each in results}
    for target, threads in dict.fromkeys((each.target, each.threads) for each in results):
        first = by_place.get((target, threads, names[0]))
        for name in names[1:]:
            second = by_place.get((target, threads, name))
            if first is None or second is None:
                continue
            try:
                yield compare_results(first, second)
            except InputError as error:
                yield error


def compare_results(first: BenchResult, second: BenchResult) -> Comparison:
    """How much longer the second file takes, with what the samples can tell.

    Raises:
        InputError: there are too few of them.
    """
    ratio = statistics.ratio_of_results(first, second)
    return Comparison(
        target=first.target,
        threads=first.threads,
        a=first.file,
        b=second.file,
        ratio=ratio.value,
        low=ratio.low,
        high=ratio.high,
        differ=ratio.differ,
        emulated=first.emulated,
    )
