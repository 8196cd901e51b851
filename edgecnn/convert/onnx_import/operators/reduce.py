"""Reductions over axes, and searches along one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from edgecnn.convert.onnx_import.lazy import tf
from edgecnn.convert.onnx_import.table import operator
from edgecnn.convert.onnx_import.value import Value, without_axes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from edgecnn.convert.onnx_import.node import Node


def _log_sum_exp(x: Any, axes: list[int], keep: bool) -> Any:  # noqa: ANN401, FBT001 - tf.Tensor
    """Shifted by the maximum, so that exp does not overflow."""
    top = tf.reduce_max(x, axes, keepdims=True)
    sum_ = tf.math.log(tf.reduce_sum(tf.exp(x - top), axes, keepdims=True)) + top
    return sum_ if keep else tf.squeeze(sum_, axes)


_REDUCTIONS: Mapping[str, Callable[[Any, list[int], bool], Any]] = {
    "ReduceL1": lambda x, a, k: tf.reduce_sum(tf.abs(x), a, keepdims=k),
    "ReduceL2": lambda x, a, k: tf.sqrt(tf.reduce_sum(tf.square(x), a, keepdims=k)),
    "ReduceLogSum": lambda x, a, k: tf.math.log(tf.reduce_sum(x, a, keepdims=k)),
    "ReduceLogSumExp": _log_sum_exp,
    "ReduceMax": lambda x, a, k: tf.reduce_max(x, a, keepdims=k),
    "ReduceMean": lambda x, a, k: tf.reduce_mean(x, a, keepdims=k),
    "ReduceMin": lambda x, a, k: tf.reduce_min(x, a, keepdims=k),
    "ReduceProd": lambda x, a, k: tf.reduce_prod(x, a, keepdims=k),
    "ReduceSum": lambda x, a, k: tf.reduce_sum(x, a, keepdims=k),
    "ReduceSumSquare": lambda x, a, k: tf.reduce_sum(tf.square(x), a, keepdims=k),
}
_KEEPS_SIGN = {"ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum"}


@operator(*_REDUCTIONS)
def reduce(node: Node) -> Value:
    """Over some axes, or all."""
    value = node.value(0)
    axes = node.option(1, "axes", node.get("axes"))
    if not axes:
        if node.get("noop_with_empty_axes", 0):
            return value
        axes = list(range(value.rank))
    axes = sorted(axis % value.rank for axis in axes)
    stored = sorted(value.order[axis] for axis in axes)
    keep = bool(node.get("keepdims", 1))
    tensor = _REDUCTIONS[node.operator](value.tensor, stored, keep)
    nonnegative = (value.nonnegative and node.operator in _KEEPS_SIGN) or node.operator in {
        "ReduceL1", "ReduceL2", "ReduceSumSquare",
    }  # fmt: skip
    order = value.order if keep else without_axes(value.order, axes)
    return Value(tensor, order, nonnegative=nonnegative)


@operator("ArgMax", "ArgMin", note="the first of equals")
def arg(node: Node) -> Value:
    """Index of the largest or smallest element along an axis."""
    if node.get("select_last_index", 0):
        raise node.refused("it asks for the last of equal elements")
    value = node.value(0)
    axis = node.axis(0)
    function = tf.argmax if node.operator == "ArgMax" else tf.argmin
    tensor = function(value.tensor, value.order[axis], output_type=tf.int64)
    if node.get("keepdims", 1):
        return Value(tf.expand_dims(tensor, value.order[axis]), value.order, nonnegative=True)
    return Value(tensor, without_axes(value.order, [axis]), nonnegative=True)


@operator("TopK", note="of a constant number")
def top_k(node: Node) -> tuple[Value, Value]:
    """The k largest or smallest elements along an axis, sorted, and where they were."""
    value, count = node.value(0), node.option(1, "number", node.get("k"))
    count = int(count[0] if isinstance(count, list) else count)
    axis = node.axis(-1)
    order = last_axis_order(value, axis)
    tensor = value.stored(order)
    smallest = not node.get("largest", 1)
    best, where = tf.math.top_k(-tensor if smallest else tensor, count)
    best = -best if smallest else best
    return Value(best, order), Value(tf.cast(where, tf.int64), order, nonnegative=True)


def last_axis_order(value: Value, axis: int) -> tuple[int, ...]:
    """The value's order, but with one axis stored last."""
    place = value.order[axis]
    return tuple(
        value.rank - 1 if i == axis else stored - (stored > place)
        for i, stored in enumerate(value.order)
    )


@operator("CumSum", note="along a constant axis")
def cumulative_sum(node: Node) -> Value:
    """Sums of all elements up to each."""
    value = node.value(0)
    axis = value.order[int(node.known(1, "axis").reshape(())) % value.rank]
    options = {"exclusive": bool(node.get("exclusive", 0)), "reverse": bool(node.get("reverse", 0))}
    return replace(value, tensor=tf.cumsum(value.tensor, axis, **options), nonnegative=False)
