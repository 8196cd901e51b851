"""Einsum, as sums, products of matrices and elementwise products, operand by operand.

TFLite has no operator for it, and its converter knows few of its equations.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from edgecnn.convert.onnx_import.broadcasting import elementwise
from edgecnn.convert.onnx_import.lazy import tf
from edgecnn.convert.onnx_import.operators.matmul import by_matrix, product
from edgecnn.convert.onnx_import.reshaping import reshaped, settled
from edgecnn.convert.onnx_import.table import operator
from edgecnn.convert.onnx_import.value import Value, constant, without_axes

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from edgecnn.convert.onnx_import.node import Node

_ELLIPSIS = "..."
# Letters for the axes that an ellipsis stands for, counted from the last one.
_HIDDEN = "0123456789"


@dataclass(frozen=True)
class _Term:
    """An operand with a letter for each of its axes."""

    value: Value
    letters: str

    @property
    def sizes(self) -> dict[str, int]:
        return dict(zip(self.letters, self.value.shape, strict=True))


@operator("Einsum", note="without a letter twice in one operand")
def einsum(node: Node) -> Value:
    """Einsum: operands are taken in from the left, letters summed over as soon as they may be."""
    values = node.values()
    letters, result = _parsed(node, values)
    terms = [_Term(*pair) for pair in zip(values, letters, strict=True)]
    sizes = _longest(terms)
    done, *others = [_without_units(term, sizes) for term in terms]
    while others:
        following, *others = others
        needed = {*result, *(k for term in others for k in term.letters)}
        done = _joined(_summed(done, {*needed, *following.letters}),
                       _summed(following, {*needed, *done.letters}), needed, sizes)  # fmt: skip
    return _ordered(_summed(done, result), result).value


def _parsed(node: Node, values: list[Value]) -> tuple[list[str], str]:
    """The letters of each operand and of the result, ellipses spelled out."""
    equation = node.get("equation").replace(" ", "")
    left, arrow, right = equation.partition("->")
    terms = left.split(",")
    hidden = [v.rank - len(t.replace(_ELLIPSIS, "")) for v, t in zip(values, terms, strict=True)]
    letters = [_spelled(t, count) for t, count in zip(terms, hidden, strict=True)]
    if any(len(set(term)) < len(term) for term in letters):
        raise node.refused("its equation has a letter twice in one operand")
    if not arrow:
        once = sorted(c for c in set(left) if c.isalpha() and left.count(c) == 1)
        right = "".join([_ELLIPSIS if _ELLIPSIS in left else "", *once])
    return letters, _spelled(right, max(hidden))


def _spelled(term: str, hidden: int) -> str:
    return term.replace(_ELLIPSIS, _HIDDEN[:hidden][::-1])


def _longest(terms: list[_Term]) -> dict[str, int]:
    """The size of each letter's axis, where it is not broadcast."""
    sizes: dict[str, int] = {}
    for letter, size in (pair for term in terms for pair in term.sizes.items()):
        sizes[letter] = max(size, sizes.get(letter, 1))
    return sizes


def _without_units(term: _Term, sizes: Mapping[str, int]) -> _Term:
    """The operand less its axes of size 1 that are longer in another one: those broadcast."""
    kept = [letter for letter, size in term.sizes.items() if size == sizes[letter]]
    if len(kept) == len(term.letters):
        return term
    return _Term(settled(reshaped(term.value, [sizes[k] for k in kept])), "".join(kept))


def _summed(term: _Term, needed: Iterable[str]) -> _Term:
    """The sum over all axes that nobody asks for."""
    gone = [axis for axis, letter in enumerate(term.letters) if letter not in needed]
    if not gone:
        return term
    kept = "".join(letter for letter in term.letters if letter in needed)
    value = term.value
    if value.array is not None:
        return _Term(constant(value.array.sum(axis=tuple(gone))), kept)
    tensor = tf.reduce_sum(value.tensor, sorted(value.order[axis] for axis in gone))
    order = without_axes(value.order, gone)
    return _Term(Value(tensor, order, nonnegative=value.nonnegative), kept)


def _joined(left: _Term, right: _Term, needed: set[str], sizes: Mapping[str, int]) -> _Term:
    """The product of two, summed over what both have and nobody asks for any more."""
    common = [letter for letter in left.letters if letter in right.letters]
    inner = "".join(letter for letter in common if letter not in needed)
    if not inner:
        return _multiplied(left, right)
    batch = "".join(letter for letter in common if letter in needed)
    if left.value.array is not None:
        left, right = right, left
    rows = "".join(k for k in left.letters if k not in common)
    columns = "".join(k for k in right.letters if k not in common)
    letters = f"{batch}{rows}{columns}"
    if right.value.array is not None and not batch:
        merged = _shaped(left, (*rows, inner), sizes)
        weights = _shaped(right, (inner, columns), sizes).array
        assert weights is not None  # noqa: S101 - constants stay known
        value = by_matrix(merged, weights)
    else:
        a = settled(_shaped(left, (*batch, rows, inner), sizes))
        b = settled(_shaped(right, (*batch, inner, columns), sizes))
        value = product(a, b)
    shape = [sizes[letter] for letter in letters]
    return _Term(settled(reshaped(settled(value), shape)), letters)


def _shaped(term: _Term, groups: Iterable[str], sizes: Mapping[str, int]) -> Value:
    """The operand with an axis for each group of letters, in this order."""
    chosen = list(groups)
    ordered = _ordered(term, "".join(chosen))
    return reshaped(ordered.value, [math.prod(sizes[k] for k in group) for group in chosen])


def _multiplied(left: _Term, right: _Term) -> _Term:
    """The elementwise product, each letter an axis."""
    letters = left.letters + "".join(k for k in right.letters if k not in left.letters)
    value = elementwise([_spread(left, letters), _spread(right, letters)], tf.multiply)
    return _Term(value, letters)


def _spread(term: _Term, letters: str) -> Value:
    """The operand with an axis for each letter, of size 1 where it has none."""
    own = _ordered(term, "".join(k for k in letters if k in term.letters))
    return settled(reshaped(own.value, [own.sizes.get(letter, 1) for letter in letters]))


def _ordered(term: _Term, letters: str) -> _Term:
    """The operand with its axes renamed into this order."""
    axes = [term.letters.index(letter) for letter in letters]
    value = term.value
    if value.array is not None:
        return _Term(constant(value.array.transpose(axes)), letters)
    return _Term(replace(value, order=tuple(value.order[axis] for axis in axes)), letters)
