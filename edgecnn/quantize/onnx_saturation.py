"""Weights of an int8 ONNX file that give the same sums on every processor.

x86 without VNNI multiplies uint8 activations by int8 weights two at a time and adds both products
in 16 bits (VPMADDUBSW, Intel's Software Developer's Manual), which saturates: a pair of large
weights of one sign then loses most of its sum, without a word. ONNX Runtime's documentation names
the way out, 7-bit weights; but only pairs matter, and few pairs are that large. Those are made
smaller as weights are rounded, and what that does wrong is spread over the other weights, as any
error of rounding (`rounding`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_INT8_MAX = 127
# 255 * (a + b) stays within 16 bits as long as a + b does not pass it.
LARGEST_PAIR = 128


def largest_pairs(rows: NDArray[Any]) -> NDArray[np.float64]:
    """Of each output the largest sum, in magnitude, of two neighbours' shares of one sign.

    Args:
        rows: (outputs, inputs) in the order in which inputs are summed, channels last.

    Returns:
        (outputs,), in the unit of the weights.
    """
    exact = rows.astype(np.float64)
    if exact.shape[1] % 2:
        exact = np.pad(exact, ((0, 0), (0, 1)))
    pairs = exact.reshape(len(exact), -1, 2)
    rising = np.maximum(pairs, 0).sum(axis=2).max(axis=1)
    falling = -np.minimum(pairs, 0).sum(axis=2).min(axis=1)
    largest: NDArray[np.float64] = np.maximum(rising, falling)
    return largest


def safe_scale(rows: NDArray[Any], scale: NDArray[np.float64]) -> NDArray[np.float64]:
    """Each output's step, made large enough that no pair overflows when rounded to nearest."""
    # Rounding may add half a step to both.
    return np.maximum(scale, largest_pairs(rows) / (LARGEST_PAIR - 1))


class Neighbours:
    """What rounding may make of a weight, next to the one it is summed with.

    Args:
        order: the inputs, in the order in which they are rounded.
        pivots: of the factor that rounding works with, in that order: the smaller, the more an
            error counts.
    """

    def __init__(self, order: NDArray[np.int64], pivots: NDArray[np.float32]) -> None:
        place = np.empty_like(order)
        place[order] = np.arange(len(order))
        other = order ^ 1
        self._other = np.where(other < len(order), place[np.minimum(other, len(order) - 1)], -1)
        cost = np.square(pivots.astype(np.float64))
        self._share = cost / (cost + cost[self._other])

    def limits(
        self, place: int, products: NDArray[np.float32], result: NDArray[np.int8]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Lowest and highest integer for the input at `place`, by output.

        Args:
            place: in the order of rounding.
            products: (inputs, outputs), what rounding aims at, in steps.
            result: (inputs, outputs), rounded up to `place`.
        """
        other = self._other[place]
        if other < 0:
            limit = np.full(products.shape[1], _INT8_MAX, np.float32)
            return -limit, limit
        if other < place:
            taken = result[other].astype(np.float32)
        else:  # both give way, the one that counts less gives more
            first, second = np.clip(products[[place, other]], -_INT8_MAX, _INT8_MAX)
            beyond = np.maximum(np.abs(first) + np.abs(second) - LARGEST_PAIR, 0)
            left = np.rint(np.abs(first) - self._share[place] * beyond)
            taken = np.sign(second) * np.float32(LARGEST_PAIR) - np.sign(second) * left
        high = np.minimum(LARGEST_PAIR - np.maximum(taken, 0), _INT8_MAX)
        low = np.maximum(-LARGEST_PAIR - np.minimum(taken, 0), -_INT8_MAX)
        return low.astype(np.float32), high.astype(np.float32)
