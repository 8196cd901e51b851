"""Arithmetic, comparisons and logic, element by element."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn.convert.onnx_import.broadcasting import elementwise
from edgecnn.convert.onnx_import.lazy import function, tf
from edgecnn.convert.onnx_import.table import operator

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from edgecnn.convert.onnx_import.node import Node
    from edgecnn.convert.onnx_import.value import Value


def _quotient(a: Any, b: Any) -> Any:  # noqa: ANN401 - tf.Tensor
    """ONNX divides integers towards zero; TFLite has a kernel for those of 32 bits alone.

    Wider ones count places (TopK's, by the width of a map): what counts them fits into 32 bits.
    """
    if a.dtype.is_floating:
        return tf.divide(a, b)
    if a.dtype == tf.int32:
        return tf.raw_ops.Div(x=a, y=b)
    narrow = tf.raw_ops.Div(x=tf.cast(a, tf.int32), y=tf.cast(b, tf.int32))
    return tf.cast(narrow, a.dtype)


def _angle(opposite: Any, adjacent: Any) -> Any:  # noqa: ANN401 - tf.Tensor
    """TFLite has one function for all inverse ones of trigonometry."""
    return tf.math.atan2(opposite, adjacent)


def _leg(x: Any) -> Any:  # noqa: ANN401 - tf.Tensor
    """The other leg of a right triangle whose longest side is 1."""
    return tf.sqrt((1.0 - x) * (1.0 + x))


def _asinh(x: Any) -> Any:  # noqa: ANN401 - tf.Tensor
    size = tf.abs(x)
    return tf.sign(x) * tf.math.log(size + tf.sqrt(tf.square(x) + 1.0))


# Each is what TFLite has a kernel for, or made of such.
_UNARY: Mapping[str, Callable[[Any], Any]] = {
    "Abs": function("abs"),
    "Acos": lambda x: _angle(_leg(x), x),
    "Acosh": lambda x: tf.math.log(x + tf.sqrt((x - 1.0) * (x + 1.0))),
    "Asin": lambda x: _angle(x, _leg(x)),
    "Asinh": _asinh,
    "Atan": lambda x: _angle(x, tf.ones_like(x)),
    "Atanh": lambda x: 0.5 * tf.math.log((1.0 + x) / (1.0 - x)),
    "Ceil": function("math.ceil"),
    "Cos": function("cos"),
    "Exp": function("exp"),
    "Floor": function("floor"),
    "Log": function("math.log"),
    "Neg": function("negative"),
    "Not": function("logical_not"),
    "Reciprocal": lambda x: tf.divide(tf.constant(1, x.dtype), x),
    "Round": function("round"),
    "Sign": function("sign"),
    "Sin": function("sin"),
    "Sinh": lambda x: (tf.exp(x) - tf.exp(-x)) * 0.5,
    "Cosh": lambda x: (tf.exp(x) + tf.exp(-x)) * 0.5,
    "Sqrt": function("sqrt"),
    "Tan": lambda x: tf.divide(tf.sin(x), tf.cos(x)),
}
_NONNEGATIVE = {"Abs", "Exp", "Sqrt"}

_BINARY: Mapping[str, Callable[[Any, Any], Any]] = {
    "Add": function("add"),
    "And": function("logical_and"),
    "Div": _quotient,
    "Equal": function("equal"),
    "Greater": function("greater"),
    "GreaterOrEqual": function("greater_equal"),
    "Less": function("less"),
    "LessOrEqual": function("less_equal"),
    "Mul": function("multiply"),
    "Or": function("logical_or"),
    "Sub": function("subtract"),
    "Xor": function("not_equal"),
}


@operator(*_UNARY)
def unary(node: Node) -> Value:
    """A function of one tensor."""
    return node.viewed(0).map(_UNARY[node.operator], nonnegative=node.operator in _NONNEGATIVE)


@operator(*_BINARY)
def binary(node: Node) -> Value:
    """A function of two tensors that broadcast."""
    pair = [node.viewed(0), node.viewed(1)]
    both = all(value.nonnegative or _is_nonnegative(value) for value in pair)
    kept = both and node.operator in {"Add", "Mul", "Div"}
    return elementwise(pair, _BINARY[node.operator], nonnegative=kept)


def _is_nonnegative(value: Value) -> bool:
    array = value.array
    return array is not None and array.dtype.kind == "f" and bool(np.all(array >= 0))


@operator("Min", "Max", "Sum", "Mean")
def variadic(node: Node) -> Value:
    """A function of any number of tensors that broadcast."""
    functions = {"Min": tf.minimum, "Max": tf.maximum, "Sum": tf.add, "Mean": tf.add}
    values = [node.viewed(index) for index in range(len(node.operands))]
    result = values[0]
    for value in values[1:]:
        result = elementwise([result, value], functions[node.operator])
    if node.operator == "Mean":
        result = result.map(lambda x: tf.multiply(x, 1.0 / len(values)))
    return result


_SQUARE, _CUBE = 2, 3


@operator("Pow")
def power(node: Node) -> Value:
    """Pow; the exponents that have an operator of their own get it."""
    base, exponent = node.viewed(0), node.value(1)
    known = exponent.array
    if known is not None and known.size == 1:
        number = float(known.reshape(()))
        if number == _SQUARE:
            return base.map(tf.square, nonnegative=True)
        if number == 0.5:  # noqa: PLR2004 - the square root
            return base.map(tf.sqrt, nonnegative=True)
        if number == _CUBE:
            return base.map(lambda x: tf.multiply(tf.square(x), x))
        if number == 1:
            return base
    return elementwise([base, exponent], lambda a, b: tf.pow(a, tf.cast(b, a.dtype)))


@operator("Mod")
def modulo(node: Node) -> Value:
    """Mod: the divisor's sign, or with fmod the dividend's."""

    def truncated(a: Any, b: Any) -> Any:  # noqa: ANN401 - tf.Tensor
        quotient = tf.divide(a, b)
        return a - tf.sign(quotient) * tf.floor(tf.abs(quotient)) * b

    def integer(a: Any, b: Any) -> Any:  # noqa: ANN401 - tf.Tensor
        return a - _quotient(a, b) * b

    pair = [node.viewed(0), node.viewed(1)]
    if not node.get("fmod", 0):
        return elementwise(pair, tf.math.floormod)
    return elementwise(pair, truncated if pair[0].dtype.is_floating else integer)


@operator("Where")
def where(node: Node) -> Value:
    """Where(condition, x, y)."""
    return elementwise([node.viewed(index) for index in range(3)], tf.where)


@operator("Cast", "CastLike")
def cast(node: Node) -> Value:
    """Cast to the number of an ONNX dtype; float64 and float16 become float32."""
    if node.operator == "CastLike":
        target = node.value(1).dtype
    else:
        target = tensorflow_dtype(node.get("to"))
    value = node.viewed(0)
    if value.dtype == target:
        return value
    if target == tf.bool:
        return value.map(lambda x: tf.not_equal(x, tf.constant(0, x.dtype)))
    return value.map(lambda x: tf.cast(x, target), nonnegative=value.nonnegative)


def tensorflow_dtype(number: int) -> Any:  # noqa: ANN401 - tf.DType
    """ONNX's number of a dtype as TensorFlow's; the other floats as float32."""
    import onnx

    dtype = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(number))
    return tf.float32 if dtype.kind == "f" or dtype.name == "bfloat16" else tf.as_dtype(dtype)


@operator("IsNaN")
def is_nan(node: Node) -> Value:
    """What is not equal to itself."""
    return node.viewed(0).map(lambda x: tf.not_equal(x, x))
