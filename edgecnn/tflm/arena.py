"""How large an arena TensorFlow Lite Micro needs, without running it.

Activations are planned as TFLM plans them. What it keeps beside them is reckoned from its own
structures (`micro_allocator.cc`, `kernels/*.cc` of tflite-micro, commit 90b983c) as a 64-bit
machine lays them out, which is more than a Cortex-M needs: its pointers are half as long. What a
kernel keeps is rounded up, so that an estimate is mostly a little above what TFLM takes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgecnn.tflm.planner import Buffer, aligned, planned_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable

ELEMENT_BYTES = {
    "int8": 1, "uint8": 1, "bool": 1, "int16": 2, "uint16": 2, "float16": 2, "bfloat16": 2,
    "int32": 4, "uint32": 4, "float32": 4, "int64": 8, "uint64": 8, "float64": 8,
}  # fmt: skip
# Far beyond the errors seen on 26 nets (at most 4 %): other kernels keep other things.
TOLERANCE = 0.1
"""Share of an estimate that it may be off by."""

_EVAL_TENSOR, _NODE, _END = 24, 64, 96
_FIXED = 720
_KERNEL = {
    "ADD": 112, "AVERAGE_POOL_2D": 48, "CONCATENATION": 80, "CONV_2D": 112,
    "DEPTHWISE_CONV_2D": 112, "FULLY_CONNECTED": 96, "MAX_POOL_2D": 48, "MEAN": 96, "MUL": 64,
    "QUANTIZE": 48, "RESHAPE": 0, "SOFTMAX": 96, "TRANSPOSE_CONV": 112,
}  # fmt: skip
_ANY_KERNEL = 64
CONVERSION_BYTES = _NODE + _ANY_KERNEL + _EVAL_TENSOR
"""Of a QUANTIZE or DEQUANTIZE, with the tensor it makes."""
# Those of the nets that estimates were held against (`tools/measure_arena.py`): 26 that the numbers
# above were set with, within 4 %, and 13 that were left out, within 8 %. Not BATCH_MATMUL: a net of
# little else took twice its estimate.
_HELD = {
    *_KERNEL, "ARG_MAX", "DEQUANTIZE", "EXP", "EXPAND_DIMS", "HARD_SWISH", "LEAKY_RELU", "LOG",
    "LOGISTIC", "MINIMUM", "MIRROR_PAD", "PACK", "PAD", "REDUCE_MAX", "RELU", "RESIZE_BILINEAR",
    "RSQRT", "SHAPE", "SLICE", "SPLIT", "SQRT", "STRIDED_SLICE", "SUB", "SUM", "TANH", "TRANSPOSE",
    "UNPACK",
}  # fmt: skip
# While it allocates: a plan entry for every tensor and for every one that is planned; and for the
# operator that is prepared, its tensors with scales and zero points.
_PLAN_TENSOR, _PLAN_BUFFER, _PREPARED_TENSOR = 32, 40, 96


@dataclass(frozen=True)
class ArenaEstimate:
    """The arena's size, reckoned from the network alone.

    Attributes:
        planned_bytes: of activations, by the greedy plan.
        persistent_bytes: of TFLM's own records of the graph and its operators.
        preparing_bytes: what allocating needs beyond those two before the first inference.
    """

    planned_bytes: int
    persistent_bytes: int
    preparing_bytes: int

    @property
    def arena_bytes(self) -> int:
        """All of it."""
        return self.planned_bytes + self.persistent_bytes + self.preparing_bytes


@dataclass(frozen=True)
class Operator:
    """One operator, as far as the arena is concerned.

    Attributes:
        name: TFLite's.
        reads: tensors, by their place in the network; constants may be left out.
        writes: likewise.
        tensors: how many it reads and writes, constants too.
        channels: how many scales its weights have; 0 where they have one for all.
        scratch_bytes: what its kernel asks for while it runs.
    """

    name: str
    reads: tuple[int, ...]
    writes: tuple[int, ...]
    tensors: int
    channels: int = 0
    scratch_bytes: int = 0


@dataclass(frozen=True)
class Network:
    """A network whose arena is asked about.

    Attributes:
        tensor_bytes: of every tensor, None for a constant.
        operators: in the order they run.
        inputs: of the network, by their place in `tensor_bytes`.
        outputs: likewise.
    """

    tensor_bytes: tuple[int | None, ...]
    operators: tuple[Operator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


def estimate(network: Network) -> ArenaEstimate:
    """Reckon the arena."""
    buffers = lifetimes(network)
    planned = planned_bytes(buffers)
    tensors, ends = len(network.tensor_bytes), len(network.inputs) + len(network.outputs)
    kept = sum(map(_kept, network.operators)) + _EVAL_TENSOR * tensors + _END * ends
    preparing = max(
        _PLAN_TENSOR * tensors + _PLAN_BUFFER * len(buffers),
        max(map(_prepared, network.operators), default=0),
    )
    return ArenaEstimate(planned, aligned(_FIXED + kept), aligned(max(0, preparing - planned)))


def unmeasured(names: Iterable[str]) -> tuple[str, ...]:
    """Operators of which no estimate was ever held against a measured arena, sorted."""
    return tuple(sorted(set(names) - _HELD))


def lifetimes(network: Network) -> tuple[Buffer, ...]:
    """What must be held when: tensors in their order, then scratch; steps count from 1."""
    first = dict.fromkeys(network.inputs, 0)
    last = dict(first)
    for step, operator in enumerate(network.operators, start=1):
        for tensor in operator.writes:
            first.setdefault(tensor, step)
        last.update(dict.fromkeys((*operator.reads, *operator.writes), step))
    end = len(network.operators)
    for tensor in network.outputs:
        first.setdefault(tensor, end)
        last[tensor] = end
    held = [
        Buffer(size, first[tensor], last[tensor])
        for tensor, size in enumerate(network.tensor_bytes)
        if size is not None and tensor in first
    ]
    scratch = [
        Buffer(operator.scratch_bytes, step, step)
        for step, operator in enumerate(network.operators, start=1)
        if operator.scratch_bytes
    ]
    return (*held, *scratch)


def scratch_bytes(name: str, dtype: str, output_elements: int) -> int:
    """What a kernel asks for: a transposed convolution's sums, before rounding."""
    wide = {"int8": 4, "int16": 8}.get(dtype, 0) if name == "TRANSPOSE_CONV" else 0
    return output_elements * wide


def _kept(operator: Operator) -> int:
    """What TFLM and the kernel keep for one operator."""
    return _NODE + _KERNEL.get(operator.name, _ANY_KERNEL) + _channel_bytes(operator)


def _prepared(operator: Operator) -> int:
    return _PREPARED_TENSOR * operator.tensors + _channel_bytes(operator)


def _channel_bytes(operator: Operator) -> int:
    """A multiplier and a shift for every channel."""
    return 2 * aligned(4 * operator.channels)
