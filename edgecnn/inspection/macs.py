"""Multiply-accumulates of one operator, from the shapes it reads and writes.

One MAC is one multiplication with its addition: half of what papers that count FLOPs write. Bias
additions, activations and element-wise operators count nothing, as in the published tables.
"""

from __future__ import annotations

import math
from collections.abc import Callable

Shape = tuple[int, ...]
# (data, weights, output) -> MACs; None where the shapes do not have the operator's axes.
Rule = Callable[[Shape, Shape, Shape], "int | None"]


def _size(shape: Shape) -> int:
    """Elements, an open size taken as 1: batch 1."""
    return math.prod(abs(size) for size in shape)


def per_output(first: int, last: int | None = None) -> Rule:
    """Each output element costs the product of the weights' axes `first:last`."""

    def rule(_data: Shape, weights: Shape, output: Shape) -> int | None:
        return _size(output) * _size(weights[first:last]) if output else None

    return rule


def per_input(first: int, last: int | None = None) -> Rule:
    """Each input element costs the product of the weights' axes: transposed convolutions."""

    def rule(data: Shape, weights: Shape, _output: Shape) -> int | None:
        return _size(data) * _size(weights[first:last]) if data else None

    return rule


def matmul(axis: int) -> Rule:
    """Each output element costs the size of the left operand's `axis`."""

    def rule(data: Shape, _weights: Shape, output: Shape) -> int | None:
        if len(data) < -axis:
            return None
        return _size(output) * abs(data[axis])

    return rule
