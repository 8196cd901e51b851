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

from edgecnn.formats.tflite_graph import Quantization
from edgecnn.quantize.kernels import KERNELS
from edgecnn.quantize.passes import PassResult

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edgecnn.formats.tflite_graph import Graph, Operator, Tensor
    from edgecnn.quantize.ranges import Range

_LEVELS = 255
_ZERO_POINT = -128
# XNNPACK converts between scales whose ratio stays below 2^7 (xnn_define_convert).
_LARGEST_SCALE_RATIO = 100.0
_SAME_SCALE = {name for name, kernel in KERNELS.items() if kernel.scale in {"input", "output"}}


def apply(graph: Graph, ranges: Mapping[str, Range]) -> PassResult:
    """Rewrite an int8 graph; counts operators.

    Args:
        graph: changed in place.
        ranges: of the RELUs' outputs by tensor name, for those that share their input's scale.
    """
    rewritten = 0
    for operator in graph.operators:
        if operator.name == "RELU" and _starts_at_zero(graph, operator, ranges):
            operator.become("QUANTIZE", version=2)
            rewritten += 1
    return PassResult(rewritten)


def _starts_at_zero(graph: Graph, operator: Operator, ranges: Mapping[str, Range]) -> bool:
    """Whether the output saturates at real zero, making it so where only this operator decides."""
    source, output = operator.source, operator.output
    if not (source.dtype == output.dtype == "INT8"):
        return False
    before, after = source.quantization, output.quantization
    if before is None or after is None:
        return False
    finest = float(before.scale[0]) / _LARGEST_SCALE_RATIO
    if after.zero_point[0] == _ZERO_POINT and after.scale[0] >= finest:
        return True
    if output.name not in ranges or _constrained(graph, output):
        return bool(after.zero_point[0] == _ZERO_POINT)
    step = max(ranges[output.name][1] / _LEVELS, finest)
    output.quantization = Quantization.of(step, _ZERO_POINT)
    return True


def _constrained(graph: Graph, tensor: Tensor) -> bool:
    """Whether a reader demands that its output have the tensor's scale."""
    return any(reader.name in _SAME_SCALE for reader in graph.consumers(tensor))
