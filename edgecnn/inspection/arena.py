"""A .tflite file as the network whose arena `edgecnn.tflm.arena` reckons."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecnn.errors import InputError
from edgecnn.tflm import arena

if TYPE_CHECKING:
    from edgecnn.inspection.tflite_graph import Graph, Model, Node

_PER_CHANNEL = {"CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV", "FULLY_CONNECTED"}


def estimate(model: Model, name: str) -> arena.ArenaEstimate:
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
    return arena.estimate(_network(model.graphs[0], name))


def _network(graph: Graph, name: str) -> arena.Network:
    """Sizes are asked of tensors that are written only: others are constants or are not used."""
    written = {tensor for node in graph.nodes for tensor in node.outputs}
    planned = {
        tensor
        for tensor in written.union(graph.inputs, graph.outputs)
        if graph.tensors[tensor].buffer is None
    }
    return arena.Network(
        tuple(
            _bytes(graph, tensor, name) if tensor in planned else None
            for tensor in range(len(graph.tensors))
        ),
        tuple(_operator(graph, node) for node in graph.nodes),
        graph.inputs,
        graph.outputs,
    )


def _operator(graph: Graph, node: Node) -> arena.Operator:
    written = graph.tensors[node.outputs[0]] if node.outputs else None
    return arena.Operator(
        name=node.name,
        reads=node.inputs,
        writes=node.outputs,
        tensors=len(node.inputs) + len(node.outputs),
        channels=_channels(graph, node),
        scratch_bytes=arena.scratch_bytes(node.name, written.dtype, written.elements)
        if written is not None
        else 0,
    )


def _bytes(graph: Graph, index: int, name: str) -> int:
    tensor = graph.tensors[index]
    size = arena.ELEMENT_BYTES.get(tensor.dtype)
    if size is None or (not tensor.ranked and tensor.shape):
        raise InputError(f"{name}: how much {tensor.name!r} ({tensor.dtype}) takes is not known.")
    if any(length < 0 for length in tensor.open_shape[1:]):
        raise InputError(
            f"{name} leaves sizes of {tensor.name!r} open: {tensor.open_shape}.",
            hint="Export it with --input-size or --input-shape.",
        )
    return tensor.elements * size


def _channels(graph: Graph, node: Node) -> int:
    """How many scales there is room for: of integer weights, and in convolutions of float ones."""
    if node.name not in _PER_CHANNEL or len(node.inputs) < 2:  # noqa: PLR2004 - data and weights
        return 0
    data, weights = (graph.tensors[index] for index in node.inputs[:2])
    if node.name == "FULLY_CONNECTED" and (data.dtype == "float32" or weights.scale is not None):
        return 0
    return graph.tensors[node.outputs[0]].shape[-1]
