"""From logits to hits, and from hits to shares with their intervals."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_Z = 1.959963984540054  # the normal distribution's 97.5th percentile


def hit(logits: NDArray[np.floating[Any]], label: int, best: int) -> float:
    """How far an answer's `best` best classes include the right one, 0..1.

    int8 logits tie often. Where the right class ties for the last places, it counts as the chance
    of getting one of them by breaking the tie at random.

    Args:
        logits: (classes,).
        label: the right class.
        best: 1 for top-1, 5 for top-5.
    """
    above = int((logits > logits[label]).sum())
    level = int((logits == logits[label]).sum())
    return min(1.0, max(0, best - above) / level)


def wilson(share: float, count: int) -> tuple[float, float]:
    """The 95 % interval of a share that was counted.

    Wilson: Probable Inference, the Law of Succession, and Statistical Inference, JASA 22 (1927).

    Args:
        share: 0..1.
        count: of independent images, at least 1.
    """
    squared = _Z * _Z
    middle = (share + squared / (2 * count)) / (1 + squared / count)
    half = _Z * math.sqrt(share * (1 - share) / count + squared / (4 * count * count))
    half /= 1 + squared / count
    # At 0 and 1 the formula's ends are exact, but for rounding.
    return max(0.0, min(middle - half, share)), min(1.0, max(middle + half, share))


@dataclass(frozen=True)
class Paired:
    """Two files' hits on the same images: fields as in `Difference`."""

    images: int
    difference: float
    low: float
    high: float
    lost: float
    gained: float


def paired(base: NDArray[np.float32], hits: NDArray[np.float32]) -> Paired:
    """Compare two files image by image.

    Args:
        base: of the first, 0..1 an image, NaN where there was no answer.
        hits: of the second, on the same images.
    """
    change = (hits - base)[np.isfinite(base) & np.isfinite(hits)].astype(np.float64)
    lost, gained = float(abs(change[change < 0].sum())), float(change[change > 0].sum())
    low, high = paired_interval(lost, gained, len(change))
    return Paired(len(change), (gained - lost) / len(change), low, high, lost, gained)


def paired_interval(lost: float, gained: float, count: int) -> tuple[float, float]:
    """The 95 % interval of a difference between two shares of the same images.

    Bonett and Price: Adjusted Wald Confidence Interval for a Difference of Binomial Proportions
    Based on Paired Data, Journal of Educational and Behavioral Statistics 37 (2012). Images that
    both have right, or both wrong, say nothing of the difference: it is far narrower than the
    intervals of the two shares.

    Args:
        lost: images that only the first has right.
        gained: images that only the second has right.
        count: all images.
    """
    first, second = (lost + 1) / (count + 2), (gained + 1) / (count + 2)
    middle = second - first
    half = _Z * math.sqrt((first + second - middle * middle) / (count + 2))
    return max(-1.0, middle - half), min(1.0, middle + half)
