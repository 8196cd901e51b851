"""Boxes: their corners, their overlap, and the suppression of those that repeat another."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# More candidates than that hold nothing that a picture has, and cost a slow device seconds.
_MOST_CANDIDATES = 3000


def _no_landmarks() -> NDArray[np.float32]:
    return np.zeros((0, 0, 2), np.float32)


@dataclass(frozen=True, eq=False)
class Detections:
    """Boxes of one picture.

    Attributes:
        boxes: (n, 4) float32: x1, y1, x2, y2, pixels of the network's input, or of the picture.
        scores: (n,) float32, 0 to 1.
        classes: (n,) int64.
        landmarks: (n, points, 2) float32: x, y; (0, 0, 2) for a head that gives none.
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    classes: NDArray[np.int64]
    landmarks: NDArray[np.float32] = field(default_factory=_no_landmarks)

    def __len__(self) -> int:
        """How many there are."""
        return len(self.scores)

    def take(self, which: NDArray[Any]) -> Detections:
        """Some of them, by index or by mask, in that order."""
        landmarks = self.landmarks[which] if self.landmarks.shape[1] else self.landmarks
        return Detections(self.boxes[which], self.scores[which], self.classes[which], landmarks)


def detections(
    boxes: NDArray[Any],
    scores: NDArray[Any],
    classes: NDArray[Any] | None = None,
    landmarks: NDArray[Any] | None = None,
) -> Detections:
    """Detections of arrays of any dtype.

    Args:
        boxes: (n, 4) corners.
        scores: (n,), or (n, classes), of which the best class is taken.
        classes: (n,); all are class 0 when None.
        landmarks: (n, points, 2), if there are any.
    """
    if scores.ndim > 1:
        classes = scores.argmax(axis=1)
        scores = scores.max(axis=1)
    if classes is None:
        classes = np.zeros(len(scores), np.int64)
    return Detections(
        np.asarray(boxes, np.float32).reshape(-1, 4),
        np.asarray(scores, np.float32).reshape(-1),
        np.asarray(classes, np.int64).reshape(-1),
        _no_landmarks() if landmarks is None else np.asarray(landmarks, np.float32),
    )


def corners(centres: NDArray[Any]) -> NDArray[np.float32]:
    """(n, 4) centre x, centre y, width, height as x1, y1, x2, y2."""
    middle, half = centres[..., :2], centres[..., 2:4] / 2
    result: NDArray[np.float32] = np.concatenate([middle - half, middle + half], -1).astype(
        np.float32
    )
    return result


def overlaps(box: NDArray[Any], others: NDArray[Any]) -> NDArray[np.float64]:
    """Intersection over union of one box (4,) with others (n, 4); 0 where both are empty."""
    low = np.maximum(box[:2], others[:, :2]).astype(np.float64)
    high = np.minimum(box[2:], others[:, 2:]).astype(np.float64)
    shared = np.prod(np.maximum(high - low, 0.0), axis=1)
    union = _areas(box[np.newaxis]) + _areas(others) - shared
    result: NDArray[np.float64] = np.divide(
        shared, union, out=np.zeros(len(others)), where=union > 0
    )
    return result


def _areas(boxes: NDArray[Any]) -> NDArray[np.float64]:
    sides = np.maximum(boxes[:, 2:].astype(np.float64) - boxes[:, :2], 0.0)
    areas: NDArray[np.float64] = sides.prod(axis=1)
    return areas


def suppressed(candidates: Detections, overlap: float, most: int) -> Detections:
    """Non-maximum suppression within each class (greedy, Felzenszwalb et al. 2010).

    Args:
        candidates: any detections.
        overlap: a box that covers a better one of its class by more of their union goes.
        most: how many stay at most.

    Returns:
        What stays, best first.
    """
    order = np.argsort(-candidates.scores, kind="stable")[:_MOST_CANDIDATES]
    indices: list[int] = []
    while len(order) and len(indices) < most:
        best, order = order[0], order[1:]
        indices.append(int(best))
        covered = overlaps(candidates.boxes[best], candidates.boxes[order]) > overlap
        order = order[~(covered & (candidates.classes[order] == candidates.classes[best]))]
    return candidates.take(np.array(indices, np.int64))
