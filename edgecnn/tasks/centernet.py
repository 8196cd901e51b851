"""Heads of heat maps: an object is a peak at its centre (Zhou et al. 2019, Objects as Points)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgecnn.tasks.boxes import Detections, corners, detections
from edgecnn.tasks.outputs import Output, TaskError, image_map, shapes_text, sigmoid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_PAIR = 2
_FEWEST, _MOST = 3, 4
_LARGEST_LOG = 20.0
# Below this a peak is noise to every threshold; thousands of them only cost time.
_FAINT = 1e-3


def fits_objects(outputs: Sequence[Output], size: tuple[int, int]) -> bool:
    """A heat map of any number of classes, and twice two channels."""
    return len(outputs) == _FEWEST and _channels(outputs, size)[1:] == [_PAIR, _PAIR]


def fits_faces(outputs: Sequence[Output], size: tuple[int, int]) -> bool:
    """A heat map of one channel, twice two channels, and the points of a face."""
    channels = _channels(outputs, size)
    if channels[:3] != [1, _PAIR, _PAIR]:
        return False
    return len(outputs) == _FEWEST or (len(outputs) == _MOST and channels[3] % 2 == 0)


def classes(outputs: Sequence[Output], size: tuple[int, int]) -> int:
    """How many classes the heat map tells apart."""
    return len(image_map(outputs[0], size))


def objects(outputs: Sequence[Output], size: tuple[int, int], _: object = None) -> Detections:
    """CenterNet: heat map, width and height, offset of the centre (x, y); all in the map's pixels.

    The outputs are taken in this order.
    """
    heat, sides, offset = _maps(outputs, size)[:3]
    peak = heat == _highest_around(heat)
    classes, rows, columns = np.nonzero(peak & (heat > _FAINT))
    centres = np.stack([columns, rows]) + offset[:, rows, columns]
    steps = np.array([[size[1] / heat.shape[2]], [size[0] / heat.shape[1]]])
    boxes = np.concatenate([centres * steps, sides[:, rows, columns] * steps]).T
    return detections(corners(boxes), heat[classes, rows, columns], classes)


def faces(outputs: Sequence[Output], size: tuple[int, int], _: object = None) -> Detections:
    """CenterFace: heat map, logarithm of height and width, offset (y, x), points as (y, x).

    Source: Xu et al. 2019, CenterFace. The outputs are taken in this order; sizes are in strides,
    points in parts of the box from its upper left corner.
    """
    maps = _maps(outputs, size)
    heat, logs, offset = maps[:3]
    rows, columns = np.nonzero(heat[0] > _FAINT)
    steps = np.array([[size[0] / heat.shape[1]], [size[1] / heat.shape[2]]])
    sides = np.exp(np.minimum(logs[:, rows, columns], _LARGEST_LOG)) * steps
    centres = (np.stack([rows, columns]) + offset[:, rows, columns] + 0.5) * steps
    boxes = corners(np.concatenate([centres[::-1], sides[::-1]]).T)
    points = None
    if len(maps) == _MOST:
        parts = _points(maps[3][:, rows, columns])
        points = boxes[:, np.newaxis, :2] + parts * sides[::-1].T[:, np.newaxis]
    return detections(boxes, heat[0, rows, columns], landmarks=points)


def _points(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """(2 * points, n) of y and x in turn as (n, points, 2) of x and y."""
    return values.reshape(len(values) // 2, 2, -1).transpose(2, 0, 1)[..., ::-1]


def _maps(outputs: Sequence[Output], size: tuple[int, int]) -> list[NDArray[np.float64]]:
    maps = [image_map(output, size).astype(np.float64) for output in outputs]
    if len(maps) not in {_FEWEST, _MOST} or [len(values) for values in maps[1:3]] != [_PAIR, _PAIR]:
        raise TaskError(
            "Heat maps come with two channels of sizes and two of offsets, in this order, and here"
            f" are {shapes_text(outputs)}.",
            "Choose another --head.",
        )
    if outputs[0].kind == "logits" or maps[0].min() < -0.1 or maps[0].max() > 1.1:  # noqa: PLR2004 - beyond what rounding gives
        maps[0] = sigmoid(maps[0])
    maps[0] = np.clip(maps[0], 0.0, 1.0)
    return maps


def _channels(outputs: Sequence[Output], size: tuple[int, int]) -> list[int]:
    """Of each map; [] where an output is none."""
    try:
        return [len(image_map(output, size)) for output in outputs]
    except TaskError:
        return []


def _highest_around(heat: NDArray[np.float64]) -> NDArray[np.float64]:
    """The largest value within 3x3 pixels of each."""
    padded = np.pad(heat, ((0, 0), (1, 1), (1, 1)), constant_values=-np.inf)
    height, width = heat.shape[1:]
    windows = [padded[:, y : y + height, x : x + width] for y in range(3) for x in range(3)]
    highest: NDArray[np.float64] = np.max(windows, axis=0)
    return highest
