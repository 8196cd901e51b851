"""How large a network's file and its process would be: estimates from the cost record."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecnn.latency.cost import MULTIPLYING

if TYPE_CHECKING:
    from edgecnn.latency.cost import NetCost, OperatorCost

# Bytes a weight takes in a file. Each output channel has a scale and a zero point (4 + 8), where
# integers are computed with the bias a second pair, and a bias of 32 bits (int16x8: 64), of which
# one byte is among the weights.
_STORED = {"float32": 4, "float16": 2, "dynamic": 1, "int8": 1, "int16x8": 1}
_CHANNEL_BYTES = {"float32": 0, "float16": 0, "dynamic": 15, "int8": 27, "int16x8": 31}
_OPERATOR_BYTES = 400  # names, shapes and tables of its tensors: 280 to 430
TOLERANCE = 0.05
"""Share of an estimated file size that it may be off by."""
# Fitted on 24 exported files of the zoo, each run by the bench runner with ai-edge-litert 2.3 on
# x86-64: every one within 5% of its measured peak, and nearly all within 2%.
_RUNTIME_BYTES = 53_000_000
_ARENA = {"float32": 1.9, "float16": 1.9, "dynamic": 1.9, "int8": 3.7, "int16x8": 3.7}


def file_bytes(cost: NetCost) -> int:
    """Size of the .tflite; an estimate where there is no file (a few percent)."""
    if cost.size_bytes is not None:
        return cost.size_bytes
    return round(sum(map(_stored, cost.operators)))


def _stored(operator: OperatorCost) -> float:
    channels = operator.out_channels if operator.kind in MULTIPLYING else 0
    precision = operator.precision
    weights = operator.weight_elements * _STORED[precision]
    return weights + channels * _CHANNEL_BYTES[precision] + _OPERATOR_BYTES


def memory_bytes(cost: NetCost) -> int:
    """Peak memory of a process that runs the file in Python with LiteRT and XNNPACK; an estimate.

    The runtime's libraries, the file, the weights as XNNPACK packs them (a dense layer's float16
    ones are unpacked before), and the activations of the most demanding operator with what else is
    alive then.
    """
    unpacked = max((op.weight_bytes for op in cost.operators if _is_unpacked(op)), default=0)
    activations = max(
        (
            (operator.bytes_read + operator.bytes_written) * _ARENA[operator.precision]
            for operator in cost.operators
        ),
        default=0,
    )
    return round(_RUNTIME_BYTES + file_bytes(cost) + cost.weight_bytes + unpacked + activations)


def _is_unpacked(operator: OperatorCost) -> bool:
    return operator.precision == "float16" and operator.kind == "dense"
