"""The raw heads of the YOLO family: one output with a row for each cell of the grids.

The cells' number tells the heads apart: the sum over the strides of height / stride * width /
stride, three times as many where a cell has three anchors (YOLOv5, YOLOv7).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn.tasks.boxes import Detections, corners, detections
from edgecnn.tasks.outputs import Output, TaskError, image_map, shapes_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_STRIDES = ((8, 16, 32), (8, 16, 32, 64), (16, 32), (16, 32, 64), (8, 16), (4, 8, 16, 32))
_ANCHORS = 3
_BOX, _OBJECT = 4, 1
_ROWS_RANK = 3
_MAP_RANK = 4
# A box in pixels of a picture has its centre beyond this somewhere: cells cover the whole input.
_MOST_RELATIVE = 2.0
_MOST_END_TO_END = 1000
_END_TO_END = 6


def fits_v5(outputs: Sequence[Output], size: tuple[int, int]) -> bool:
    """(1, 3 * cells, 5 + C)."""
    return _rows_of(outputs, size, _ANCHORS, last=_BOX + _OBJECT + 1) in {"last", "first"}


def v5(outputs: Sequence[Output], size: tuple[int, int], _: object = None) -> Detections:
    """YOLOv5 and v7: centre x, y, width, height, objectness, and a score for each class.

    Source: Ultralytics YOLOv5, Detect.forward; the score is objectness times the class's.
    """
    rows = _table(outputs, size, _ANCHORS)
    _check_columns(rows, _BOX + _OBJECT + 1, "yolov5")
    boxes = corners(_in_pixels(rows[:, :_BOX], size))
    return detections(boxes, _clipped(rows[:, _BOX : _BOX + 1] * rows[:, _BOX + _OBJECT :]))


def fits_v8(outputs: Sequence[Output], size: tuple[int, int]) -> bool:
    """(1, 4 + C, cells), or transposed."""
    return _rows_of(outputs, size, 1, last=_BOX + 1) in {"last", "first"}


def v8(outputs: Sequence[Output], size: tuple[int, int], _: object = None) -> Detections:
    """YOLOv8, v9 and v11: centre x, y, width, height, and a score for each class.

    Source: Ultralytics, Detect.forward. Where another output holds the prototypes of masks
    (YOLOv8-seg), as many coefficients behind the scores belong to them.
    """
    rows = _table(outputs, size, 1)
    classes = rows.shape[1] - _BOX - _mask_coefficients(outputs, size)
    _check_columns(rows, _BOX + 1, "yolov8")
    boxes = corners(_in_pixels(rows[:, :_BOX], size))
    return detections(boxes, _clipped(rows[:, _BOX : _BOX + max(classes, 1)]))


def fits_x(outputs: Sequence[Output], size: tuple[int, int]) -> bool:
    """(1, cells, 5 + C), rows first."""
    return _rows_of(outputs, size, 1, last=_BOX + _OBJECT + 1) == "first"


def x(outputs: Sequence[Output], size: tuple[int, int], _: object = None) -> Detections:
    """YOLOX: offsets within the cell and logarithms of sizes, in strides; objectness, classes.

    Source: Ge et al. 2021, YOLOX, demo postprocess.
    """
    rows = _table(outputs, size, 1)
    _check_columns(rows, _BOX + _OBJECT + 1, "yolox")
    cells, strides = _grid(len(rows), size)
    centres = (rows[:, :2] + cells) * strides
    sides = np.exp(np.minimum(rows[:, 2:_BOX], 20.0)) * strides
    boxes = corners(np.concatenate([centres, sides], axis=1))
    return detections(boxes, _clipped(rows[:, _BOX : _BOX + 1] * rows[:, _BOX + _OBJECT :]))


def classes_v5(outputs: Sequence[Output], size: tuple[int, int]) -> int:
    """How many classes such outputs tell apart."""
    return int(_table(outputs, size, _ANCHORS).shape[1]) - _BOX - _OBJECT


def classes_v8(outputs: Sequence[Output], size: tuple[int, int]) -> int:
    """Likewise; coefficients of masks are none."""
    return int(_table(outputs, size, 1).shape[1]) - _BOX - _mask_coefficients(outputs, size)


def classes_x(outputs: Sequence[Output], size: tuple[int, int]) -> int:
    """Likewise."""
    return int(_table(outputs, size, 1).shape[1]) - _BOX - _OBJECT


def fits_end_to_end(outputs: Sequence[Output], size: tuple[int, int]) -> bool:
    """(1, at most 1000, 6)."""
    if len(outputs) != 1 or fits_v5(outputs, size) or fits_v8(outputs, size):
        return False
    shape = outputs[0].values.shape
    return len(shape) == _ROWS_RANK and shape[2] == _END_TO_END and shape[1] <= _MOST_END_TO_END


def end_to_end(outputs: Sequence[Output], size: tuple[int, int], _: object = None) -> Detections:
    """YOLOv10, v26 and exports with the suppression inside: x1, y1, x2, y2, score, class."""
    rows = outputs[_main(outputs)].values[0].astype(np.float64)
    _check_columns(rows, _END_TO_END, "end2end")
    return detections(_in_pixels(rows[:, :4], size), _clipped(rows[:, 4]), np.rint(rows[:, 5]))


def _main(outputs: Sequence[Output]) -> int:
    """The index of the one output that has rows."""
    fits = [i for i, output in enumerate(outputs) if output.values.ndim == _ROWS_RANK]
    if len(fits) != 1:
        raise TaskError(
            f"This head has one output of rank 3, and here are {shapes_text(outputs)}.",
            "Choose another --head.",
        )
    return fits[0]


def _rows_of(outputs: Sequence[Output], size: tuple[int, int], anchors: int, last: int) -> str:
    """Which axis the cells lie along: "first" of the two or "last"; "" where none fits."""
    ranks = [output.values.ndim for output in outputs]
    if ranks.count(_ROWS_RANK) != 1:
        return ""
    _, first, second = outputs[ranks.index(_ROWS_RANK)].values.shape
    counts = {anchors * _cells(size, strides) for strides in _STRIDES}
    if first in counts and second >= last and first > second:
        return "first"
    return "last" if second in counts and first >= last else ""


def _cells(size: tuple[int, int], strides: tuple[int, ...]) -> int:
    return sum(-(-size[0] // stride) * -(-size[1] // stride) for stride in strides)


def _table(outputs: Sequence[Output], size: tuple[int, int], anchors: int) -> NDArray[np.float64]:
    """A row for each cell and anchor."""
    values: NDArray[np.float64] = outputs[_main(outputs)].values[0].astype(np.float64)
    where = _rows_of(outputs, size, anchors, last=_BOX + 1)
    if not where:  # other strides: there are more cells than classes
        where = "first" if values.shape[0] > values.shape[1] else "last"
    return values if where == "first" else values.T


def _check_columns(rows: NDArray[Any], fewest: int, head: str) -> None:
    if rows.shape[1] < fewest:
        raise TaskError(
            f"The head {head} has {fewest} numbers or more for a box, and here are"
            f" {rows.shape[1]}.",
            "Choose another --head.",
        )


def _mask_coefficients(outputs: Sequence[Output], size: tuple[int, int]) -> int:
    maps = [output for output in outputs if output.values.ndim == _MAP_RANK]
    return len(image_map(maps[0], size)) if len(maps) == 1 else 0


def _in_pixels(boxes: NDArray[np.float64], size: tuple[int, int]) -> NDArray[np.float64]:
    """Some exports give parts of the input's sides instead of pixels."""
    if boxes.size and np.abs(boxes).max() > _MOST_RELATIVE:
        return boxes
    return boxes * np.array([size[1], size[0], size[1], size[0]], np.float64)


def _clipped(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    clipped: NDArray[np.float64] = np.clip(scores, 0.0, 1.0)  # int8 may give a step too much
    return clipped


def _grid(count: int, size: tuple[int, int]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The cells' columns and rows (n, 2), and their strides (n, 1), fine grids first."""
    for strides in _STRIDES:
        if _cells(size, strides) == count:
            grids = {stride: _one_grid(size, stride) for stride in strides}
            steps = [np.full((len(grid), 1), stride, float) for stride, grid in grids.items()]
            return np.concatenate(list(grids.values())), np.concatenate(steps)
    raise TaskError(
        f"{count} cells are no grid of strides 8, 16 and 32 over {size[0]}x{size[1]} pixels.",
        "Choose another --head.",
    )


def _one_grid(size: tuple[int, int], stride: int) -> NDArray[np.float64]:
    rows, columns = np.mgrid[: -(-size[0] // stride), : -(-size[1] // stride)]
    grid: NDArray[np.float64] = np.stack([columns, rows], -1).reshape(-1, 2).astype(np.float64)
    return grid
