"""Turns an AVERAGE_POOL_2D that strides over more than its window into a depthwise convolution.

XNNPACK takes no average pool whose stride exceeds its window, and the graph falls in two there (the
document's inception: 2x2, stride 3). A depthwise convolution whose weights are all 1 / (height x
width) is the same sum and the same division. Only windows that never reach beyond the border are
rewritten: a pool divides by the pixels inside, a convolution by all.
"""

from __future__ import annotations

import numpy as np

from edgecnn.formats import tflite_file as tfl

_NHWC = 4
_VALID = 1  # schema.fbs: Padding


def apply(model: tfl.ModelT) -> int:
    """Rewrite a float model in place; returns how many pools were rewritten."""
    graph = tfl.main_graph(model)
    pools = [op for op in graph.operators if _wanted(model, graph, op)]
    for operator in pools:
        _rewrite(model, graph, operator)
    return len(pools)


def _wanted(model: tfl.ModelT, graph: tfl.SubGraphT, operator: tfl.OperatorT) -> bool:
    if tfl.operator_name(model, operator) != "AVERAGE_POOL_2D":
        return False
    options, tensor = operator.builtinOptions, graph.tensors[int(operator.inputs[0])]
    strides_over = options.strideH > options.filterHeight or options.strideW > options.filterWidth
    return bool(
        strides_over
        and options.padding == _VALID
        and len(tensor.shape) == _NHWC
        and tfl.type_name(tensor) == "FLOAT32"
    )


def _rewrite(model: tfl.ModelT, graph: tfl.SubGraphT, operator: tfl.OperatorT) -> None:
    options, source = operator.builtinOptions, int(operator.inputs[0])
    channels = int(graph.tensors[source].shape[-1])
    window = options.filterHeight * options.filterWidth
    shape = (1, options.filterHeight, options.filterWidth, channels)
    name = tfl.tensor_name(graph.tensors[int(operator.outputs[0])])
    weights = tfl.add_tensor(graph, graph.tensors[source], f"{name}/average_weights")
    tfl.set_constant(model, graph, weights, np.full(shape, 1 / window, np.float32))
    bias = tfl.add_tensor(graph, graph.tensors[source], f"{name}/average_bias")
    tfl.set_constant(model, graph, bias, np.zeros(channels, np.float32))
    made = tfl.depthwise_options(options)
    operator.opcodeIndex = tfl.opcode_index(model, "DEPTHWISE_CONV_2D")
    operator.inputs = np.asarray([source, weights, bias], np.int32)
    operator.builtinOptionsType, operator.builtinOptions = made
