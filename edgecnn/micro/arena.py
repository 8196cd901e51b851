"""How large an arena TensorFlow Lite Micro needs for a file, without running it.

Activations are planned as TFLM plans them. What it keeps beside them is reckoned from its own
structures (`micro_allocator.cc`, `kernels/*.cc` of tflite-micro, commit 90b983c) as a 64-bit
machine lays them out, which is more than a Cortex-M needs: its pointers are half as long. What a
kernel keeps is rounded up, so that an estimate is mostly a little above what TFLM takes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecnn.errors import InputError
from edgecnn.micro.planner import Buffer, aligned, planned_bytes
from edgecnn.micro.record import ArenaEstimate

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from edgecnn.inspection.tflite_graph import Graph, Model, Node

_ELEMENT_BYTES = {
    "int8": 1, "uint8": 1, "bool": 1, "int16": 2, "uint16": 2, "float16": 2, "bfloat16": 2,
    "int32": 4, "uint32": 4, "float32": 4, "int64": 8, "uint64": 8, "float64": 8,
}  # fmt: skip
_EVAL_TENSOR, _NODE, _END = 24, 64, 96
_FIXED = 720
_KERNEL = {
    "ADD": 112, "AVERAGE_POOL_2D": 48, "CONCATENATION": 80, "CONV_2D": 112,
    "DEPTHWISE_CONV_2D": 112, "FULLY_CONNECTED": 96, "MAX_POOL_2D": 48, "MEAN": 96, "MUL": 64,
    "QUANTIZE": 48, "RESHAPE": 0, "SOFTMAX": 96, "TRANSPOSE_CONV": 112,
}  # fmt: skip
_ANY_KERNEL = 64
# Those of the nets that estimates were held against (`tools/measure_arena.py`): 26 that the numbers
# above were set with, within 4 %, and 13 that were left out, within 8 %. Not BATCH_MATMUL: a net of
# little else took twice its estimate.
_HELD = {
    *_KERNEL, "ARG_MAX", "DEQUANTIZE", "EXP", "EXPAND_DIMS", "HARD_SWISH", "LEAKY_RELU", "LOG",
    "LOGISTIC", "MINIMUM", "MIRROR_PAD", "PACK", "PAD", "REDUCE_MAX", "RELU", "RESIZE_BILINEAR",
    "RSQRT", "SHAPE", "SLICE", "SPLIT", "SQRT", "STRIDED_SLICE", "SUB", "SUM", "TANH", "TRANSPOSE",
    "UNPACK",
}  # fmt: skip
_PER_CHANNEL = {"CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV", "FULLY_CONNECTED"}
# While it allocates: a plan entry for every tensor and for every one that is planned.
_PLAN_TENSOR, _PLAN_BUFFER = 32, 40


def estimate(model: Model, name: str) -> ArenaEstimate:
    """Reckon the arena of a file.

    Args:
        model: the file, as `inspection.flatbuffer` reads it.
        name: what errors call it.

    Raises:
        InputError: a shape is open, a dtype has no known size, or the graph calls others.
    """
    if len(model.graphs) > 1:
        raise InputError(
            f"{name} has {len(model.graphs)} subgraphs: the arena is estimated for one only.",
            hint="pip install 'edgecnn[mcu]' measures it.",
        )
    graph = model.graphs[0]
    buffers = lifetimes(graph, name)
    planned = planned_bytes(buffers)
    persistent = aligned(_FIXED + sum(_kept(graph, node) for node in graph.nodes)
                         + _EVAL_TENSOR * len(graph.tensors)
                         + _END * (len(graph.inputs) + len(graph.outputs)))  # fmt: skip
    preparing = max(
        _PLAN_TENSOR * len(graph.tensors) + _PLAN_BUFFER * len(buffers),
        max((_prepared(graph, node) for node in graph.nodes), default=0),
    )
    return ArenaEstimate(planned, persistent, aligned(max(0, preparing - planned)))


def unmeasured(names: Iterable[str]) -> tuple[str, ...]:
    """Operators of which no estimate was ever held against a measured arena, each once."""
    return tuple(sorted(set(names) - _HELD))


def lifetimes(graph: Graph, name: str) -> tuple[Buffer, ...]:
    """What must be held when, in the order of the file's tensors; steps count from 1.

    Raises:
        InputError: an open shape, or a dtype of no known size.
    """
    first = dict.fromkeys(graph.inputs, 0)
    last = dict(first)
    for step, node in enumerate(graph.nodes, start=1):
        for tensor in node.outputs:
            first.setdefault(tensor, step)
        last.update(dict.fromkeys((*node.inputs, *node.outputs), step))
    end = len(graph.nodes)
    for tensor in graph.outputs:
        first.setdefault(tensor, end)
        last[tensor] = end
    planned = [k for k, t in enumerate(graph.tensors) if k in first and t.buffer is None]
    held = [Buffer(_bytes(graph, tensor, name), first[tensor], last[tensor]) for tensor in planned]
    return (*held, *_scratch(graph, name))


def _scratch(graph: Graph, name: str) -> Iterator[Buffer]:
    """What kernels ask for while they run: a transposed convolution's sums, before rounding."""
    for step, node in enumerate(graph.nodes, start=1):
        if node.name == "TRANSPOSE_CONV":
            written = graph.tensors[node.outputs[0]]
            wide = {"int8": 4, "int16": 8}.get(written.dtype, 0)
            if wide:
                narrow = _ELEMENT_BYTES[written.dtype]
                yield Buffer(_bytes(graph, node.outputs[0], name) // narrow * wide, step, step)


def _bytes(graph: Graph, index: int, name: str) -> int:
    tensor = graph.tensors[index]
    size = _ELEMENT_BYTES.get(tensor.dtype)
    if size is None or (not tensor.ranked and tensor.shape):
        raise InputError(f"{name}: how much {tensor.name!r} ({tensor.dtype}) takes is not known.")
    if any(length < 0 for length in tensor.open_shape[1:]):
        raise InputError(
            f"{name} leaves sizes of {tensor.name!r} open: {tensor.open_shape}.",
            hint="Export it with --input-size or --input-shape.",
        )
    return tensor.elements * size


def _kept(graph: Graph, node: Node) -> int:
    """What TFLM and the kernel keep for one operator."""
    channels = 2 * aligned(4 * _channels(graph, node))
    return _NODE + _KERNEL.get(node.name, _ANY_KERNEL) + channels


def _prepared(graph: Graph, node: Node) -> int:
    """What preparing one operator takes for a moment: its tensors, with scales and zero points."""
    channels = _channels(graph, node)
    return 96 * (len(node.inputs) + len(node.outputs)) + 2 * aligned(4 * channels)


def _channels(graph: Graph, node: Node) -> int:
    """How many scales its weights have; 0 where they have one for all."""
    if node.name not in _PER_CHANNEL or len(node.inputs) < 2:  # noqa: PLR2004 - data and weights
        return 0
    data, weights = (graph.tensors[index] for index in node.inputs[:2])
    if data.dtype == "float32" or (node.name == "FULLY_CONNECTED" and weights.scale is not None):
        return 0
    return graph.tensors[node.outputs[0]].shape[-1]
