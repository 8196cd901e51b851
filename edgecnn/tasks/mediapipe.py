"""MediaPipe's detectors: faces, palms, bodies; their anchors are computed, not kept in the file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgecnn.tasks.boxes import Detections, corners, detections
from edgecnn.tasks.outputs import Output, TaskError, shapes_text, sigmoid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

# (stride, anchors in a cell) of each grid: of the short-range face and the palm detector, of the
# face detector for 256 pixels, of the body detector, and of the full-range face detector.
_GRIDS = (
    ((8, 2), (16, 6)),
    ((16, 2), (32, 6)),
    ((8, 2), (16, 2), (32, 6)),
    ((4, 1),),
)
_BOX = 4
_FEWEST_COLUMNS = 6  # a box and one point
_MOST_RAW = 100.0  # as MediaPipe's own score_clipping_thresh


def fits(outputs: Sequence[Output], size: tuple[int, int]) -> bool:
    """Regressors (1, N, 4 + 2 * points) and scores (1, N, 1), N the anchors of this size."""
    which = _which(outputs)
    return which is not None and _grids(outputs[which[0]].values.shape[1], size) is not None


def decode(outputs: Sequence[Output], size: tuple[int, int], _: object = None) -> Detections:
    """Offsets from the anchors' centres in pixels, then points likewise; scores are logits.

    Source: MediaPipe, SsdAnchorsCalculator with fixed_anchor_size and
    TensorsToDetectionsCalculator.
    """
    which = _which(outputs)
    if which is None:
        raise TaskError(
            "MediaPipe's head has regressors (1, N, 16) and scores (1, N, 1), and here are"
            f" {shapes_text(outputs)}.",
            "Choose another --head.",
        )
    regressors = outputs[which[0]].values[0].astype(np.float64)
    scores = outputs[which[1]]
    centres = anchors(len(regressors), size)
    moved = regressors[:, :2] + centres
    boxes = corners(np.concatenate([moved, regressors[:, 2:_BOX]], axis=1))
    points = regressors[:, _BOX:].reshape(len(regressors), -1, 2) + centres[:, np.newaxis]
    raw = scores.values[0].astype(np.float64).reshape(-1)
    ready = scores.kind == "probabilities"
    shares = raw if ready else sigmoid(np.clip(raw, -_MOST_RAW, _MOST_RAW))
    return detections(boxes, shares, landmarks=points)


def anchors(count: int, size: tuple[int, int]) -> NDArray[np.float64]:
    """The anchors' centres in pixels: (count, 2), x and y; each is one pixel wide and high.

    Raises:
        TaskError: no detector of MediaPipe has so many for this size.
    """
    grids = _grids(count, size)
    if grids is None:
        raise TaskError(
            f"No detector of MediaPipe has {count} anchors for {size[0]}x{size[1]} pixels.",
            "Choose another --head.",
        )
    return np.concatenate([_centres(size, stride, many) for stride, many in grids])


def _grids(count: int, size: tuple[int, int]) -> tuple[tuple[int, int], ...] | None:
    for grids in _GRIDS:
        cells = (-(-size[0] // s) * -(-size[1] // s) * many for s, many in grids)
        if sum(cells) == count:
            return grids
    return None


def _centres(size: tuple[int, int], stride: int, many: int) -> NDArray[np.float64]:
    rows, columns = -(-size[0] // stride), -(-size[1] // stride)
    y, x = np.mgrid[:rows, :columns]
    cells = np.stack([(x + 0.5) / columns * size[1], (y + 0.5) / rows * size[0]], axis=-1)
    repeated: NDArray[np.float64] = np.repeat(cells.reshape(-1, 2), many, axis=0)
    return repeated


def _which(outputs: Sequence[Output]) -> tuple[int, int] | None:
    """The indices of regressors and scores."""
    if len(outputs) != 2:  # noqa: PLR2004 - regressors, scores
        return None
    for box, score in ((0, 1), (1, 0)):
        shape = outputs[box].values.shape
        if (
            len(shape) == 3  # noqa: PLR2004 - batch, anchors, numbers
            and shape[2] >= _FEWEST_COLUMNS
            and shape[2] % 2 == 0
            and outputs[score].values.size == shape[1] * shape[0]
        ):
            return box, score
    return None
