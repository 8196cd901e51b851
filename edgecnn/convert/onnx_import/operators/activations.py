"""Activations, in the patterns that TFLite's converter makes one operator of."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn.convert.onnx_import.broadcasting import elementwise
from edgecnn.convert.onnx_import.lazy import tf
from edgecnn.convert.onnx_import.reshaping import reshaped, settled
from edgecnn.convert.onnx_import.table import operator
from edgecnn.convert.onnx_import.value import Value, constant, inverse

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from edgecnn.convert.onnx_import.node import Node

_SELU_ALPHA, _SELU_GAMMA = 1.67326319217681884765625, 1.05070102214813232421875


def _exponential(x: Any, alpha: float, scale: float = 1.0, inner: float = 1.0) -> Any:  # noqa: ANN401 - tf.Tensor
    """Above zero x, below it alpha (exp(x / inner) - 1), all times scale."""
    below = tf.minimum(x, 0.0) if inner == 1 else tf.minimum(x, 0.0) * (1 / inner)
    if scale == 1:
        return tf.nn.relu(x) + alpha * (tf.exp(below) - 1.0)
    return scale * tf.nn.relu(x) + scale * alpha * (tf.exp(below) - 1.0)


def _elu(x: Any, alpha: float) -> Any:  # noqa: ANN401 - tf.Tensor
    return tf.nn.elu(x) if alpha == 1 else _exponential(x, alpha)


def softplus(x: Any) -> Any:  # noqa: ANN401 - tf.Tensor
    """log(1 + exp(x)), of large x too; TFLite has no operator of its own for it."""
    return tf.nn.relu(x) + tf.math.log(1.0 + tf.exp(-tf.abs(x)))


def _hard_sigmoid(x: Any, alpha: float, beta: float) -> Any:  # noqa: ANN401 - tf.Tensor
    if math.isclose(alpha, 1 / 6, rel_tol=1e-5) and math.isclose(beta, 0.5):
        return tf.nn.relu6(x + 3.0) * (1 / 6)  # times x it is recognized as HARD_SWISH
    # Not MINIMUM: XNNPACK takes none in int8.
    return tf.nn.relu6((6 * alpha) * x + 6 * beta) * (1 / 6)


def erf(x: Any) -> Any:  # noqa: ANN401 - tf.Tensor
    """Abramowitz and Stegun's 7.1.26, off by 1.5e-7 at most: TFLite has no operator for it."""
    sum_, t = 0.0, 1.0 / (1.0 + 0.3275911 * tf.abs(x))
    for factor in (1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592):
        sum_ = (sum_ + factor) * t
    return tf.sign(x) * (1.0 - sum_ * tf.exp(-tf.square(x)))


def _shrunk(x: Any, threshold: float, bias: float) -> Any:  # noqa: ANN401 - tf.Tensor
    if bias == threshold:
        return tf.nn.relu(x - bias) - tf.nn.relu(-bias - x)
    return (x - bias * tf.sign(x)) * tf.cast(tf.abs(x) > threshold, x.dtype)


_SIMPLE: Mapping[str, Callable[[Node, Any], Any]] = {
    "Celu": lambda n, x: _exponential(x, a := n.get("alpha", 1.0), inner=a),
    "Elu": lambda n, x: _elu(x, n.get("alpha", 1.0)),
    "Erf": lambda _, x: erf(x),
    "Gelu": lambda n, x: tf.nn.gelu(x, approximate=n.get("approximate", "none") == "tanh"),
    "HardSigmoid": lambda n, x: _hard_sigmoid(x, n.get("alpha", 0.2), n.get("beta", 0.5)),
    "HardSwish": lambda _, x: x * (tf.nn.relu6(x + 3.0) * (1 / 6)),
    "LeakyRelu": lambda n, x: tf.nn.leaky_relu(x, n.get("alpha", 0.01)),
    "Mish": lambda _, x: x * tf.tanh(softplus(x)),
    "Relu": lambda _, x: tf.nn.relu(x),
    "Selu": lambda n, x: _exponential(
        x, n.get("alpha", _SELU_ALPHA), scale=n.get("gamma", _SELU_GAMMA)
    ),
    "Shrink": lambda n, x: _shrunk(x, n.get("lambd", 0.5), n.get("bias", 0.0)),
    "Sigmoid": lambda _, x: tf.sigmoid(x),
    "Softplus": lambda _, x: softplus(x),
    "Softsign": lambda _, x: x / (1.0 + tf.abs(x)),
    "Swish": lambda n, x: x * tf.sigmoid(x * a if (a := n.get("alpha", 1.0)) != 1 else x),
    "Tanh": lambda _, x: tf.tanh(x),
    "ThresholdedRelu": lambda n, x: x * tf.cast(x > n.get("alpha", 1.0), x.dtype),
}
_NONNEGATIVE = {"HardSigmoid", "Relu", "Sigmoid", "Softplus", "ThresholdedRelu"}


