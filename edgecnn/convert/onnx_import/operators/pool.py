"""Pooling."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn.convert.onnx_import.dilated import dilated_max
from edgecnn.convert.onnx_import.edges import with_edges
from edgecnn.convert.onnx_import.lazy import tf
from edgecnn.convert.onnx_import.reshaping import reshaped, settled
from edgecnn.convert.onnx_import.table import operator
from edgecnn.convert.onnx_import.windows import Windows, over_one_axis, windows

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from edgecnn.convert.onnx_import.node import Node
    from edgecnn.convert.onnx_import.value import Value


def _limit(attributes: Mapping[str, Any]) -> str:
    if len(attributes.get("kernel_shape", [])) > 3:  # noqa: PLR2004 - spatial axes
        return "it pools over more than three axes"
    return ""


def _limit_average(attributes: Mapping[str, Any]) -> str:
    if any(step != 1 for step in attributes.get("dilations", [])):
        return "TFLite has no dilated average"
    return _limit(attributes)


@operator("MaxPool", limit=_limit, note="values only, no indices")
def max_pool(node: Node) -> Value:
    """MaxPool; the border counts as minus infinity."""
    if len(node.outputs) > 1 and node.outputs[1]:
        raise node.refused("its indices are asked for")
    if any(step != 1 for step in node.get("dilations", [])):
        return dilated_max(node)
    if (rank := node.value(0).rank) != 4:  # noqa: PLR2004 - two spatial axes
        return _other_rank(node, max_pool, rank)
    over = windows(node, node.get("kernel_shape"))
    image, padding = over.operand()
    value = node.value(0)
    if padding == "VALID" and any(sum(pad) for pad in over.pads) and not value.nonnegative:
        # Each window holds its edge's own element: repeating that changes no maximum, keeps the
        # range that calibration sees, and stays within XNNPACK.
        image = with_edges(over.tensor, [(0, 0), *over.pads, (0, 0)])
    pooled = tf.nn.max_pool2d(image, over.kernel, over.strides, padding)
    return over.result(pooled, nonnegative=value.nonnegative)


@operator("AveragePool", limit=_limit_average, note="without dilations")
def average_pool(node: Node) -> Value:
    """AveragePool; the border counts, or does not, as the model says."""
    if (rank := node.value(0).rank) != 4:  # noqa: PLR2004 - two spatial axes
        return _other_rank(node, average_pool, rank)
    over = windows(node, node.get("kernel_shape"))
    counts_border = bool(node.get("count_include_pad", 0))
    nonnegative = node.value(0).nonnegative
    if over.same and not counts_border:
        pooled = tf.nn.avg_pool2d(over.tensor, over.kernel, over.strides, "SAME")
        return over.result(pooled, nonnegative=nonnegative)
    pooled = tf.nn.avg_pool2d(over.padded(), over.kernel, over.strides, "VALID")
    factors = _factors(over, counts_border=counts_border)
    if not np.all(factors == 1):
        pooled = tf.multiply(pooled, tf.constant(factors.astype(np.float32)))
    return over.result(pooled, nonnegative=nonnegative)


def _factors(over: Windows, *, counts_border: bool) -> np.ndarray:
    """A window's size over the number of its elements that count, (1, H, W, 1)."""
    ratios = []
    for axis, steps in enumerate(over.steps):
        front, behind = over.full[axis] if counts_border else (0, 0)
        starts = np.arange(steps) * over.strides[axis] - over.pads[axis][0]
        ends = np.minimum(starts + over.kernel[axis], over.sizes[axis] + behind)
        ratios.append(over.kernel[axis] / (ends - np.maximum(starts, -front)))
    return (ratios[0][:, None] * ratios[1][None, :])[None, :, :, None]


def _other_rank(node: Node, pool: Callable[[Node], Value], rank: int) -> Value:
    """One axis as two of which one is 1; three axes as two, then the third."""
    value = node.value(0)
    if rank == 3:  # noqa: PLR2004 - one spatial axis
        return over_one_axis(node, pool, 1)
    if node.get("ceil_mode", 0) or node.get("count_include_pad", 0):
        raise node.refused("TFLite has no pooling over three axes")
    batch, channels, *sizes = value.shape
    merged = settled(reshaped(value, (batch, channels * sizes[0], *sizes[1:])))
    flat = pool(replace(node, operands=(merged,), attributes=_chosen(node, (1, 2))))
    planes = flat.shape[2:]
    deep = settled(reshaped(flat, (batch, channels, sizes[0], planes[0] * planes[1])))
    kept = {**_chosen(node, (0,)), "kernel_shape": [node.get("kernel_shape")[0], 1]}
    kept["strides"] = [node.get("strides", [1, 1, 1])[0], 1]
    front, behind = _chosen(node, (0,))["pads"]
    kept["pads"] = [front, 0, behind, 0]
    result = pool(replace(node, operands=(deep,), attributes=kept))
    return settled(reshaped(result, (*result.shape[:3], *planes)))


def _chosen(node: Node, axes: Sequence[int]) -> dict[str, Any]:
    """A pooling's attributes for some of its three axes."""
    pads = node.get("pads", [0] * 6)
    return {
        "kernel_shape": [node.get("kernel_shape")[axis] for axis in axes],
        "strides": [node.get("strides", [1, 1, 1])[axis] for axis in axes],
        "pads": [pads[axis] for axis in axes] + [pads[axis + 3] for axis in axes],
        "auto_pad": node.get("auto_pad", "NOTSET"),
    }


@operator("GlobalAveragePool", "GlobalMaxPool")
def global_pool(node: Node) -> Value:
    """The mean or maximum over all spatial axes, which stay with size 1."""
    value = node.value(0)
    axes = [value.order[axis] for axis in range(2, value.rank)]
    function = tf.reduce_mean if node.operator == "GlobalAveragePool" else tf.reduce_max
    return value.map(
        lambda tensor: function(tensor, axes, keepdims=True), nonnegative=value.nonnegative
    )
