"""What is done with one point, in a process of its own: train, export, evaluate, predict, bench."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecnn import manifest as manifests
from edgecnn import store
from edgecnn.errors import DeviceError, EdgeCnnError, InputError, MissingPartError
from edgecnn.isolation import CrashedError, LimitError
from edgecnn.progress import Progress, Silent
from edgecnn.sweeping import keys
from edgecnn.sweeping.points import export_options, identity_of, request_of
from edgecnn.sweeping.records import Accuracy, Place, Point, PointRecord, Run, Timing

if TYPE_CHECKING:
    from edgecnn.benchmark.report import BenchReport
    from edgecnn.evaluating import EvaluateReport
    from edgecnn.records import FileInfo, Manifest, Preprocessing
    from edgecnn.sweeping.spec import Benching, Predicting

_TRAINED = "trained"


@dataclass(frozen=True)
class Work:
    """A point, and all that a worker must know to do it.

    Attributes:
        key: of the record.
        point: as it is recorded, its files named as the user names them.
        source: the same, its files named from the root: a worker has another working folder.
        network: the key of the network, by which what was trained is found.
        artifact: the key of the artifact.
        storage: folder that artifacts lie in, by their keys; every worker sees it.
        versions: of the packages that the keys speak of.
        ahead: formats that the network's float stage is to make, for the points that follow.
        threads: to compute with.
        preprocessing: of a model of the user's own.
        training: options of `train`; None: it keeps its weights.
        evaluating: options of `evaluate`; None: not evaluated.
        predicting: None: not predicted.
        benching: None: not measured.
    """

    key: str
    point: Point
    source: Point
    network: str
    artifact: str
    storage: str
    versions: dict[str, str]
    ahead: tuple[str, ...] = ()
    threads: int = 1
    preprocessing: Preprocessing | None = None
    training: dict[str, Any] | None = None
    evaluating: dict[str, Any] | None = None
    predicting: Predicting | None = None
    benching: Benching | None = None


def perform(work: Work, progress: Progress | None = None) -> PointRecord:
    """Do one point; what cannot be had is a record too.

    Raises:
        CrashedError: a process died on it; another try may go better.
        MissingPartError: a package is not installed here.
        DeviceError: a device that was to measure it did not.
        InputError: the storage is full, or cannot be written.
    """
    watcher, began = progress or Silent(), time.monotonic()
    try:
        _require_versions(work)
        _require_storage(Path(work.storage))
        record = _performed(work, watcher)
    except (DeviceError, MissingPartError):
        raise
    except EdgeCnnError as error:
        if _may_pass(error):
            raise
        record = PointRecord(
            work.key, work.point, "refused", message=error.message, hint=error.hint
        )
    seconds = round(time.monotonic() - began, 3)
    return replace(record, run=replace(record.run, seconds=seconds))


def _may_pass(error: EdgeCnnError) -> bool:
    """Whether it is the machine's fault, and no word on the point."""
    if isinstance(error, CrashedError):
        return not isinstance(error, LimitError)
    return isinstance(error.__cause__, OSError)  # the disk is full, the storage is not there


def _require_versions(work: Work) -> None:
    """Hold that this machine has the versions that the record's key speaks of."""
    here = keys.decisive_versions()
    for name in sorted(work.versions.keys() | here.keys()):
        if here.get(name) != work.versions.get(name):
            raise MissingPartError(
                f"This worker has {name} {here.get(name, '(none)')}, and the sweep was begun with"
                f" {work.versions.get(name, '(none)')}.",
                hint="Install the same versions on every node: constraints.txt.",
            )


def _require_storage(folder: Path) -> None:
    """Hold, before anything is made, that it can be kept."""
    with store.file_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)


def _performed(work: Work, progress: Progress) -> PointRecord:
    folder = artifact_folder(Path(work.storage), work.artifact, work.point)
    manifest = _kept(folder)
    reused = manifest is not None
    if manifest is None:
        manifest = _exported(work, folder, progress)
    file = _file(manifest, work.point)
    timings, notes = _timings(work, folder, progress)
    return PointRecord(
        work.key,
        work.point,
        "done",
        artifact=work.artifact,
        sha256=file.sha256,
        size_bytes=file.bytes,
        macs=manifest.model.macs,
        snr_db=None if file.parity.snr_db is None else round(file.parity.snr_db, 3),
        accuracy=_accuracy(work, folder, progress),
        timings=timings,
        notes=notes,
        run=Run(disk_bytes=_disk_bytes(folder), reused=reused),
    )


def artifact_folder(storage: Path, artifact: str, point: Point) -> Path:
    """Where an artifact lies by its key."""
    return storage / "artifacts" / artifact / point.recipe