@operator(*_SIMPLE)
def activation(node: Node) -> Value:
    """A function of one tensor."""
    function = _SIMPLE[node.operator]
    return node.viewed(0).map(
        lambda x: function(node, x), nonnegative=node.operator in _NONNEGATIVE
    )


@operator("PRelu")
def prelu(node: Node) -> Value:
    """PRelu; the slope as TFLite's PRELU has it: of the data's rank less the batch."""
    value, slope = node.value(0), node.value(1)
    if slope.size == 1 and slope.array is not None:
        alpha = float(slope.array.reshape(()))
        return value.map(lambda x: tf.nn.leaky_relu(x, alpha))
    if slope.array is None:
        return elementwise([value, slope], lambda x, a: tf.nn.relu(x) - a * tf.nn.relu(-x))
    rank = value.rank
    missing = rank - slope.rank
    full = slope.array.reshape((1,) * missing + slope.shape).transpose(inverse(value.order))
    if full.shape[0] == 1 and rank > 1:
        full = full[0]
    return value.map(lambda x: tf.nn.relu(x) + tf.constant(-full) * tf.nn.relu(-x))


@operator("Clip")
def clip(node: Node) -> Value:
    """Clip; 0 and 6 as RELU6, 0 and nothing as RELU."""
    if any(node.has(index) and node.value(index).array is None for index in (1, 2)):
        return _clip_by_computed(node)
    value = node.viewed(0)
    low, high = (node.option(1, "lower bound", None), node.option(2, "upper bound", None))
    low, high = node.get("min") if low is None else low, node.get("max") if high is None else high
    limit = float(np.finfo(np.float32).max)
    low = None if low is None or low <= -limit else low
    high = None if high is None or high >= limit else high

    def clipped(x: Any) -> Any:  # noqa: ANN401 - tf.Tensor
        if x.dtype.is_floating and low == 0 and high in {None, 6}:
            return tf.nn.relu(x) if high is None else tf.nn.relu6(x)
        x = x if low is None else tf.maximum(x, tf.constant(low, x.dtype))
        return x if high is None else tf.minimum(x, tf.constant(high, x.dtype))

    return value.map(clipped, nonnegative=low is not None and low >= 0)


def _clip_by_computed(node: Node) -> Value:
    """Between bounds of which one is a result of the network (decibels below a maximum)."""
    low, high = (
        tf.reshape(node.value(index).plain(), ()) if node.has(index) else None for index in (1, 2)
    )

    def clipped(x: Any) -> Any:  # noqa: ANN401 - tf.Tensor
        x = x if low is None else tf.maximum(x, low)
        return x if high is None else tf.minimum(x, high)

    return node.viewed(0).map(clipped)


@operator("Softmax", "LogSoftmax", "Hardmax")
def softmax(node: Node) -> Value:
    """Over one axis; up to operator set 12 over all from that axis on."""
    value = node.value(0)
    axis = node.axis(-1 if node.opset >= 13 else 1)  # noqa: PLR2004 - where ONNX changed it
    if node.opset < 13 and any(size != 1 for size in value.shape[axis + 1 :]):  # noqa: PLR2004 - as above
        flat = (int(np.prod(value.shape[:axis])), int(np.prod(value.shape[axis:])))
        inner = settled(reshaped(value, flat))
        return settled(reshaped(_last_axis(node, inner, 1), value.shape))
    return _last_axis(node, value, axis)


def _last_axis(node: Node, value: Value, axis: int) -> Value:
    """TFLite's SOFTMAX works on what is stored last."""
    if value.array is not None:
        value = constant(value.array)
    order = value.order
    if order[axis] != value.rank - 1:
        order = tuple(
            value.rank - 1 if i == axis else stored - (stored > order[axis])
            for i, stored in enumerate(order)
        )
    tensor = value.stored(order)
    if node.operator == "Hardmax":
        depth = value.shape[axis]
        return Value(tf.one_hot(tf.argmax(tensor, -1), depth, dtype=tensor.dtype), order)
    function = tf.nn.softmax if node.operator == "Softmax" else tf.nn.log_softmax
    return Value(function(tensor), order, nonnegative=node.operator == "Softmax")
