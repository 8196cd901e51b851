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
        told: the part of the JSON object that the task adds.
        best: of `classify`.
        found: of `detect`, in the picture's pixels, or the input's where there is no picture.
        mask: of `segment`: classes at the picture's size, or the map's.
    """

    told: dict[str, Any]
    best: tuple[classify.Candidate, ...] = ()
    found: Detections | None = None
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
    told = [
        {
            "class": each.index,
            "label": each.label,
            "probability" if each.probability else "value": each.score,
        }
        for each in best
    ]
    return Answer({"top": told}, best=tuple(best))


def _boxes(question: Question, outputs: Sequence[Output], placement: Placement | None) -> Answer:
    if question.size is None:
        raise TaskError("No input of this network is a picture: boxes have no unit.")
    found = detect.detect(
        outputs,
        question.size,
        head=question.head,
        anchors=question.anchors,
        above=question.above,
        most=question.most or detect.MOST,
    )
    if placement is not None:
        points = placement.to_picture(found.landmarks)
        found = Detections(placement.to_picture(found.boxes), found.scores, found.classes, points)
    told = [_box(found, i, question.labels) for i in range(len(found))]
    return Answer({"detections": told}, found=found)


def _box(found: Detections, i: int, labels: Sequence[str]) -> dict[str, Any]:
    index = int(found.classes[i])
    told: dict[str, Any] = {
        "class": index,
        "label": classify.label(labels, index),
        "score": round(float(found.scores[i]), 4),
        "box": [round(float(value), _ROUND) for value in found.boxes[i]],
    }
    if found.landmarks.shape[1]:
        told["landmarks"] = [[round(float(v), _ROUND) for v in p] for p in found.landmarks[i]]
    return told


def _mask(question: Question, outputs: Sequence[Output], placement: Placement | None) -> Answer:
    output = _chosen(question, outputs, segment.choose)
    size = question.size or tuple(output.values.shape[1:3])
    classes = segment.class_map(output, (size[0], size[1]), above=question.above)
    mask = classes if placement is None else segment.at_picture(classes, placement)
    shares = [
        {"class": index, "label": classify.label(question.labels, index), "share": round(part, 6)}
        for index, part in segment.shares(mask).items()
    ]
    told = {"height": mask.shape[0], "width": mask.shape[1], "classes": shares[: question.most]}
    return Answer({"mask": told}, mask=mask)


def _summaries(_: Question, outputs: Sequence[Output], __: Placement | None) -> Answer:
    return Answer({"outputs": [_summary(each) for each in outputs]})


def _summary(output: Output) -> dict[str, Any]:
    values = output.values.astype(np.float64)
    told: dict[str, Any] = {
        "name": output.name,
        "dtype": output.values.dtype.name,
        "shape": list(values.shape),
        "kind": output.kind,
    }
    finite = values[np.isfinite(values)]
    if finite.size < values.size:
        told["not_finite"] = int(values.size - finite.size)
    statistics: dict[str, Callable[[NDArray[Any]], Any]] = {
        "min": np.min,
        "mean": np.mean,
        "max": np.max,
        "std": np.std,
    }
    for name, function in statistics.items() if finite.size else ():
        told[name] = float(function(finite))
    return told


def _chosen(
    question: Question, outputs: Sequence[Output], choose: Callable[[Sequence[Output]], Output]
) -> Output:
    if not question.output:
        return choose(outputs)
    for each in outputs:
        if each.name == question.output:
            return each
    names = ", ".join(each.name for each in outputs)
    raise TaskError(f"There is no output {question.output!r}.", f"There are {names}.")


def lines(told: dict[str, Any]) -> list[str]:
    """An answer's object as lines of text."""
    if "top" in told:
        return [f"  {_score(each)}  {each['label']}" for each in told["top"]]
    if "detections" in told:
        return [
            f"  {100 * each['score']:5.1f}%  {each['label']}  x {each['box'][0]:.0f} to"
            f" {each['box'][2]:.0f}, y {each['box'][1]:.0f} to {each['box'][3]:.0f}"
            for each in told["detections"]
        ] or ["  nothing found"]
    if "mask" in told:
        return [
            f"  {100 * each['share']:5.1f}%  {each['label']}" for each in told["mask"]["classes"]
        ]
    return [_output_line(each) for each in told["outputs"]]


def _score(each: dict[str, Any]) -> str:
    if "probability" in each:
        return f"{100 * each['probability']:5.1f}%"
    return f"{each['value']:10.4g}"


def _output_line(each: dict[str, Any]) -> str:
    numbers = "  ".join(
        f"{name} {each[name]:.4g}" for name in ("min", "mean", "max", "std") if name in each
    )
    return f"  {each['name']}  {each['dtype']} {tuple(each['shape'])}  {each['kind']}  {numbers}"
