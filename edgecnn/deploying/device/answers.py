"""What a network's outputs mean, as the objects and the lines that are printed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn.tasks import classify, detect, segment
from edgecnn.tasks.boxes import Detections
from edgecnn.tasks.outputs import Output, TaskError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from edgecnn.tasks.placing import Placement

TASKS = ("classify", "detect", "segment", "none")
_CLASSES_SHOWN = 5
_ROUND = 2


@dataclass(frozen=True, eq=False)
class Question:
    """What is asked of every run.

    Attributes:
        task: one of TASKS.
        labels: of the classes; numbered beyond its end.
        head: of `edgecnn.tasks.detect.NAMES`; "" recognizes it.
        anchors: (N, 4) for heads that need them.
        above: the least score; None for the task's own.
        most: classes or boxes shown; None for the task's own.
        output: the output that is meant; "" chooses.
        size: height and width of the image input; None where no input takes one.
    """

    task: str
    labels: tuple[str, ...] = ()
    head: str = ""
    anchors: NDArray[Any] | None = None
    above: float | None = None
    most: int | None = None
    output: str = ""
    size: tuple[int, int] | None = None


@dataclass(frozen=True, eq=False)
class Answer:
    """What one run gave.

    Attributes:
        record: the part of the JSON object that the task adds.
        best: of `classify`.
        detections: of `detect`, in the picture's pixels, or the input's where there is no picture.
        mask: of `segment`: classes at the picture's size, or the map's.
    """

    record: dict[str, Any]
    best: tuple[classify.Candidate, ...] = ()
    detections: Detections | None = None
    mask: NDArray[np.int32] | None = None


def answer(
    question: Question, outputs: Sequence[Output], placement: Placement | None = None
) -> Answer:
    """Read the outputs of one run.

    Raises:
        TaskError: they are none of this task.
    """
    how: dict[str, Callable[..., Answer]] = {
        "classify": _classes,
        "detect": _boxes,
        "segment": _mask,
        "none": _summaries,
    }
    return how[question.task](question, outputs, placement)


def _classes(question: Question, outputs: Sequence[Output], _: Placement | None) -> Answer:
    output = _chosen(question, outputs, classify.choose)
    most = question.most or _CLASSES_SHOWN
    best = classify.top(output, question.labels, most=most, above=question.above)
    record = [
        {
            "class": entry.index,
            "label": entry.label,
            "probability" if entry.probability else "value": entry.score,
        }
        for entry in best
    ]
    return Answer({"top": record}, best=tuple(best))


def _boxes(question: Question, outputs: Sequence[Output], placement: Placement | None) -> Answer:
    if question.size is None:
        raise TaskError("No input of this network is a picture: boxes have no unit.")
    detections = detect.detect(
        outputs,
        question.size,
        head=question.head,
        anchors=question.anchors,
        above=question.above,
        most=question.most or detect.MOST,
    )
    if placement is not None:
        points = placement.to_picture(detections.landmarks)
        detections = Detections(
            placement.to_picture(detections.boxes), detections.scores, detections.classes, points
        )
    record = [_box(detections, i, question.labels) for i in range(len(detections))]
    return Answer({"detections": record}, detections=detections)


def _box(detections: Detections, i: int, labels: Sequence[str]) -> dict[str, Any]:
    index = int(detections.classes[i])
    record: dict[str, Any] = {
        "class": index,
        "label": classify.label(labels, index),
        "score": round(float(detections.scores[i]), 4),
        "box": [round(float(value), _ROUND) for value in detections.boxes[i]],
    }
    if detections.landmarks.shape[1]:
        record["landmarks"] = [
            [round(float(v), _ROUND) for v in p] for p in detections.landmarks[i]
        ]
    return record


def _mask(question: Question, outputs: Sequence[Output], placement: Placement | None) -> Answer:
    output = _chosen(question, outputs, segment.choose)
    size = question.size or tuple(output.values.shape[1:3])
    classes = segment.class_map(output, (size[0], size[1]), above=question.above)
    mask = classes if placement is None else segment.at_picture(classes, placement)
    shares = [
        {"class": index, "label": classify.label(question.labels, index), "share": round(part, 6)}
        for index, part in segment.shares(mask).items()
    ]
    record = {"height": mask.shape[0], "width": mask.shape[1], "classes": shares[: question.most]}
    return Answer({"mask": record}, mask=mask)


def _summaries(_: Question, outputs: Sequence[Output], __: Placement | None) -> Answer:
    return Answer({"outputs": [_summary(entry) for entry in outputs]})


def _summary(output: Output) -> dict[str, Any]:
    values = output.values.astype(np.float64)
    record: dict[str, Any] = {
        "name": output.name,
        "dtype": output.values.dtype.name,
        "shape": list(values.shape),
        "kind": output.kind,
    }
    finite = values[np.isfinite(values)]
    if finite.size < values.size:
        record["not_finite"] = int(values.size - finite.size)
    statistics: dict[str, Callable[[NDArray[Any]], Any]] = {
        "min": np.min,
        "mean": np.mean,
        "max": np.max,
        "std": np.std,
    }
    for name, function in statistics.items() if finite.size else ():
        record[name] = float(function(finite))
    return record


def _chosen(
    question: Question, outputs: Sequence[Output], choose: Callable[[Sequence[Output]], Output]
) -> Output:
    if not question.output:
        return choose(outputs)
    for entry in outputs:
        if entry.name == question.output:
            return entry
    names = ", ".join(entry.name for entry in outputs)
    raise TaskError(f"There is no output {question.output!r}.", f"There are {names}.")


def lines(record: dict[str, Any]) -> list[str]:
    """An answer's object as lines of text."""
    if "top" in record:
        return [f"  {_score(entry)}  {entry['label']}" for entry in record["top"]]
    if "detections" in record:
        return [
            f"  {100 * entry['score']:5.1f}%  {entry['label']}  x {entry['box'][0]:.0f} to"
            f" {entry['box'][2]:.0f}, y {entry['box'][1]:.0f} to {entry['box'][3]:.0f}"
            for entry in record["detections"]
        ] or ["  nothing found"]
    if "mask" in record:
        return [
            f"  {100 * entry['share']:5.1f}%  {entry['label']}"
            for entry in record["mask"]["classes"]
        ]
    return [_output_line(entry) for entry in record["outputs"]]


def _score(entry: dict[str, Any]) -> str:
    if "probability" in entry:
        return f"{100 * entry['probability']:5.1f}%"
    return f"{entry['value']:10.4g}"


def _output_line(entry: dict[str, Any]) -> str:
    numbers = "  ".join(
        f"{name} {entry[name]:.4g}" for name in ("min", "mean", "max", "std") if name in entry
    )
    return (
        f"  {entry['name']}  {entry['dtype']} {tuple(entry['shape'])}  {entry['kind']}  {numbers}"
    )
