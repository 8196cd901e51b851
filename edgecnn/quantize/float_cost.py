"""What a layer costs when it computes in float32 instead of int8, in multiply-accumulates.

An estimate for a Cortex-A72 (1.5 GHz, XNNPACK), to weigh layers against one another by and for
nothing else: there a multiply-accumulate loses some 0.06 ns, a weight 0.9 ns (three bytes more from
memory), an element of an activation 0.5 ns, and one that is converted between float32 and int8
0.7 ns.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgecnn.quantize import kernels

if TYPE_CHECKING:
    from edgecnn.formats.tflite_graph import Operator

_OF_WEIGHT, _OF_ELEMENT, _OF_CONVERTED = 15.0, 8.0, 12.0
_OF_OPERATOR = 16_000.0  # a microsecond to start a conversion, or a kernel of its own


@dataclass(frozen=True)
class FloatCost:
    """Of one layer, in multiply-accumulates.

    Attributes:
        layer: what it costs to compute in float.
        crossing: what it costs to convert its output.
    """

    layer: float = 1.0
    crossing: float = 0.0


EQUAL = FloatCost()  # where layers are counted


def of(operator: Operator) -> FloatCost:
    """The cost of an operator of the float graph."""
    elements = operator.output.elements
    weights = max((t.elements for t in operator.read if t.is_constant), default=0)
    return FloatCost(
        _OF_OPERATOR + _macs(operator) + _OF_WEIGHT * weights + _OF_ELEMENT * elements,
        _OF_OPERATOR + _OF_CONVERTED * elements,
    )


def _macs(operator: Operator) -> int:
    if operator.name == "BATCH_MATMUL":
        return operator.output.elements * operator.read[0].shape[-1]
    parts = kernels.WEIGHTED.get(operator.name)
    if parts is None:
        return 0
    kernel, axis, places = operator.read[parts.weights], parts.axis, operator.output
    if operator.name == "TRANSPOSE_CONV":  # each input is multiplied, not each output summed
        axis, places = -1, operator.read[parts.data]
    return places.elements * kernel.elements // max(1, kernel.shape[axis])
