"""How often files answer as the float model does, on samples that nobody labelled."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn.datasets.coco import Box, Category
from edgecnn.errors import InputError
from edgecnn.evaluating import detection, precision, scores, segmentation
from edgecnn.evaluating.choosing import class_output, map_output
from edgecnn.evaluating.classification import hits_of, mean
from edgecnn.evaluating.judging import BestClass, Boxes, ClassHits, ClassMaps, Masks, PackedMaps
from edgecnn.evaluating.records import Agreement, EvaluateReport
from edgecnn.evaluating.running import input_size, of_run
from edgecnn.evaluating.subjects import FLOAT, Subject, find_subjects, float_beside

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgecnn.evaluating.choosing import Choice
    from edgecnn.evaluating.pool import Answers
    from edgecnn.evaluating.running import Opened, Runner
    from edgecnn.evaluating.worker import Data
    from edgecnn.tasks.boxes import Detections


@dataclass(frozen=True, eq=False)
class _Float:
    """The float model's answers to the samples that could be used."""

    subject: Subject
    data: Data
    answers: tuple[Any, ...]


def evaluate(subjects: Sequence[Subject], data: Data, runner: Runner) -> EvaluateReport:
    """Compare every file with the float file of its network, sample by sample.

    Raises:
        InputError: there is no file to compare, no float file to compare it with, or their
            outputs are not of the task.
    """
    if runner.options.kind == "detect":
        precision.require()
    floats: dict[Path, _Float] = {}
    done = []
    for subject, base in _pairs(subjects, runner):
        if base.path not in floats:
            floats[base.path] = _float_answers(base, data, runner)
        done.append(_agreement(subject, floats[base.path], runner))
    return EvaluateReport(task=runner.options.kind, agreements=tuple(done), notes=data.notes)


def _pairs(subjects: Sequence[Subject], runner: Runner) -> list[tuple[Subject, Subject]]:
    """Each file that is compared, with its float file."""
    if runner.options.against is not None:
        (base, *_) = find_subjects(Path(runner.options.against))
        others = [subject for subject in subjects if subject.path.resolve() != base.path.resolve()]
        pairs = [(subject, base) for subject in others]
    else:
        others = [subject for subject in subjects if subject.recipe != FLOAT]
        pairs = [(subject, _base(subject, subjects)) for subject in others]
    if not pairs:
        files = ", ".join(subject.file for subject in subjects)
        raise InputError(
            f"{files}: there is nothing to compare with the float model but itself.",
            hint="Export it under other recipes, and name the folder of all of them.",
        )
    return pairs


def _base(subject: Subject, subjects: Sequence[Subject]) -> Subject:
    floats = [
        file
        for file in subjects
        if file.recipe == FLOAT and subject.model is not None and file.model == subject.model
    ]
    same = [file for file in floats if file.format == subject.format]
    base = next(iter(same or floats), None) or float_beside(subject)
    if base is None:
        raise InputError(
            f"{subject.file}: there is no float32 file of its network to compare it with.",
            hint="Export the network as float32 too, beside the other recipes, or name a float"
            " file with --against. `edgecnn verify` holds it against the float network on the few"
            " samples of its reference.npz.",
        )
    return base


def _float_answers(base: Subject, data: Data, runner: Runner) -> _Float:
    opened = runner.open(base, data)
    answers = runner.run(opened, data, _float_judge(opened, data, runner))
    good = np.array([k for k, answer in enumerate(answers.results) if answer is not None], np.int64)
    return _Float(base, data.take(good), tuple(answers.results[place] for place in good))


def _float_judge(opened: Opened, data: Data, runner: Runner) -> BestClass | ClassMaps | Boxes:
    kind = runner.options.kind
    if kind == "classify":
        return BestClass(_choice(opened, data, runner))
    if kind == "segment":
        return ClassMaps(_choice(opened, data, runner), input_size(opened, data))
    # At its head's own threshold: what a user would see of it is what the others have to find.
    return detection.reader(opened, data, runner)[1]


def _choice(opened: Opened, data: Data, runner: Runner) -> Choice:
    file, output = opened.subject.file, runner.options.output
    if runner.options.kind == "classify":
        return class_output(file, opened.signature, output)
    return map_output(file, opened.signature, output, input_size(opened, data))


def _agreement(subject: Subject, base: _Float, runner: Runner) -> Agreement:
    opened = runner.open(subject, base.data)
    kind = runner.options.kind
    measure = {"classify": _same_classes, "segment": _same_masks, "detect": _same_boxes}[kind]
    answers, figures = measure(opened, base, runner)
    run = of_run(opened, base.data, answers)
    return Agreement(**run, against=base.subject.file, task=kind, **figures)


def _same_classes(opened: Opened, base: _Float, runner: Runner) -> tuple[Answers, dict[str, Any]]:
    choice = _choice(opened, base.data, runner)
    labels = np.array(base.answers, np.int64)
    if choice.classes is not None and labels.max() >= choice.classes:
        raise InputError(
            f"{opened.subject.file} tells fewer classes apart than {base.subject.file}.",
            hint="Name files of one network.",
        )
    answers = runner.run(opened, base.data, ClassHits(choice, labels))
    top1 = mean(hits_of(answers)[0])
    low, high = scores.wilson(top1, answers.count)
    return answers, {"top1": top1, "low": low, "high": high}


def _same_masks(opened: Opened, base: _Float, runner: Runner) -> tuple[Answers, dict[str, Any]]:
    choice = _choice(opened, base.data, runner)
    size = input_size(opened, base.data)
    judge = Masks(choice, size, PackedMaps(base.answers), on_pictures=False)
    answers = runner.run(opened, base.data, judge)
    sums = segmentation.overlaps(answers.results, choice.classes)
    return answers, {"miou": sums.miou, "pixels": sums.accuracy}


def _same_boxes(opened: Opened, base: _Float, runner: Runner) -> tuple[Answers, dict[str, Any]]:
    boxes = _as_truth(base.answers)
    if not boxes:
        raise InputError(
            f"{base.subject.file} finds no box on any of {base.data.count} pictures: there is"
            " nothing to agree on.",
            hint="Lower --above, look at how pictures are scaled and at --fit, or take pictures"
            " that show what it finds.",
        )
    _, reading, _ = detection.reader(opened, base.data, runner)
    judge = replace(reading, above=detection.least_score(runner))
    answers = runner.run(opened, base.data, judge)
    detections: tuple[Detections | None, ...] = answers.results
    highest = max(
        *(box.category for box in boxes),
        *(int(boxes.classes.max()) + 1 for boxes in detections if boxes is not None and len(boxes)),
        0,
    )
    categories = [Category(number, str(number - 1)) for number in range(1, highest + 1)]
    numbers = [category.id for category in categories]
    figures = precision.average_precision(boxes, categories, detections, numbers)
    return answers, {
        "map": figures.map,
        "map50": figures.map50,
        "map75": figures.map75,
        "boxes": len(boxes),
    }


def _as_truth(answers: Sequence[Detections]) -> list[Box]:
    """The float model's boxes as if somebody had drawn them; class k is category k + 1."""
    boxes = []
    for image, detections in enumerate(answers):
        corners = detections.boxes.astype(np.float64)
        for (x1, y1, x2, y2), number in zip(corners.tolist(), detections.classes, strict=True):
            if x2 > x1 and y2 > y1:
                boxes.append(Box(image, int(number) + 1, (x1, y1, x2 - x1, y2 - y1)))
    return boxes
