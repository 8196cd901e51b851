"""How often files name the right class, and what their recipes cost of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgecnn.datasets.arrays import LABELS, ArraySet
from edgecnn.errors import InputError
from edgecnn.evaluating import scores
from edgecnn.evaluating.choosing import class_output
from edgecnn.evaluating.judging import TOP, ClassHits
from edgecnn.evaluating.labels import network_labels
from edgecnn.evaluating.records import ClassAccuracy, Difference, EvaluateReport, Evaluation
from edgecnn.evaluating.running import of_run
from edgecnn.evaluating.subjects import FLOAT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edgecnn.datasets.labelled import LabelledSet
    from edgecnn.evaluating.pool import Answers
    from edgecnn.evaluating.running import Runner
    from edgecnn.evaluating.subjects import Subject


@dataclass(frozen=True, eq=False)
class _Evaluated:
    subject: Subject
    evaluation: Evaluation
    hits: NDArray[np.float32]


def evaluate(
    subjects: Sequence[Subject], data: LabelledSet | ArraySet, runner: Runner
) -> EvaluateReport:
    """Measure every file on labelled samples.

    Raises:
        InputError: a file tells no classes apart, or others than the data has.
    """
    done = [_evaluate(subject, data, runner) for subject in subjects]
    gaps = (_difference(file, done) for file in done)
    differences = tuple(gap for gap in gaps if gap is not None)
    return EvaluateReport(
        tuple(file.evaluation for file in done), differences, task="classify", notes=data.notes
    )


def _evaluate(subject: Subject, data: LabelledSet | ArraySet, runner: Runner) -> _Evaluated:
    opened = runner.open(subject, data)
    choice = class_output(subject.file, opened.signature, runner.options.output)
    assert choice.classes is not None  # noqa: S101 - for the type checker: a row has as many
    if isinstance(data, ArraySet):
        labels = _array_labels(subject, choice.classes, data)
        names = subject.classes or tuple(f"class {k}" for k in range(choice.classes))
    else:
        labels, names = network_labels(subject, choice.classes, data, runner.notes), data.classes
    answers = runner.run(opened, data, ClassHits(choice, labels))
    top1, top5 = hits_of(answers)
    low, high = scores.wilson(mean(top1), answers.count)
    of_data = labels if isinstance(data, ArraySet) else data.labels
    evaluation = Evaluation(
        **of_run(opened, data, answers),
        top1=mean(top1),
        low=low,
        high=high,
        top5=mean(top5) if choice.classes > TOP else None,
        classes=_by_class(names, of_data, top1),
    )
    return _Evaluated(subject, evaluation, top1)


def hits_of(answers: Answers) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Top-1 and top-5 of every sample, float32 0..1; NaN for one that could not be used."""
    pairs = np.array([(np.nan, np.nan) if hit is None else hit for hit in answers.results])
    return pairs[:, 0].astype(np.float32), pairs[:, 1].astype(np.float32)


def mean(hits: NDArray[np.float32]) -> float:
    """The share of samples that were answered rightly."""
    return float(hits[np.isfinite(hits)].mean(dtype=np.float64))


def _array_labels(subject: Subject, classes: int, data: ArraySet) -> NDArray[np.int64]:
    labels = data.labels
    if labels is None or labels.ndim != 1:
        shape = "missing" if labels is None else str(labels.shape)
        raise InputError(
            f"{data.source}: its {LABELS} are {shape}; one class for each sample is needed.",
            hint="(N,) integers; masks are for --task segment.",
        )
    if labels.min() < 0 or labels.max() >= classes:
        raise InputError(
            f"{subject.file} tells {classes} classes apart, 0 to {classes - 1}; {data.source} has"
            f" {LABELS} from {labels.min()} to {labels.max()}.",
            hint="A label is the number of a class, from 0.",
        )
    return labels


def _by_class(
    names: Sequence[str], labels: NDArray[np.int64], top1: NDArray[np.float32]
) -> tuple[ClassAccuracy, ...]:
    good = np.isfinite(top1)
    counts = np.bincount(labels[good], minlength=len(names))
    right = np.bincount(labels[good], top1[good].astype(np.float64), minlength=len(names))
    return tuple(
        ClassAccuracy(name, int(count), float(hits / count) if count else None)
        for name, count, hits in zip(names, counts, right, strict=True)
    )


def _difference(file: _Evaluated, all_of_them: list[_Evaluated]) -> Difference | None:
    """Hold a file against the float32 file of its network, in its own format if there is one."""
    if file.subject.recipe == FLOAT or file.subject.model is None:
        return None
    floats = [
        candidate
        for candidate in all_of_them
        if candidate.subject.recipe == FLOAT and candidate.subject.model == file.subject.model
    ]
    if not floats:
        return None
    same = [candidate for candidate in floats if candidate.subject.format == file.subject.format]
    base = (same or floats)[0]
    pair = scores.paired(base.hits, file.hits)
    return Difference(
        file.subject.file, file.subject.recipe, against=base.subject.file, **vars(pair)
    )
