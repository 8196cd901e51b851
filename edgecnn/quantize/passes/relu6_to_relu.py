"""Writes an unfused RELU6 as a RELU, in a model that is about to be quantized.

litert-quantizer knows no RELU6 and would compute it in float. An integer tensor saturates at the
end of its range, and the range of a RELU6's output ends at 6 or, where the calibration images saw
less, below: everything above is cut off there, which is what a RELU6 does. So a RELU into the same
range computes the same steps.
"""

from __future__ import annotations

from edgecnn.formats import tflite_file as tfl


def apply(model: tfl.ModelT) -> int:
    """Rewrite a float model in place; returns how many were rewritten."""
    found = [
        operator
        for operator in tfl.main_graph(model).operators
        if tfl.operator_name(model, operator) == "RELU6"
    ]
    for operator in found:
        operator.opcodeIndex = tfl.opcode_index(model, "RELU")
    return len(found)
