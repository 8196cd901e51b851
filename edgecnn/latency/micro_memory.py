"""The arena that TensorFlow Lite Micro would need for a network that is only written down."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecnn.errors import InputError
from edgecnn.latency.cost import ACTIVATION_BYTES, INPUT
from edgecnn.tflm import arena

if TYPE_CHECKING:
    from edgecnn.latency.cost import NetCost, OperatorCost

# Constants that an operator reads in a .tflite file, beside the one that is a factor or a summand.
_CONSTANTS = {
    "ARG_MAX": 1, "BATCH_TO_SPACE_ND": 2, "CONV_2D": 2, "DEPTHWISE_CONV_2D": 2, "EXPAND_DIMS": 1,
    "FULLY_CONNECTED": 2, "GATHER": 1, "MEAN": 1, "MIRROR_PAD": 1, "PAD": 1, "PADV2": 2,
    "REDUCE_MAX": 1, "RESHAPE": 1, "RESIZE_BILINEAR": 1, "RESIZE_NEAREST_NEIGHBOR": 1, "SLICE": 2,
    "SPACE_TO_BATCH_ND": 2, "SPLIT": 1, "STRIDED_SLICE": 3, "SUM": 1, "TILE": 1, "TRANSPOSE": 1,
    "TRANSPOSE_CONV": 3,
}  # fmt: skip
_PER_CHANNEL = {"CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV", "FULLY_CONNECTED"}
_DTYPES = {"int8": "int8", "int16x8": "int16"}


def estimate(cost: NetCost) -> arena.ArenaEstimate:
    """Reckon the arena of a network's .tflite file.

    A network's inputs count as one, and so do the results of an operator that has several.

    Raises:
        InputError: it has no operators, or nobody wrote down what they read.
    """
    if not cost.operators or len(cost.sources) != len(cost.operators):
        raise InputError(
            f"The arena of {cost.name} is not known: no operators, or not what they read.",
            hint="Export it, and measure: `edgecnn mcu`.",
        )
    return arena.estimate(_network(cost))


def _network(cost: NetCost) -> arena.Network:
    """Tensor 0 is the input, tensor N + 1 the result of operator N; constants come behind."""
    operators = tuple(map(_operator, range(len(cost.operators)), cost.operators, cost.sources))
    read = {place for places in cost.sources for place in places}
    outputs = [place + 1 for place in range(len(operators)) if place not in read]
    first = cost.operators[0]
    activations = (
        cost.input_elements * ACTIVATION_BYTES[first.precision],
        *(operator.bytes_written for operator in cost.operators),
    )
    constants = sum(map(_constants, cost.operators))
    return arena.Network(
        (*activations, *[None] * constants), operators, (INPUT + 1,), tuple(outputs)
    )


def _operator(place: int, cost: OperatorCost, sources: tuple[int, ...]) -> arena.Operator:
    dtype = _DTYPES.get(cost.precision, "float32")
    return arena.Operator(
        name=cost.name,
        reads=tuple(source + 1 for source in sources),
        writes=(place + 1,),
        tensors=len(sources) + _constants(cost) + 1,
        channels=cost.out_channels if _keeps_channels(cost.name, dtype) else 0,
        scratch_bytes=arena.scratch_bytes(cost.name, dtype, cost.output_elements),
    )


def _keeps_channels(name: str, dtype: str) -> bool:
    """TFLM's convolutions make room for scales of channels in float too."""
    return name in _PER_CHANNEL and (dtype != "float32" or name != "FULLY_CONNECTED")


def _constants(cost: OperatorCost) -> int:
    return _CONSTANTS.get(cost.name, min(cost.weight_elements, 1))
