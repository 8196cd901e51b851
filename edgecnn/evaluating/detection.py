"""How well files' boxes fit annotated ones."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from edgecnn.errors import InputError
from edgecnn.evaluating import precision
from edgecnn.evaluating.choosing import select_outputs
from edgecnn.evaluating.judging import Boxes
from edgecnn.evaluating.records import CategoryPrecision, Detection, EvaluateReport
from edgecnn.evaluating.running import input_size, of_run
from edgecnn.evaluating.texts import read_anchors, read_labels
from edgecnn.tasks import detect
from edgecnn.tasks.outputs import TaskError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgecnn.datasets.coco import Category, DetectionSet
    from edgecnn.evaluating.running import Opened, Runner
    from edgecnn.evaluating.subjects import Subject
    from edgecnn.evaluating.worker import Data
    from edgecnn.tasks.boxes import Detections
    from edgecnn.tasks.detect import Head

# Precision is an integral over all thresholds: nearly every box has to be there.
ABOVE = 0.001


def evaluate(subjects: Sequence[Subject], data: DetectionSet, runner: Runner) -> EvaluateReport:
    """Measure every file on annotated pictures.

    Raises:
        InputError: a file's outputs are no boxes, or its classes cannot be matched.
        MissingPartError: pycocotools is not installed.
    """
    precision.require()
    done = tuple(_evaluate(subject, data, runner) for subject in subjects)
    return EvaluateReport(task="detect", detections=done, notes=data.pictures.notes)


def _evaluate(subject: Subject, data: DetectionSet, runner: Runner) -> Detection:
    opened = runner.open(subject, data.pictures)
    head, boxes, classes = reader(opened, data.pictures, runner)
    numbers = category_numbers(subject.file, head, classes, data.categories, runner)
    judge = replace(boxes, above=least_score(runner), sizes=data.sizes)
    answers = runner.run(opened, data.pictures, judge)
    detections: tuple[Detections | None, ...] = answers.results
    _check_classes(subject.file, detections, numbers)
    scores = precision.average_precision(data.boxes, data.categories, detections, numbers)
    counted = [box for box in data.boxes if detections[box.image] is not None and not box.crowd]
    return Detection(
        **of_run(opened, data.pictures, answers),
        map=scores.map,
        map50=scores.map50,
        map75=scores.map75,
        boxes=len(counted),
        found=sum(len(boxes) for boxes in detections if boxes is not None),
        head=head.name,
        categories=tuple(
            CategoryPrecision(
                category.name,
                sum(box.category == category.id for box in counted),
                *(ap or (None, None)),
            )
            for category, ap in zip(data.categories, scores.by_category, strict=True)
        ),
    )


def least_score(runner: Runner) -> float:
    """Of the boxes that are compared with those that are right."""
    return ABOVE if runner.options.above is None else runner.options.above


def reader(opened: Opened, data: Data, runner: Runner) -> tuple[Head, Boxes, int | None]:
    """The head of a file's boxes, what reads them, and how many classes it tells apart.

    Raises:
        InputError: none fits the outputs, or several do.
    """
    options = runner.options
    size = input_size(opened, data)
    outputs = select_outputs(opened.signature, options.output)
    zeros = [end.zeros() for end in outputs]
    anchors = None if options.anchors is None else read_anchors(options.anchors)
    try:
        head = detect.named(options.head) if options.head else detect.recognized(zeros, size)
        head.decode(zeros, size, anchors)  # refused now rather than in every process
        classes = detect.class_count(head, zeros, size)
    except TaskError as error:
        raise InputError(f"{opened.subject.file}: {error.message}", hint=error.hint) from error
    names = {end.name: end.kind for end in outputs}
    above = head.above if options.above is None else options.above
    return head, Boxes(names, size, head.name, anchors, above, options.overlap), classes


def category_numbers(
    file: str,
    head: Head,
    classes: int | None,
    categories: Sequence[Category],
    runner: Runner,
) -> list[int]:
    """The category's id for each class of a network.

    By name where labels are given. Else as many classes as categories are in the ids' order; as
    many classes as the highest id says are numbered as TensorFlow's detectors number COCO's, with
    gaps.

    Raises:
        InputError: neither holds.
    """
    ids = [category.id for category in categories]
    if not ids:
        raise InputError("The annotations have no categories.", hint="Look at the COCO json.")
    if runner.options.labels is not None:
        return _by_name(read_labels(runner.options.labels), categories)
    with_gaps = ids != list(range(ids[0], ids[0] + len(ids)))
    if classes is None and with_gaps and head.name == "postprocess":
        classes = ids[-1]  # TFLite's operator comes from detectors that number so
    if classes is None:
        runner.notes.warn(
            f"{file}: its classes are taken to be the categories in the order of their ids:"
            f" class 0 is {categories[0].name}, class {len(ids) - 1} {categories[-1].name}."
        )
    if classes in {None, len(ids)}:
        return ids
    if classes == ids[-1]:
        runner.notes.warn(
            f"{file}: class 0 is taken to be the category of id 1, and so on with gaps."
        )
        return list(range(1, classes + 1))
    raise InputError(
        f"{file} tells {classes} classes apart, and the annotations have {len(ids)} categories.",
        hint="Name its classes, one a line and as the annotations name them: --labels FILE.",
    )


def _by_name(labels: Sequence[str], categories: Sequence[Category]) -> list[int]:
    ids = {category.name: category.id for category in categories}
    missing = [category.name for category in categories if category.name not in labels]
    if missing:
        raise InputError(
            f"--labels: no line says {missing[0]!r}, which the annotations have.",
            hint="One label a line, in the order of the network's classes, in the annotations'"
            " words.",
        )
    # A class that the annotations do not know gets an id that no category has.
    beyond = max(ids.values()) + 1
    return [ids.get(label, beyond) for label in labels]


def _check_classes(file: str, boxes: Sequence[Detections | None], numbers: Sequence[int]) -> None:
    classes = [int(some.classes.max()) for some in boxes if some is not None and len(some)]
    highest = max(classes, default=0)
    if highest >= len(numbers):
        raise InputError(
            f"{file} gives class {highest}, and {len(numbers)} classes are known.",
            hint="Name its classes, one a line: --labels FILE.",
        )
