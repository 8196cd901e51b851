"""Weights of an int8 ONNX file that give the same sums on every processor.

x86 without VNNI multiplies uint8 activations by int8 weights two at a time and adds both products
in 16 bits (VPMADDUBSW, Intel's Software Developer's Manual), which saturates: a pair of large
weights of one sign then loses most of its sum, without a word. ONNX Runtime's documentation names
the way out, 7-bit weights; but only pairs matter. The step of an output's weights is chosen so that
no two neighbours can overflow, which costs much less than a bit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn.formats.onnx_graph import OnnxGraph, attribute

if TYPE_CHECKING:
    from collections.abc import Mapping

    import onnx
    from numpy.typing import NDArray

_INT8_MAX = 127
# 255 * (a + b) stays within 16 bits as long as a + b does not pass it.
_LARGEST_PAIR = 128


def overrides(model: onnx.ModelProto, kept_float: set[str]) -> dict[str, list[dict[str, Any]]]:
    """The ranges of weights whose pairs would overflow, as onnxruntime's quantizer takes them.

    Args:
        model: float, about to be quantized per channel.
        kept_float: names of nodes that are not quantized.

    Returns:
        By weight, one entry an output channel; weights that cannot overflow are left out.
    """
    graph = OnnxGraph(model)
    changed: dict[str, list[dict[str, Any]]] = {}
    for node in graph.nodes:
        if node.op_type not in {"Conv", "Gemm", "MatMul"} or node.name in kept_float:
            continue
        weight = graph.constants.get(node.input[1])
        if weight is None or not _is_summed(node, weight):
            continue
        axis, rows = _rows(node, weight)
        ranges = _ranges(rows)
        if ranges is not None:
            changed[node.input[1]] = [{"axis": axis, **entry} for entry in ranges]
    return changed


def _is_summed(node: onnx.NodeProto, weight: NDArray[Any]) -> bool:
    """Whether several products are added up in pairs; a depthwise kernel works otherwise."""
    if node.op_type != "Conv":
        return weight.ndim == 2  # noqa: PLR2004 - a matrix
    return int(weight.shape[1]) > 1 or attribute(node, "group", 1) == 1


def _rows(node: onnx.NodeProto, weight: NDArray[Any]) -> tuple[int, NDArray[Any]]:
    """The axis of outputs, and each output's weights in the order they are added up.

    Convolutions run channels last: the channels of one position lie together.
    """
    if node.op_type == "Conv":
        return 0, np.moveaxis(weight, 1, -1).reshape(len(weight), -1)
    if node.op_type == "Gemm" and attribute(node, "transB", 0):
        return 0, weight
    return 1, weight.T


def _ranges(rows: NDArray[Any]) -> list[Mapping[str, Any]] | None:
    """Lowest and highest weight to make room for, by output; None where no pair overflows."""
    exact = rows.astype(np.float64)
    if exact.shape[1] % 2:
        exact = np.pad(exact, ((0, 0), (0, 1)))
    pairs = exact.reshape(len(exact), -1, 2)
    rising = np.maximum(pairs, 0).sum(axis=2).max(axis=1)
    falling = -np.minimum(pairs, 0).sum(axis=2).min(axis=1)
    natural = np.abs(exact).max(axis=1)
    needed = np.maximum(rising, falling) * _INT8_MAX / _LARGEST_PAIR
    if (needed <= natural).all():
        return None
    largest = np.maximum(natural, needed).astype(rows.dtype)
    return [{"rmin": -limit, "rmax": limit} for limit in largest]
