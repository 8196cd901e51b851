"""Writes an unfused RELU6 as a RELU, in a model that is about to be quantized.

litert-quantizer knows no RELU6 and would compute it in float. An integer tensor saturates at the
end of its range, and the range of a RELU6's output ends at 6 or, where the calibration images saw
less, below: everything above is cut off there, which is what a RELU6 does. So a RELU into the same
range computes the same steps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecnn.quantize.passes import PassResult

if TYPE_CHECKING:
    from edgecnn.formats.tflite_graph import Graph


def apply(graph: Graph) -> PassResult:
    """Rewrite a float graph; counts operators."""
    operators = [operator for operator in graph.operators if operator.name == "RELU6"]
    for operator in operators:
        operator.become("RELU", operator.options)
    return PassResult(len(operators))
