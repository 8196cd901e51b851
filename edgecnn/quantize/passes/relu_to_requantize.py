"""Turns an int8 RELU into a QUANTIZE that saturates at zero.

A ReLU that follows an Add whose sum is also the next skip cannot be fused, and XNNPACK takes no
int8 RELU: each one cuts the graph in two. QUANTIZE from int8 to int8 computes
clamp(rescale(q) , -128, 127); with the output's zero point at -128 the lower clamp lies at real
zero, so every negative value becomes zero and every other what RELU would make of it: the same
function, in an operator XNNPACK takes. The output's range starts at zero already (a RELU's does),
so only its zero point is held to -128; where the quantizer gave input and output one scale and
zero point, the output gets its own range from zero up. An output range too small beside the
input's for XNNPACK is widened to what it takes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgecnn.formats import tflite_file as tfl

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edgecnn.quantize.ranges import Range

_LEVELS = 255
_ZERO_POINT = -128
# XNNPACK converts between scales whose ratio stays below 2^7 (xnn_define_convert).
_LARGEST_SCALE_RATIO = 100.0


def apply(model: tfl.ModelT, ranges: Mapping[str, Range]) -> int:
    """Rewrite in place.

    Args:
        model: an int8 model.
        ranges: of the RELUs' outputs by tensor name, for those that share their input's scale.

    Returns:
        How many operators were rewritten.
    """
    graph = tfl.main_graph(model)
    rewritten = 0
    for operator in graph.operators:
        if tfl.operator_name(model, operator) == "RELU" and _starts_at_zero(
            model, graph, operator, ranges
        ):
            operator.opcodeIndex = tfl.opcode_index(model, "QUANTIZE", version=2)
            operator.builtinOptionsType, operator.builtinOptions = 0, None
            rewritten += 1
    return rewritten


def _starts_at_zero(
    model: tfl.ModelT,
    graph: tfl.SubGraphT,
    operator: tfl.OperatorT,
    ranges: Mapping[str, Range],
) -> bool:
    """Whether the output saturates at real zero, making it so where only this operator decides."""
    source, output = (graph.tensors[int(t)] for t in (operator.inputs[0], operator.outputs[0]))
    if not (tfl.type_name(source) == tfl.type_name(output) == "INT8"):
        return False
    before, after = tfl.quantization_of(source), tfl.quantization_of(output)
    if before is None or after is None:
        return False
    finest = float(before[0][0]) / _LARGEST_SCALE_RATIO
    if after[1][0] == _ZERO_POINT and after[0][0] >= finest:
        return True
    name = tfl.tensor_name(output)
    if name not in ranges or _constrained(model, graph, int(operator.outputs[0])):
        return bool(after[1][0] == _ZERO_POINT)
    step = max(ranges[name][1] / _LEVELS, finest)
    output.quantization.scale = np.asarray([step], np.float32)
    output.quantization.zeroPoint = np.asarray([_ZERO_POINT], np.int64)
    return True


_SAME_SCALE = {"MAX_POOL_2D", "AVERAGE_POOL_2D", "RESHAPE", "CONCATENATION", "PAD", "TRANSPOSE"}


def _constrained(model: tfl.ModelT, graph: tfl.SubGraphT, tensor: int) -> bool:
    """Whether a reader demands that its output have the tensor's scale."""
    readers = [graph.operators[index] for index in tfl.consumers(graph)[tensor]]
    return any(tfl.operator_name(model, reader) in _SAME_SCALE for reader in readers)
