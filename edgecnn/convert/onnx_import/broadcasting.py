"""Operands of an elementwise operator brought to one order of axes, with the fewest moves."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn.convert.onnx_import.lazy import tf
from edgecnn.convert.onnx_import.reshaping import as_viewed, settled
from edgecnn.convert.onnx_import.value import Value, inverse

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from edgecnn.convert.onnx_import.value import Axes


def elementwise(
    values: Sequence[Value],
    function: Callable[..., Any],
    *,
    nonnegative: bool = False,
    keep_rank: bool = False,
) -> Value:
    """A function of operands that broadcast against each other.

    Args:
        values: the operands.
        function: takes tf.Tensors, gives one.
        nonnegative: no element of the result is below zero.
        keep_rank: constants keep their axes of size 1 in front.
    """
    if (viewed := _viewed(values)) is not None:
        constants = (_as_viewed_constant(viewed, value) for value in values)
        bare = viewed.tensor
        tensor = function(*(bare if item is None else tf.constant(item) for item in constants))
        return replace(viewed, tensor=tensor, nonnegative=nonnegative)
    operands = [settled(value) for value in values]
    rank = max(value.rank for value in operands)
    order = common_order([lifted(value, rank) for value in operands])
    tensors = [_operand(value, rank, order, keep_rank=keep_rank) for value in operands]
    return Value(function(*tensors), order, nonnegative=nonnegative)


def _viewed(values: Sequence[Value]) -> Value | None:
    """The one operand that is no constant, where a reshape of it is left to do."""
    moving = [value for value in values if value.array is None]
    if len(moving) != 1 or moving[0].view is None:
        return None
    shapes = [value.shape for value in values]
    return moving[0] if np.broadcast_shapes(*shapes) == moving[0].shape else None


def _as_viewed_constant(viewed: Value, value: Value) -> np.ndarray | None:
    if value.array is None:
        return None
    return value.array.reshape(()) if value.size == 1 else as_viewed(viewed, value.array)


def lifted(value: Value, rank: int) -> Value:
    """The value with axes of size 1 in front, up to a rank."""
    missing = rank - value.rank
    if not missing:
        return value
    order = (*range(missing), *(axis + missing for axis in value.order))
    shape = (1,) * missing + value.stored_shape
    array = value.array
    tensor = tf.reshape(value.tensor, shape) if array is None else array.reshape(shape)
    return replace(value, tensor=tensor, order=order)


def common_order(values: Sequence[Value]) -> Axes:
    """The order, of those the operands have, in which the fewest elements have to move."""
    orders = [value.order for value in values if value.array is None and value.size > 1]
    orders = orders or [value.order for value in values if value.array is None]
    if not orders:
        return tuple(range(values[0].rank))

    def cost(order: Axes) -> tuple[int, int]:
        moved = sum(value.size for value in values if value.moves(order))
        return moved, -max(v.size for v in values if v.array is None and v.order == order)

    return min(orders, key=cost)


def _operand(value: Value, rank: int, order: Axes, *, keep_rank: bool) -> Any:  # noqa: ANN401 - tf.Tensor
    if value.array is None:
        return lifted(value, rank).stored(order)
    array = np.transpose(lifted(value, rank).tensor, inverse(order))
    while not keep_rank and array.ndim and array.shape[0] == 1:
        array = array[0]  # converters fold a constant into a layer only as it is usual there
    return tf.constant(array)
