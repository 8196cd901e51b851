"""Multiply-accumulates of one operator, from the shapes it reads and writes.

One MAC is one multiplication with its addition: half of what papers that count FLOPs write. Bias
additions, activations and element-wise operators count nothing, as in the published tables.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

Shape = tuple[int, ...]
# (data, weights, output) -> MACs; None where the shapes do not have the operator's axes.
Rule = Callable[[Shape, Shape, Shape], "int | None"]
_OPERANDS = 2


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


def recurrent(data: Shape, weights: Shape, _output: Shape) -> int | None:
    """Every step of every sequence costs the product of the weights' axes, one matrix of many."""
    if not data or not data[-1]:
        return None
    return _size(data[:-1]) * _size(weights)


def matmul(axis: int) -> Rule:
    """Each output element costs the size of the left operand's `axis`."""

    def rule(data: Shape, _weights: Shape, output: Shape) -> int | None:
        if len(data) < -axis:
            return None
        return _size(output) * abs(data[axis])

    return rule


def einsum(equation: str, shapes: Sequence[Shape]) -> int | None:
    """Two operands cost the product of the sizes of all labels; None where the text fits not.

    >>> einsum("bij,bjk->bik", [(2, 3, 4), (2, 4, 5)]), einsum("...i,i", [(2, 3, 4), (4,)])
    (120, 24)
    """
    terms = equation.replace(" ", "").partition("->")[0].split(",")
    if len(terms) != len(shapes) or len(terms) != _OPERANDS:
        return 0 if len(terms) == len(shapes) == 1 else None
    sizes: dict[str, int] = {}
    for term, shape in zip(terms, shapes, strict=True):
        labels = _labels(term, len(shape))
        if labels is None:
            return None
        for label, size in zip(labels, shape, strict=True):
            sizes[label] = max(sizes.get(label, 1), abs(size))
    return math.prod(sizes.values())


def _labels(term: str, rank: int) -> list[str] | None:
    """A label for every axis; those behind "..." are numbered from the right."""
    before, dots, behind = term.partition("...")
    hidden = rank - len(before) - len(behind)
    if hidden < 0 or (hidden and not dots):
        return None
    return [*before, *(f"...{place}" for place in range(hidden, 0, -1)), *behind]
