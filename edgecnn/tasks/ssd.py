"""Heads with a row for each anchor: SSD, decoded corners, and what TFLite's own operator gives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn.tasks.boxes import Detections, corners, detections
from edgecnn.tasks.outputs import Output, TaskError, shapes_text, softmax

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_BOX = 4
_SCALES = np.array([10.0, 10.0, 5.0, 5.0])  # of SSD's encodings: centres, then sides
_LARGEST_LOG = 20.0
_SUMS_TO_ONE = 0.02
_MOST_RELATIVE = 2.0
_POSTPROCESS_OUTPUTS = 4


def fits_pair(outputs: Sequence[Output], size: tuple[int, int]) -> bool:
    """Boxes (1, N, 4) and class scores (1, N, C), in either order."""
    del size
    return len(outputs) == 2 and _pair_indices(outputs) is not None  # noqa: PLR2004 - boxes, scores


def ssd(
    outputs: Sequence[Output], size: tuple[int, int], anchors: NDArray[Any] | None
) -> Detections:
    """SSD as TensorFlow has it: encodings and anchors are centre y, centre x, height, width.

    Source: Liu et al. 2016, with the box coder's scales 10, 10, 5, 5. Class 0 is the background.
    """
    return _decoded(outputs, size, anchors, [1, 0, 3, 2])


def ssd_xy(
    outputs: Sequence[Output], size: tuple[int, int], anchors: NDArray[Any] | None
) -> Detections:
    """SSD as PyTorch and Caffe have it: centre x, centre y, width, height."""
    return _decoded(outputs, size, anchors, [0, 1, 2, 3])


def corner_boxes(outputs: Sequence[Output], size: tuple[int, int], _: object = None) -> Detections:
    """Boxes that are decoded already, x1, y1, x2, y2 in pixels or in parts of the input's sides."""
    boxes, scores = _pair(outputs)
    return detections(_in_pixels(boxes, size), _class_scores(scores))


def classes(outputs: Sequence[Output], size: tuple[int, int]) -> int:
    """How many classes boxes and scores tell apart, the background not counted."""
    del size
    columns = int(_pair(outputs)[1].shape[1])
    return max(1, columns - 1)


def fits_postprocess(outputs: Sequence[Output], size: tuple[int, int]) -> bool:
    """(1, N, 4), twice (1, N), and a count."""
    del size
    shapes = sorted(output.values.size for output in outputs)
    if len(outputs) != _POSTPROCESS_OUTPUTS or shapes[0] != 1 or shapes[1] != shapes[2]:
        return False
    return any(output.values.shape[-1:] == (_BOX,) for output in outputs) and (
        shapes[3] == _BOX * shapes[2]
    )


def postprocess(outputs: Sequence[Output], size: tuple[int, int], _: object = None) -> Detections:
    """TFLite_Detection_PostProcess: y1, x1, y2, x2 in parts of the sides, classes, scores, count.

    Converters mix up the order of its outputs: scores are those that are no whole numbers; where
    both might be, classes come first, as the operator has them.
    """
    if not fits_postprocess(outputs, size):
        raise TaskError(
            f"The head postprocess has boxes, classes, scores and a count, and here are"
            f" {shapes_text(outputs)}.",
            "Choose another --head.",
        )
    arrays = [np.asarray(output.values, np.float64) for output in outputs]
    boxes = next(array for array in arrays if array.size == max(a.size for a in arrays))
    count_at = next(i for i in reversed(range(4)) if arrays[i].size == 1)
    rows = [
        output.reshape(-1)
        for i, output in enumerate(arrays)
        if i != count_at and output is not boxes
    ]
    first_is_scores = _whole(rows[1]) and not _whole(rows[0])
    scores, classes = rows if first_is_scores else rows[::-1]
    count = int(np.clip(np.rint(arrays[count_at].reshape(-1)[0]), 0, len(scores)))
    corner = boxes.reshape(-1, 4)[:count][:, [1, 0, 3, 2]] * _sides(size)
    return detections(corner, scores[:count], np.rint(classes[:count]))


