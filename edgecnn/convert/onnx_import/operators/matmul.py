"""Matrix products: fully connected layers where one side is constant, batches of products else."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn.convert.onnx_import.broadcasting import elementwise
from edgecnn.convert.onnx_import.lazy import tf
from edgecnn.convert.onnx_import.operators.reduce import last_axis_order
from edgecnn.convert.onnx_import.reshaping import settled
from edgecnn.convert.onnx_import.table import operator
from edgecnn.convert.onnx_import.value import Value, constant, plain

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edgecnn.convert.onnx_import.node import Node

_MATRIX = 2


@operator("MatMul")
def matmul(node: Node) -> Value:
    """MatMul as numpy has it."""
    left, right = node.viewed(0), node.viewed(1)
    if right.array is not None and right.rank == _MATRIX:
        return by_matrix(left, right.array)
    return product(settled(left), settled(right))


def by_matrix(value: Value, weights: NDArray[Any]) -> Value:
    """A value's last axis by constant weights (K, N), however the other axes are stored.

    Where a reshape is left that merges axes into the last one, the weights' rows change places
    and the data stays.
    """
    if (flat := _flattened(value, weights)) is not None:
        return flat
    bare = settled(value)
    axis = bare.rank - 1
    order = last_axis_order(bare, axis)
    return Value(_connected(bare.stored(order), weights), order)


def _connected(tensor: Any, weights: NDArray[Any]) -> Any:  # noqa: ANN401 - tf.Tensor
    """(..., K) by (K, N); TFLite's fully connected layer takes rows."""
    shape = [int(size) for size in tensor.shape]
    if len(shape) == _MATRIX:
        return tf.matmul(tensor, tf.constant(weights))
    rows = tf.reshape(tensor, (math.prod(shape[:-1]), shape[-1]))
    return tf.reshape(tf.matmul(rows, tf.constant(weights)), (*shape[:-1], weights.shape[1]))


def _flattened(value: Value, weights: NDArray[Any]) -> Value | None:
    """The product of a view whose last axis merges the axes that are stored last, whole."""
    if value.view is None:
        return None
    shape, count = value.unviewed_shape, 0
    while count < len(shape) and math.prod(shape[len(shape) - count :]) < weights.shape[0]:
        count += 1
    inner = list(range(len(shape) - count, len(shape)))
    outer = [axis for axis in range(len(shape)) if axis not in inner and shape[axis] != 1]
    if math.prod(shape[axis] for axis in inner) != weights.shape[0]:
        return None
    stored = sorted(inner, key=lambda axis: value.order[axis])
    lead = [value.order[axis] for axis in outer]
    if lead != sorted(lead) or (lead and max(lead) > min(value.order[a] for a in inner)):
        return None
    grid = weights.reshape(*(shape[axis] for axis in inner), weights.shape[1])
    moved = grid.transpose(*(inner.index(axis) for axis in stored), len(inner))
    rows = tf.reshape(value.tensor, (-1, weights.shape[0]))
    tensor = tf.matmul(rows, tf.constant(moved.reshape(weights.shape)))
    target = (*value.view[:-1], weights.shape[1])
    return plain(tf.reshape(tensor, target) if len(target) != _MATRIX else tensor)


def product(left: Value, right: Value) -> Value:
    """A product of which both sides may be computed; vectors as numpy takes them."""
    a = _matrix(left, front=True)
    b = _matrix(right, front=False)
    rank = max(len(a.shape), right.rank, _MATRIX)
    swapped = (*range(b.rank - 2), b.rank - 1, b.rank - 2)
    transposed = b.moves(range(b.rank)) and not b.moves(swapped)
    tensor = tf.matmul(
        a.plain(), b.stored(swapped) if transposed else b.plain(), transpose_b=transposed
    )
    shape = [int(size) for size in tensor.shape][:rank]
    if left.rank == 1:
        tensor = tf.squeeze(tensor, len(shape) - 2)
    if right.rank == 1:
        tensor = tf.squeeze(tensor, len(tensor.shape) - 1)
    return plain(tensor)


def _matrix(value: Value, *, front: bool) -> Value:
    if value.rank != 1:
        return value
    return plain(tf.expand_dims(value.plain(), 0 if front else 1))


@operator("Gemm")
def gemm(node: Node) -> Value:
    """The sum alpha A B + beta C, A and B perhaps transposed."""
    left, right = node.viewed(0), node.value(1)
    if node.get("transA", 0):
        bare = settled(left)
        left = (
            constant(bare.array.T) if bare.array is not None
            else replace(bare, order=bare.order[::-1])
        )  # fmt: skip
    alpha, beta = node.get("alpha", 1.0), node.get("beta", 1.0)
    if right.array is not None:
        weights = right.array.T if node.get("transB", 0) else right.array
        result = by_matrix(left, np.asarray(weights * alpha, weights.dtype))
    else:
        right = replace(right, order=right.order[::-1]) if node.get("transB", 0) else right
        result = product(settled(left), right)
        result = result if alpha == 1 else result.map(lambda x: tf.multiply(x, alpha))
    if not node.has(2):
        return result
    bias = node.value(2)
    if bias.array is not None and beta != 1:
        bias = constant(np.asarray(bias.array * beta, bias.array.dtype))
    elif beta != 1:
        bias = bias.map(lambda x: tf.multiply(x, beta))
    return elementwise([result, bias], tf.add)
