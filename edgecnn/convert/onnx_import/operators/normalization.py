"""Normalizations, as means, products and sums: TFLite has no operators of their own for them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn.convert.onnx_import.broadcasting import elementwise
from edgecnn.convert.onnx_import.lazy import tf
from edgecnn.convert.onnx_import.reshaping import reshaped, settled
from edgecnn.convert.onnx_import.table import operator
from edgecnn.convert.onnx_import.value import Value, constant

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgecnn.convert.onnx_import.node import Node


@operator("BatchNormalization", note="with constant statistics")
def batch_normalization(node: Node) -> Value:
    """A scale and a shift for each channel."""
    scale, shift, mean, variance = (
        node.known(index, name).astype(np.float64)
        for index, name in enumerate(("scale", "bias", "mean", "variance"), 1)
    )
    factor = scale / np.sqrt(variance + node.get("epsilon", 1e-5))
    value = node.viewed(0)
    product = elementwise([value, _by_channel(factor, value.rank)], tf.multiply)
    return elementwise([product, _by_channel(shift - mean * factor, value.rank)], tf.add)


def _by_channel(numbers: np.ndarray, rank: int) -> Value:
    """One number for each channel, to broadcast against (N, C, ...)."""
    shape = (-1, *(1,) * max(rank - 2, 0))
    return constant(numbers.reshape(shape).astype(np.float32))


def normalized(value: Value, axes: Sequence[int], epsilon: float) -> Value:
    """The value less its mean, over its standard deviation, both over some of ONNX's axes."""
    stored = sorted(value.order[axis] for axis in axes)

    def normalize(x: Any) -> Any:  # noqa: ANN401 - tf.Tensor
        mean = tf.reduce_mean(x, stored, keepdims=True)
        centered = x - mean
        variance = tf.reduce_mean(tf.square(centered), stored, keepdims=True)
        return centered * tf.math.rsqrt(variance + epsilon)

    return value.map(normalize)


def _scaled(value: Value, scale: Value, shift: Value | None) -> Value:
    if scale.array is None or not np.all(scale.array == 1):
        value = elementwise([value, scale], tf.multiply)
    if shift is not None and (shift.array is None or np.any(shift.array)):
        value = elementwise([value, shift], tf.add)
    return value


def _channel(operand: Value, rank: int) -> Value:
    """(C,) to broadcast against (N, C, ...) of a rank."""
    return settled(
        reshaped(operand, (-1 if operand.size == 0 else operand.size, *(1,) * (rank - 2)))
    )


@operator("InstanceNormalization")
def instance_normalization(node: Node) -> Value:
    """Over all elements of a channel.

    PyTorch writes GroupNorm as a reshape to (N, groups, rest), this, and the reshape back: the
    channels are split where they are stored, and nothing moves.
    """
    value = node.viewed(0)
    whole = _split_prefix(value)
    result = normalized(whole, range(2, whole.rank), node.get("epsilon", 1e-5))
    scale, shift = (_channel(node.value(index), whole.rank) for index in (1, 2))
    result = _scaled(result, scale, shift)
    return reshaped(result, value.shape) if value.view is not None else result


def _split_prefix(value: Value) -> Value:
    """The value without its view (N, groups, rest), but with the channels split into groups."""
    if value.view is None:
        return value
    before, groups = value.unviewed_shape, value.view[1]
    splits = value.view[0] == before[0] and before[1] % groups == 0
    if not splits:
        return settled(value)
    shape = (before[0], groups, before[1] // groups, *before[2:])
    return settled(reshaped(replace(value, view=None), shape))


@operator("GroupNormalization")
def group_normalization(node: Node) -> Value:
    """Over all elements of a group of channels."""
    value, groups = node.value(0), node.get("num_groups")
    batch, channels, *rest = value.shape
    parted = settled(reshaped(value, (batch, groups, channels // groups, *rest)))
    result = normalized(parted, range(2, parted.rank), node.get("epsilon", 1e-5))
    scale, shift = node.value(1), node.value(2)
    if scale.size == channels:  # since operator set 21; one for each group before
        whole = settled(reshaped(result, value.shape))
        return _scaled(whole, _channel(scale, value.rank), _channel(shift, value.rank))
    by_group = [_channel(operand, parted.rank) for operand in (scale, shift)]
    return settled(reshaped(_scaled(result, *by_group), value.shape))


@operator("LayerNormalization", note="the result only, not its mean and deviation")
def layer_normalization(node: Node) -> Value:
    """Over an axis and all behind it."""
    if any(node.outputs[1:]):
        raise node.refused("its mean or deviation is asked for")
    value = node.value(0)
    axes = range(node.axis(-1), value.rank)
    shift = node.value(2) if node.has(2) else None
    return _scaled(normalized(value, axes, node.get("epsilon", 1e-5)), node.value(1), shift)


@operator("RMSNormalization")
def rms_normalization(node: Node) -> Value:
    """Over the root of the mean of squares."""
    value, epsilon = node.value(0), node.get("epsilon", 1e-5)
    stored = sorted(value.order[axis] for axis in range(node.axis(-1), value.rank))
    result = value.map(
        lambda x: x * tf.math.rsqrt(tf.reduce_mean(tf.square(x), stored, keepdims=True) + epsilon)
    )
    return _scaled(result, node.value(1), None)


@operator("LpNormalization")
def lp_normalization(node: Node) -> Value:
    """Over the sum of absolutes, or the root of the sum of squares, along an axis."""
    value, power = node.value(0), node.get("p", 2)
    axis = value.order[node.axis(-1)]
    smallest = float(np.finfo(np.float32).tiny)

    def normalize(x: Any) -> Any:  # noqa: ANN401 - tf.Tensor
        if power == 1:
            return x / tf.maximum(tf.reduce_sum(tf.abs(x), axis, keepdims=True), smallest)
        return x / tf.sqrt(tf.maximum(tf.reduce_sum(tf.square(x), axis, keepdims=True), smallest))

    return value.map(normalize)


@operator("MeanVarianceNormalization")
def mean_variance_normalization(node: Node) -> Value:
    """Over axes, by default all but the channels."""
    value = node.value(0)
    axes = [axis % value.rank for axis in node.get("axes", [0, 2, 3])]
    return normalized(value, axes, 1e-9)


@operator("LRN", note="as TFLite's LOCAL_RESPONSE_NORMALIZATION: an odd number of channels")
def local_response_normalization(node: Node) -> Value:
    """Over neighbouring channels."""
    value, size = node.value(0), node.get("size")
    if size % 2 == 0:
        raise node.refused("its number of channels is even")
    order = (0, value.rank - 1, *range(1, value.rank - 1))
    tensor = tf.nn.local_response_normalization(
        value.stored(order),
        depth_radius=size // 2,
        bias=node.get("bias", 1.0),
        alpha=node.get("alpha", 1e-4) / size,
        beta=node.get("beta", 0.75),
    )
    return Value(tensor, order)
