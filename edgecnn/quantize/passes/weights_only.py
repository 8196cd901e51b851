"""Stores weights as int8, one scale an output, behind a DEQUANTIZE that the runtime folds away.

For operators that no kernel computes with float activations and integer weights: the file shrinks,
the arithmetic stays float.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgecnn.formats.tflite_graph import Operator, Quantization
from edgecnn.quantize import rounding
from edgecnn.quantize.kernels import WEIGHTED
from edgecnn.quantize.passes import PassResult

if TYPE_CHECKING:
    from collections.abc import Collection

    from edgecnn.formats.tflite_graph import Graph, Tensor


def apply(graph: Graph, names: Collection[str]) -> PassResult:
    """Change a float graph in place; counts constants.

    Args:
        graph: changed in place.
        names: of the operators, each weighted.
    """
    axes = {
        weights: WEIGHTED[operator.name].axis
        for operator in graph.operators
        if operator.name in names
        and (weights := operator.input(WEIGHTED[operator.name].weights)) is not None
        and weights.is_float and weights.is_constant
    }  # fmt: skip
    for weights, axis in axes.items():
        _store(graph, weights, axis)
    return PassResult(len(axes))


def _store(graph: Graph, weights: Tensor, axis: int) -> None:
    values = np.moveaxis(np.asarray(weights.data), axis, 0)
    rows = values.reshape(len(values), -1)
    scale = rounding.symmetric_scale(rows)
    steps = np.moveaxis(rounding.nearest(rows, scale).reshape(values.shape), 0, axis)
    stored = graph.add_constant(f"{weights.name}/int8", np.ascontiguousarray(steps))
    zeros = np.zeros(len(scale), np.int64)
    stored.quantization = Quantization(scale.astype(np.float32), zeros, axis)
    weights.data = None
    graph.operators.insert(0, Operator("DEQUANTIZE", [stored], [weights], version=2))