def _kept(folder: Path) -> Manifest | None:
    """The manifest of an artifact that is there and is what it says; None: make it."""
    from edgecnn.verifying import check_bytes

    path = folder / manifests.NAME
    if not path.is_file():
        return None
    manifest = manifests.load(path)
    damaged = any(check_bytes(folder / file.path, file, folder) for file in manifest.files)
    return None if damaged else manifest


def _file(manifest: Manifest, point: Point) -> FileInfo:
    for file in manifest.files:
        if file.format == point.format:
            return file
    raise InputError(f"The artifact has no {point.format} file.")


def _exported(work: Work, folder: Path, progress: Progress) -> Manifest:
    from edgecnn.exporting import export

    trained = _trained(work, progress)
    point = replace(work.source, **trained)
    options = export_options(point, work.preprocessing)
    if len(work.ahead) > 1:
        _float_stage(point, work, progress)
    result = export(
        point.model, out=folder.parent, threads=work.threads, progress=progress, **options
    )
    return result.artifacts[0].manifest


def _float_stage(point: Point, work: Work, progress: Progress) -> None:
    """Convert the network once for all formats; the cache keeps what the other points ask for."""
    from edgecnn.calibration.sources import Sampling
    from edgecnn.convert import float_cache
    from edgecnn.recipes import RECIPES

    request = request_of(point)
    identity = identity_of(point)
    if identity.kind == "tflite":
        return
    sampling = Sampling(
        point.calibration,
        samples=point.calibration_samples,
        seed=point.seed,
        calibrated=RECIPES[point.recipe].calibrated,
    )
    float_cache.obtain(
        request,
        identity,
        work.ahead,
        sampling=sampling,
        preprocessing=work.preprocessing,
        progress=progress,
    )


def _trained(work: Work, progress: Progress) -> dict[str, Any]:
    """What training says of the point: weights, and as many classes as the data has."""
    if work.training is None:
        return {}
    import json

    from edgecnn.training import train
    from edgecnn.training.loop import MODEL
    from edgecnn.training.run import RECORD

    folder = Path(work.storage) / _TRAINED / work.network
    if not (folder / RECORD).is_file():
        point = work.source
        train(
            point.model,
            out=folder,
            seed=point.seed,
            input_size=point.input_size,
            width=point.width,
            convolution=point.convolution,
            progress=progress,
            **work.training,
        )
    classes = json.loads((folder / RECORD).read_bytes())["classes"]
    return {"weights": str(folder / MODEL), "classes": len(classes)}


def _accuracy(work: Work, folder: Path, progress: Progress) -> Accuracy | None:
    if work.evaluating is None:
        return None
    from edgecnn.evaluating import evaluate

    report = evaluate(folder, threads=work.threads, progress=progress, **work.evaluating)
    return accuracy_of(report, str(work.evaluating["data"]))


def accuracy_of(report: EvaluateReport, data: str) -> Accuracy:
    """The one figure of a report on one file."""
    for top in report.evaluations:
        return Accuracy("top1", top.top1, top.low, top.high, top.images, data)
    for boxes in report.detections:
        return Accuracy("map", boxes.map, None, None, boxes.images, data)
    for masks in report.segmentations:
        return Accuracy("miou", masks.miou, None, None, masks.images, data)
    for same in report.agreements:
        values = (same.top1, same.map, same.miou)
        value = next(each for each in values if each is not None)
        return Accuracy("agreement", value, same.low, same.high, same.images, data)
    raise InputError("Nothing was evaluated.")


def _timings(
    work: Work, folder: Path, progress: Progress
) -> tuple[tuple[Timing, ...], tuple[str, ...]]:
    """Predicted and measured latencies, and why there are none."""
    found, notes = list[Timing](), list[str]()
    if work.predicting is not None:
        try:
            found += _predicted(work.predicting, folder, progress)
        except InputError as error:  # int16x8, and operators nobody can count
            notes.append(error.message)
    if work.benching is not None:
        measured, said = _measured(work.benching, work.point.format, folder, progress)
        found += measured
        notes += said
    return tuple(found), tuple(notes)


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

    report = bench(
        folder,
        on=benching.on,
        threads=benching.threads,
        profile=benching.profile,
        formats=(file_format,),
        results=None,
        progress=progress,
    )
    return timings_of(report)


def timings_of(report: BenchReport) -> tuple[list[Timing], list[str]]:
    """What a bench says of a point; an emulator's times say nothing, as its note does.

    Raises:
        DeviceError: a device gave none, none that can be trusted, or computes something else.
    """
    found, notes = list[Timing](), list[str]()
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
        found.append(Timing(place, latency.p90, latency.min, latency.p99))
    return found, list(dict.fromkeys(notes))


def _disk_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
