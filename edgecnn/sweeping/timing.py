"""How long a point's file takes: predicted for devices, and measured on those at hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecnn.errors import DeviceError, InputError
from edgecnn.sweeping import offered
from edgecnn.sweeping.records import Place, Timing

if TYPE_CHECKING:
    from pathlib import Path

    from edgecnn.benchmark.report import BenchReport
    from edgecnn.progress import Progress
    from edgecnn.sweeping.spec import Benching, Predicting


def timings(
    predicting: Predicting | None,
    benching: Benching | None,
    folder: Path,
    *,
    file_format: str,
    progress: Progress,
) -> tuple[tuple[Timing, ...], tuple[str, ...]]:
    """Predicted and measured latencies of an artifact's file, and why there are none.

    Raises:
        DeviceError: a device that was to measure it did not.
    """
    latencies, notes = list[Timing](), list[str]()
    if predicting is not None:
        try:
            latencies += _predicted(predicting, folder, progress)
        except InputError as error:  # int16x8, and operators nobody can count
            notes.append(error.message)
    if benching is not None:
        measured, remarks = _measured(benching, file_format, folder, progress)
        latencies += measured
        notes += remarks
    return tuple(latencies), tuple(notes)


def _predicted(predicting: Predicting, folder: Path, progress: Progress) -> list[Timing]:
    from edgecnn.latency.prediction import predict

    report = predict(
        folder, device=predicting.device, threads=predicting.threads, progress=progress
    )
    return [
        Timing(Place(run.device, run.threads), run.latency_ms, run.low_ms, run.high_ms)
        for run in report.predictions
    ]


def _measured(
    benching: Benching, file_format: str, folder: Path, progress: Progress
) -> tuple[list[Timing], list[str]]:
    """Latencies of the devices at hand, and what is to be said of them; see `timings_of`."""
    from edgecnn.benchmark.run import bench

    names = offered.targets(benching.on)
    report = bench(
        folder,
        on=tuple(names),
        threads=benching.threads,
        profile=benching.profile,
        formats=(file_format,),
        results=None,
        progress=progress,
    )
    return timings_of(offered.renamed(report, names))


def timings_of(report: BenchReport) -> tuple[list[Timing], list[str]]:
    """What a bench says of a point; an emulator's times say nothing, as its note does.

    Raises:
        DeviceError: a device gave none, none that can be trusted, or computes something else.
    """
    latencies, notes = list[Timing](), list[str]()
    for failure in report.failures:
        where = "" if failure.message.startswith(failure.target) else f"{failure.target}: "
        raise DeviceError(f"{where}{failure.message}", hint=failure.hint)
    for run in report.results:
        if run.outputs_match is False:
            raise DeviceError(f"{run.target}: its outputs are not this machine's.")
        if run.emulated:
            notes.append(f"{run.target} is emulated: its times say nothing of the device.")
            continue
        if run.trust.grade == "void":
            why = "; ".join(run.trust.reasons).rstrip(".")
            raise DeviceError(
                f"{run.target}: the measurement is void: {why}.",
                hint="The same command measures it again when the device is left alone.",
            )
        place = Place(run.target, run.threads, measured=True)
        latency = run.latency_ms
        latencies.append(Timing(place, latency.p90, latency.min, latency.p99))
    return latencies, list(dict.fromkeys(notes))
