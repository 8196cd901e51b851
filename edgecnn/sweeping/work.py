"""What is done with one point, in a process of its own: train, export, evaluate, predict, bench."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from edgecnn import manifest as manifests
from edgecnn.errors import DeviceError, EdgeCnnError, InputError, MissingPartError
from edgecnn.isolation import CrashedError, LimitError
from edgecnn.progress import Progress, Silent
from edgecnn.sweeping import keys, sharing
from edgecnn.sweeping.points import export_options, identity_of, request_of
from edgecnn.sweeping.records import Accuracy, Point, PointRecord, Run
from edgecnn.sweeping.storage import opened
from edgecnn.sweeping.timing import timings

if TYPE_CHECKING:
    from pathlib import Path

    from edgecnn.evaluating import EvaluateReport
    from edgecnn.records import FileInfo, Manifest, Preprocessing
    from edgecnn.sweeping.spec import Benching, Predicting
    from edgecnn.sweeping.storage import Storage

ARTIFACTS = "artifacts"
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
        storage: where artifacts lie, by their keys: a folder that every worker sees, or an address.
        shared: the user's files that lie in the storage too: the path of each, and its key.
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
    shared: tuple[tuple[str, str], ...] = ()
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
        record = _performed(work, opened(work.storage), watcher)
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


def _performed(work: Work, storage: Storage, progress: Progress) -> PointRecord:
    local = _with_files_here(work, storage)
    root, manifest = storage.find(ARTIFACTS, work.artifact), None
    if root is not None:
        manifest = _stored_manifest(root / work.point.recipe)
    reused = manifest is not None
    if root is None or manifest is None:
        root = storage.make(
            ARTIFACTS, work.artifact, lambda into: _export(local, storage, into, progress)
        )
        manifest = manifests.load(root / work.point.recipe / manifests.NAME)
    folder = root / work.point.recipe
    file = _file(manifest, work.point)
    latencies, notes = timings(
        work.predicting, work.benching, folder, file_format=work.point.format, progress=progress
    )
    return PointRecord(
        work.key,
        work.point,
        "done",
        artifact=work.artifact,
        sha256=file.sha256,
        size_bytes=file.bytes,
        macs=manifest.model.macs,
        snr_db=None if file.parity.snr_db is None else round(file.parity.snr_db, 3),
        accuracy=_accuracy(work, local.evaluating, folder, progress),
        timings=latencies,
        notes=notes,
        run=Run(disk_bytes=_disk_bytes(folder), reused=reused),
    )


def artifact_place(where: Path | str, artifact: str, point: Point) -> str:
    """Where an artifact lies in a storage, by its key."""
    return "/".join((str(where).rstrip("/"), ARTIFACTS, artifact, point.recipe))


def _with_files_here(work: Work, storage: Storage) -> Work:
    """The same, the user's files named as they lie on this machine."""
    if not work.shared:
        return work
    names = sharing.fetched(work.shared, storage)
    return replace(
        work,
        source=sharing.point_named(work.source, names),
        training=sharing.options_named(work.training, names),
        evaluating=sharing.options_named(work.evaluating, names),
    )


def _stored_manifest(folder: Path) -> Manifest | None:
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


def _export(work: Work, storage: Storage, into: Path, progress: Progress) -> None:
    """Write the artifact, in a folder of its key."""
    from edgecnn.exporting import export

    trained = _trained(work, storage, progress)
    point = replace(work.source, **trained)
    options = export_options(point, work.preprocessing)
    if len(work.ahead) > 1:
        _float_stage(point, work, progress)
    out = into / work.artifact
    export(point.model, out=out, threads=work.threads, progress=progress, **options)


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


def _trained(work: Work, storage: Storage, progress: Progress) -> dict[str, Any]:
    """What training says of the point: weights, and as many classes as the data has."""
    if work.training is None:
        return {}
    import json

    from edgecnn.training.loop import MODEL
    from edgecnn.training.run import RECORD

    folder = storage.find(_TRAINED, work.network)
    if folder is None or not (folder / RECORD).is_file():
        folder = storage.make(_TRAINED, work.network, lambda into: _train(work, into, progress))
    classes = json.loads((folder / RECORD).read_bytes())["classes"]
    return {"weights": str(folder / MODEL), "classes": len(classes)}


def _train(work: Work, into: Path, progress: Progress) -> None:
    from edgecnn.training import train

    point = work.source
    train(
        point.model,
        out=into / work.network,
        seed=point.seed,
        input_size=point.input_size,
        width=point.width,
        convolution=point.convolution,
        progress=progress,
        **work.training or {},
    )


def _accuracy(
    work: Work, options: dict[str, Any] | None, folder: Path, progress: Progress
) -> Accuracy | None:
    if work.evaluating is None or options is None:
        return None
    from edgecnn.evaluating import evaluate

    report = evaluate(folder, threads=work.threads, progress=progress, **options)
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
        value = next(figure for figure in values if figure is not None)
        return Accuracy("agreement", value, same.low, same.high, same.images, data)
    raise InputError("Nothing was evaluated.")


def _disk_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
