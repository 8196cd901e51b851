"""Reshapes in the order in which axes are stored.

Splitting an axis always works there, merging axes does where they are stored side by side and in
ONNX's order, and axes of size 1 go anywhere. What is left waits as a `view`: a fully connected
layer permutes its weights instead, anything else has it settled by moving the axes together.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from edgecnn.convert.onnx_import.lazy import tf
from edgecnn.convert.onnx_import.value import Value, constant

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class _Group:
    """Axes before and after a reshape that hold the same elements; none of size 1."""

    before: tuple[int, ...]
    after: tuple[int, ...]


def reshaped(value: Value, shape: Sequence[int]) -> Value:
    """The value under another shape, without moving elements: perhaps as a `view`."""
    target = tuple(int(size) for size in shape)
    if value.array is not None:
        return constant(value.array.reshape(target))
    groups = _groups(value.unviewed_shape, target)
    if groups is None or not all(_together(value, group) for group in groups):
        return replace(value, view=target)
    return _merged(value, groups, target)


def settled(value: Value) -> Value:
    """The value without a `view`: axes that merge are moved together."""
    if value.view is None:
        return value
    groups = _groups(value.unviewed_shape, value.view)
    if groups is None:
        tensor = tf.reshape(replace(value, view=None).plain(), value.view)
        return Value(tensor, tuple(range(len(value.view))), nonnegative=value.nonnegative)
    order = _gathered_order(value, groups)
    bare = replace(value, view=None)
    return _merged(replace(bare, tensor=bare.stored(order), order=order), groups, value.view)


def _groups(before: Sequence[int], after: Sequence[int]) -> list[_Group] | None:
    """The smallest groups of axes that can be reshaped alone; None for an empty tensor."""
    if 0 in before:
        return None
    old = [axis for axis, size in enumerate(before) if size != 1]
    new = [axis for axis, size in enumerate(after) if size != 1]
    groups: list[_Group] = []
    while old:
        left, right = [old.pop(0)], [new.pop(0)]
        while (a := math.prod(before[i] for i in left)) != (
            b := math.prod(after[i] for i in right)
        ):
            (left if a < b else right).append((old if a < b else new).pop(0))
        groups.append(_Group(tuple(left), tuple(right)))
    return groups


def _stored_axes(value: Value) -> list[int]:
    """ONNX's axes, but those of size 1, in stored order."""
    axes = [axis for axis, size in enumerate(value.unviewed_shape) if size != 1]
    return sorted(axes, key=lambda axis: value.order[axis])


def _together(value: Value, group: _Group) -> bool:
    stored = _stored_axes(value)
    first = stored.index(group.before[0])
    return tuple(stored[first : first + len(group.before)]) == group.before


def _gathered_order(value: Value, groups: Sequence[_Group]) -> tuple[int, ...]:
    """An order in which each group is together, at the place of its largest axis."""
    shape, stored = value.unviewed_shape, _stored_axes(value)
    for group in groups:
        if _together(value, group):
            continue
        anchor = max(group.before, key=lambda axis: shape[axis])
        kept = [axis for axis in stored if axis == anchor or axis not in group.before]
        place = kept.index(anchor)
        stored = [*kept[:place], *group.before, *kept[place + 1 :]]
    units = [axis for axis in range(len(shape)) if shape[axis] == 1]
    sequence = [*units, *stored]
    return tuple(sequence.index(axis) for axis in range(len(shape)))


def _merged(value: Value, groups: Sequence[_Group], target: tuple[int, ...]) -> Value:
    owner = {group.before[0]: group.after for group in groups}
    stored = [axis for first in _stored_axes(value) for axis in owner.get(first, ())]
    for axis, size in enumerate(target):
        if size == 1:  # it goes anywhere; behind its neighbour it is rarely in the way
            stored.insert(stored.index(axis - 1) + 1 if axis else 0, axis)
    shape = [target[axis] for axis in stored]
    same = list(value.stored_shape) == shape
    tensor = value.tensor if same else tf.reshape(value.tensor, shape)
    order = tuple(stored.index(axis) for axis in range(len(target)))
    return Value(tensor, order, nonnegative=value.nonnegative)


def as_viewed(value: Value, values: np.ndarray) -> np.ndarray:
    """Known values of a viewed value's shape, or one that broadcasts to it, as it is stored."""
    full = np.broadcast_to(values, value.shape).reshape(value.unviewed_shape)
    return full.transpose(np.argsort(value.order))
