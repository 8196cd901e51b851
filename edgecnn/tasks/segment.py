"""From a map of scores to a mask of classes, at the picture's size."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn.tasks.outputs import Output, TaskError, image_map, shapes_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edgecnn.tasks.placing import Placement

UNSEEN = -1
"""The class of a pixel that the network did not see, because the picture was cropped."""

_FEWEST_RANK = 3
_HALF = 0.5


def choose(outputs: Sequence[Output]) -> Output:
    """The output that is a map: the largest of those that can be one.

    Raises:
        TaskError: none can be, or several of one size.
    """
    maps = [output for output in outputs if output.values.ndim in {_FEWEST_RANK, _FEWEST_RANK + 1}]
    largest = max((output.values.size for output in maps), default=0)
    fits = [output for output in maps if output.values.size == largest]
    if len(fits) == 1:
        return fits[0]
    raise TaskError(
        f"{'Several outputs' if fits else 'No output'} can be the mask: {shapes_text(outputs)}.",
        "Name one with --output." if fits else "Choose another --task.",
    )


def class_map(
    output: Output, size: tuple[int, int], *, above: float | None = None
) -> NDArray[np.int32]:
    """The class of each pixel of the map, (h, w).

    Several channels: the one that is largest, in either layout. One channel: class 1 where its
    probability is above a half, of logits where it is above zero. Integers, which a network with
    an argmax inside gives, are classes already.

    Args:
        output: of one run.
        size: height and width of the network's input.
        above: another threshold for one channel, in the output's own numbers.

    Raises:
        TaskError: the output is no map.
    """
    planes = image_map(output, size)
    if len(planes) > 1:
        classes: NDArray[Any] = planes.argmax(axis=0)
    elif planes.dtype.kind in "iub":
        classes = planes[0]
    else:
        classes = planes[0] > (_threshold(output) if above is None else above)
    return np.asarray(classes, np.int32)


def _threshold(output: Output) -> float:
    """Where a probability is one half: of values nobody named, those beyond 0..1 are logits."""
    if output.kind == "logits":
        return 0.0
    inside = output.values.min() >= 0 and output.values.max() <= 1
    return _HALF if output.kind == "probabilities" or inside else 0.0


def class_count(output: Output, size: tuple[int, int]) -> int | None:
    """How many classes a map tells of; None where it holds their numbers."""
    planes = image_map(output, size)
    if planes.dtype.kind in "iub":
        return None
    return max(2, len(planes))


def at_picture(classes: NDArray[Any], placement: Placement) -> NDArray[np.int32]:
    """A map of classes as the picture's mask, (height, width), by the nearest pixel.

    Args:
        classes: (h, w), over the network's whole input.
        placement: where the picture lay in it.

    Returns:
        Of the picture's size; UNSEEN where it was cropped.
    """
    rows = _nearest(
        placement.picture[0], placement.scale_y, placement.top, placement.input[0], len(classes)
    )
    columns = _nearest(
        placement.picture[1],
        placement.scale_x,
        placement.left,
        placement.input[1],
        classes.shape[1],
    )
    mask = classes[np.maximum(rows, 0)][:, np.maximum(columns, 0)].astype(np.int32)
    mask[rows < 0] = UNSEEN
    mask[:, columns < 0] = UNSEEN
    return mask


def _nearest(pixels: int, scale: float, start: float, size: int, cells: int) -> NDArray[np.int64]:
    """The map's index for each of a picture's pixels along one axis; -1 outside of the input."""
    places = (np.arange(pixels) + _HALF) * scale + start
    indices = np.floor(places * cells / size).astype(np.int64)
    inside = (places >= 0) & (places < size)
    return np.where(inside, np.clip(indices, 0, cells - 1), -1)


def shares(mask: NDArray[Any]) -> dict[int, float]:
    """The share of pixels of each class that occurs, largest first; UNSEEN pixels do not count."""
    seen = mask[mask != UNSEEN]
    classes, counts = np.unique(seen, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    return {int(classes[i]): float(counts[i] / seen.size) for i in order}
