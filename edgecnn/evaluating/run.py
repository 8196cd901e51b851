"""The verb `evaluate`: every file on every image, on all cores."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edgecnn import isolation
from edgecnn.datasets.labelled import open_labelled
from edgecnn.errors import InputError
from edgecnn.evaluating import keras_float, pool, scores
from edgecnn.evaluating.agreement import network_labels
from edgecnn.evaluating.records import ClassAccuracy, Difference, EvaluateReport, Evaluation
from edgecnn.evaluating.subjects import Subject, find_subjects
from edgecnn.evaluating.worker import TOP
from edgecnn.progress import Progress, Recorder, Silent

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edgecnn.datasets.labelled import LabelledSet, Part
    from edgecnn.evaluating.pool import Hits
    from edgecnn.evaluating.worker import Ends
    from edgecnn.records import Preprocessing

_FLOAT = "float32"
_NAMED = 3
_LOOK_TIMEOUT_S = 120.0


@dataclass(frozen=True, eq=False)
class _Evaluated:
    subject: Subject
    evaluation: Evaluation
    hits: NDArray[np.float32]


def evaluate(
    target: Path | str,
    *,
    data: str,
    split: Part = "test",
    limit: int | None = None,
    seed: int = 0,
    threads: int | None = None,
    preprocessing: Preprocessing | None = None,
    progress: Progress | None = None,
) -> EvaluateReport:
    """Measure how often a network's files answer rightly, and what each recipe costs.

    Args:
        target: an artifact folder, a folder of artifacts (their recipes are compared with
            float32, image by image), a .tflite or .onnx, a .keras or .h5, or a folder of `train`.
        data: "fashion-mnist", or a folder with one folder of images for each class.
        split: "test" or "train".
        limit: at most so many images, drawn by the seed; None for all.
        seed: of that draw, and of a folder's split.
        threads: processes to run at a time; None for all cores.
        preprocessing: how images become inputs, where no manifest says it.
        progress: told of each file and image.

    Returns:
        Accuracy with its interval for each file; images are decoded as they are needed.

    Raises:
        InputError: the target, the data, or how they fit is not what can be evaluated.
        MissingPartError: a runtime, Pillow or (for a Keras model) TensorFlow is not installed.
        CrashedError: a runtime crashed on a file.
    """
    notes = Recorder(progress or Silent())
    subjects = find_subjects(Path(target))
    images = open_labelled(data, split, limit=limit, seed=seed)
    _warn_of_weights(subjects, notes)
    done = [_evaluate(each, images, preprocessing, threads, notes) for each in subjects]
    evaluations = tuple(each.evaluation for each in done)
    differences = tuple(found for each in done if (found := _difference(each, done)) is not None)
    return EvaluateReport(evaluations, differences, tuple(notes.warnings), images.notes)


def _warn_of_weights(subjects: tuple[Subject, ...], notes: Recorder) -> None:
    if any(each.model is not None and each.model.weights == "random" for each in subjects):
        notes.warn("The weights are random: the accuracy means nothing.")


def _evaluate(
    subject: Subject,
    data: LabelledSet,
    preprocessing: Preprocessing | None,
    threads: int | None,
    notes: Recorder,
) -> _Evaluated:
    scaling = _preprocessing(subject, preprocessing, notes)
    if subject.format != "keras":
        return _run(subject, subject.path, data, scaling, threads, notes)
    with tempfile.TemporaryDirectory() as folder:
        path = keras_float.write_float(subject.path, Path(folder), scaling, notes)
        return _run(subject, path, data, scaling, threads, notes)


def _preprocessing(subject: Subject, given: Preprocessing | None, notes: Recorder) -> Preprocessing:
    known = subject.preprocessing
    if given is not None and known is not None and given != known:
        notes.warn(
            f"{subject.file}: the preprocessing on the command line is used, not the one that the"
            " network was exported or trained with."
        )
    found = given or known
    if found is None:
        raise InputError(
            f"{subject.file}: how its input is scaled is not known.",
            hint="Say it: --input-range 0,1 (or -1,1, or 0,255), or --mean and --std.",
        )
    return found


def _run(
    subject: Subject,
    path: Path,
    data: LabelledSet,
    preprocessing: Preprocessing,
    threads: int | None,
    notes: Recorder,
) -> _Evaluated:
    start = time.monotonic()
    notes.stage(f"loading {subject.file}")
    ends: Ends = isolation.run(
        "edgecnn.evaluating.worker:look",
        str(path),
        subject.file,
        what=f"running {subject.file}",
        timeout_s=_LOOK_TIMEOUT_S,
    )
    labels = network_labels(subject, ends.classes, data, notes)
    notes.stage(f"evaluating {subject.file}", data.count)
    job = pool.Job(str(path), subject.file, data, labels, preprocessing, ends)
    hits = pool.run(job, threads, notes)
    _warn_of_unusable(hits, data, notes)
    evaluation = _summary(subject, data, ends, hits, time.monotonic() - start)
    return _Evaluated(subject, evaluation, hits.top1)


def _warn_of_unusable(hits: Hits, data: LabelledSet, notes: Recorder) -> None:
    bad = hits.unusable
    if not bad:
        return
    more = f" and {len(bad) - _NAMED} more" if len(bad) > _NAMED else ""
    named = ", ".join(bad[:_NAMED]) + more
    if len(bad) == data.count:
        raise InputError(f"{data.source}: not one image can be used: {named}.")
    notes.warn(f"{len(bad)} of {data.count} images could not be used: {named}.")


def _summary(
    subject: Subject, data: LabelledSet, ends: Ends, hits: Hits, seconds: float
) -> Evaluation:
    good = np.isfinite(hits.top1)
    count = int(good.sum())
    top1 = float(hits.top1[good].mean(dtype=np.float64))
    low, high = scores.wilson(top1, count)
    top5 = float(hits.top5[good].mean(dtype=np.float64)) if ends.classes > TOP else None
    return Evaluation(
        file=subject.file,
        recipe=subject.recipe,
        format=subject.format,
        data=data.source,
        split=data.split,
        images=count,
        unusable=len(hits.unusable),
        top1=top1,
        low=low,
        high=high,
        top5=top5,
        classes=_by_class(data, hits.top1),
        runtime=ends.runtime,
        processes=hits.processes,
        seconds=seconds,
    )


def _by_class(data: LabelledSet, top1: NDArray[np.float32]) -> tuple[ClassAccuracy, ...]:
    good = np.isfinite(top1)
    size = len(data.classes)
    counts = np.bincount(data.labels[good], minlength=size)
    right = np.bincount(data.labels[good], top1[good].astype(np.float64), minlength=size)
    return tuple(
        ClassAccuracy(name, int(count), float(hits / count) if count else None)
        for name, count, hits in zip(data.classes, counts, right, strict=True)
    )


def _difference(one: _Evaluated, all_of_them: list[_Evaluated]) -> Difference | None:
    """Hold a file against the float32 file of its network, in its own format if there is one."""
    if one.subject.recipe == _FLOAT or one.subject.model is None:
        return None
    floats = [
        each
        for each in all_of_them
        if each.subject.recipe == _FLOAT and each.subject.model == one.subject.model
    ]
    if not floats:
        return None
    same = [each for each in floats if each.subject.format == one.subject.format]
    base = (same or floats)[0]
    found = scores.paired(base.hits, one.hits)
    return Difference(
        one.subject.file, one.subject.recipe, against=base.subject.file, **vars(found)
    )
