"""The verb `bench`: measure files on devices: this machine alone, all others side by side."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecnn.benchmark import benchmark_model, outputs, plans, session
from edgecnn.benchmark import files as bench_files
from edgecnn.benchmark.gathering import Gathered
from edgecnn.benchmark.options import BenchOptions
from edgecnn.errors import EdgeCnnError, MissingPartError
from edgecnn.evidence import results as kept_results
from edgecnn.isolation import LimitError
from edgecnn.progress import Progress, Silent

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from edgecnn.benchmark.files import BenchFile
    from edgecnn.benchmark.outputs import Outputs
    from edgecnn.benchmark.report import BenchReport
    from edgecnn.devices.device import Device
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
    return measure(bench_files.collect(named, chosen.formats, chosen.shapes), chosen, progress)


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
        benchmark_model.check_program(options.program)
    if "local" in options.targets:
        _check_runtimes({file.format for file in files})
    gathered = Gathered(options.results_file, watcher, options.targets)
    here, stopped, refused = _outputs_here(files, gathered)
    job = replace(job, here=here, files=_without(files, stopped, options.targets, gathered))
    runnable = replace(job, files=[file for file in job.files if file.sha256 not in refused])
    for file in job.files:
        if "local" in options.targets and (error := refused.get(file.sha256)):
            problem = EdgeCnnError(f"local: {file.name}: {error.message}", hint=error.hint)
            gathered.fail("local", problem, file.name)
    _measure_all(opened, job, runnable, gathered, options.program)
    profiles = _operators(runnable, gathered) if options.operators else ()
    return replace(gathered.report(files), operators=profiles)


def _operators(job: session.Job, gathered: Gathered) -> tuple[OperatorProfile, ...]:
    """Where each file's time goes on this machine; one that cannot be told does not stop others."""
    from edgecnn.profiling.operators import profile_operators

    profiles: list[OperatorProfile] = []
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
            profiles.append(replace(profile, file=file.name))
    return tuple(profiles)


def _measure_all(
    opened: Sequence[Device],
    job: session.Job,
    here: session.Job,
    gathered: Gathered,
    program: Path | None,
) -> None:
    """Measure on all devices; `here` is what this machine is given."""
    from edgecnn.devices import side_by_side

    local = [device for device in opened if device.target == "local"]
    # What the runtime refused within limits gets no worker without them: XNNPACK does not say that
    # memory was what it lacked.
    if here.files:
        for device in local:
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
            benchmark_model.measure(device, job, program, gathered.take, watcher)
        else:
            session.measure(device, job, gathered.take, watcher)
    except EdgeCnnError as error:
        gathered.fail(device.target, error)
    finally:
        device.close()


def _check_runtimes(formats: set[str]) -> None:
    from importlib.util import find_spec

    for format_ in sorted(formats):
        modules = _MODULES[format_]
        if not any(map(find_spec, modules)):
            extra = "" if format_ == "tflite" else "[onnx]"
            raise MissingPartError(
                f"No runtime for .{format_} files is installed here ({' or '.join(modules)}).",
                hint=f"pip install 'edgecnn{extra}'",
            )


def _outputs_here(
    files: Sequence[BenchFile], gathered: Gathered
) -> tuple[dict[str, Outputs], dict[str, LimitError], dict[str, EdgeCnnError]]:
    """What this machine computes for each file; what it cannot run is not compared, and told.

    Behind that the files that would not end here, or asked for too much memory, and those that the
    runtime here refuses, by SHA-256.
    """
    gathered.progress.stage("running the files here, to compare outputs", len(files))
    outputs_here: dict[str, Outputs] = {}
    stopped: dict[str, LimitError] = {}
    refused: dict[str, EdgeCnnError] = {}
    for file in files:
        try:
            outputs_here[file.sha256] = outputs.compute_here(file)
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
    return outputs_here, stopped, refused


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
    runnable = [file for file in files if file.sha256 not in stopped]
    if not runnable:
        raise stopped[files[0].sha256]
    for file in files:
        if error := stopped.get(file.sha256):
            for target in targets:
                gathered.fail(target, error, file.name)
    return runnable
