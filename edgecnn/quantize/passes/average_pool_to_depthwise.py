"""Turns an AVERAGE_POOL_2D that strides over more than its window into a depthwise convolution.

XNNPACK takes no average pool whose stride exceeds its window, and the graph falls in two there (the
document's inception: 2x2, stride 3). A depthwise convolution whose weights are all 1 / (height x
width) is the same sum and the same division. Only windows that never reach beyond the border are
rewritten: a pool divides by the pixels inside, a convolution by all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgecnn.formats import tflite_schema
from edgecnn.quantize.passes import PassResult

if TYPE_CHECKING:
    from edgecnn.formats.tflite_graph import Graph, Operator

_NHWC = 4
_VALID = 1  # schema.fbs: Padding


def apply(graph: Graph) -> PassResult:
    """Rewrite a float graph; counts pools."""
    pools = [operator for operator in graph.operators if _leaves_gaps(operator)]
    for operator in pools:
        _rewrite(graph, operator)
    return PassResult(len(pools))


def _leaves_gaps(operator: Operator) -> bool:
    if operator.name != "AVERAGE_POOL_2D":
        return False
    options = operator.options
    strides_over = options.strideH > options.filterHeight or options.strideW > options.filterWidth
    return bool(
        strides_over
        and options.padding == _VALID
        and len(operator.source.shape) == _NHWC
        and operator.source.is_float
    )


def _rewrite(graph: Graph, operator: Operator) -> None:
    pool, source, name = operator.options, operator.source, operator.output.name
    window = pool.filterHeight * pool.filterWidth
    shape = (1, pool.filterHeight, pool.filterWidth, source.channels)
    weights = graph.add_like(source, f"{name}/average_weights")
    weights.data = np.full(shape, 1 / window, np.float32)
    bias = graph.add_like(source, f"{name}/average_bias")
    bias.data = np.zeros(source.channels, np.float32)
    options = tflite_schema.new_options("DepthwiseConv2DOptions")
    options.padding = pool.padding
    options.strideH, options.strideW = pool.strideH, pool.strideW
    options.dilationHFactor = options.dilationWFactor = 1
    options.depthMultiplier = 1
    options.fusedActivationFunction = pool.fusedActivationFunction
    operator.become("DEPTHWISE_CONV_2D", options)
    operator.inputs = [source, weights, bias]