def _whole(values: NDArray[np.float64]) -> bool:
    return bool((values == np.rint(values)).all())


def _decoded(
    outputs: Sequence[Output],
    size: tuple[int, int],
    anchors: NDArray[Any] | None,
    order: list[int],
) -> Detections:
    encodings, scores = _pair(outputs)
    if anchors is None:
        raise TaskError(
            "SSD's boxes are encoded against anchors, and none are given.",
            "Name them with --anchors FILE: four numbers for each of"
            f" {len(encodings)} anchors, in the order of the encodings; --head corners is for boxes"
            " that are decoded already.",
        )
    if anchors.shape != encodings.shape:
        raise TaskError(
            f"There are {anchors.shape} anchors for encodings {encodings.shape}.",
            "Four numbers for each box.",
        )
    code = (encodings / _SCALES)[:, order]
    anchor = _in_pixels(anchors.astype(np.float64)[:, order], size)
    centres = code[:, :2] * anchor[:, 2:] + anchor[:, :2]
    sides = np.exp(np.minimum(code[:, 2:], _LARGEST_LOG)) * anchor[:, 2:]
    return detections(corners(np.concatenate([centres, sides], axis=1)), _class_scores(scores))


def _pair_indices(outputs: Sequence[Output]) -> tuple[int, int] | None:
    """Which output is the boxes and which the scores.

    With four classes both look alike: then a name or a kind tells, else the boxes come first.
    """
    rows = [_rows(output) for output in outputs]
    order = ((1, 0), (0, 1)) if _says_scores(outputs[0]) else ((0, 1), (1, 0))
    for boxes, scores in order:
        box, score = rows[boxes], rows[scores]
        if box is None or score is None:
            return None
        if box.shape[1] == _BOX and len(box) == len(score) > 1:
            return boxes, scores
    return None


def _says_scores(output: Output) -> bool:
    words = ("score", "conf", "cls", "class", "prob")
    return output.kind != "values" or any(word in output.name.lower() for word in words)


def _pair(outputs: Sequence[Output]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    which = _pair_indices(outputs) if len(outputs) == 2 else None  # noqa: PLR2004 - likewise
    if which is None:
        raise TaskError(
            "This head has boxes (1, N, 4) and scores (1, N, classes), and here are"
            f" {shapes_text(outputs)}.",
            "Choose another --head.",
        )
    boxes, scores = _rows(outputs[which[0]]), _rows(outputs[which[1]])
    assert boxes is not None  # noqa: S101 - for the type checker: `which` says so
    assert scores is not None  # noqa: S101 - likewise
    return boxes, scores


def _rows(output: Output) -> NDArray[np.float64] | None:
    """(1, N, K), (1, N, 1, K), or (1, N) as one column."""
    shape = output.values.shape
    inner = [s for s in shape[1:-1] if s != 1]
    if len(shape) < 2 or len(inner) > 1 or not output.values.size:  # noqa: PLR2004 - a batch, rows
        return None
    columns = shape[-1] if inner else 1
    rows: NDArray[np.float64] = output.values[0].astype(np.float64).reshape(-1, columns)
    return rows


def _class_scores(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Without the background, class 0 where there are several; logits through a softmax."""
    if scores.shape[1] == 1:
        return np.clip(scores, 0.0, 1.0)
    inside = scores.min() >= -_SUMS_TO_ONE and scores.max() <= 1 + _SUMS_TO_ONE
    probabilities = scores if inside else softmax(scores)
    clipped: NDArray[np.float64] = np.clip(probabilities[:, 1:], 0.0, 1.0)
    return clipped


def _sides(size: tuple[int, int]) -> NDArray[np.float64]:
    return np.array([size[1], size[0], size[1], size[0]], np.float64)


def _in_pixels(boxes: NDArray[np.float64], size: tuple[int, int]) -> NDArray[np.float64]:
    """Parts of the input's sides are usual; pixels are told by their size."""
    relative = not boxes.size or np.abs(boxes).max() <= _MOST_RELATIVE
    return boxes * _sides(size) if relative else boxes
