"""The float .tflite as recipes start from it: folded, and with the network's own names at its ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgecnn.formats import tflite_logits
from edgecnn.formats.tflite_graph import Graph
from edgecnn.quantize.passes import average_pool_to_depthwise, fold_affine

if TYPE_CHECKING:
    from edgecnn.convert.float_cache import FloatModel
    from edgecnn.records import Network


@dataclass(frozen=True)
class FloatTflite:
    """The float .tflite as recipes start from it.

    Attributes:
        folded: normalizations folded into weights: the same function in fewer operators.
        unfolded: the weights as they were trained, easier to quantize where nothing equalizes.
        scores: of each output, the name of the tensor whose error counts: what enters its final
            softmax, or the output itself.
    """

    folded: bytes
    unfolded: bytes
    scores: tuple[str, ...]


def read(model: FloatModel) -> FloatTflite:
    """The float stage's .tflite, as recipes start from it."""
    graph = Graph.read(model.path("tflite").read_bytes())
    average_pool_to_depthwise.apply(graph)
    unfolded = named(graph, model.network)
    folded = fold(graph, model.network)
    return FloatTflite(folded, unfolded, tuple(end.name for end in tflite_logits.find(folded)))


def fold(graph: Graph, network: Network) -> bytes:
    """The same function with normalizations folded into weights."""
    while fold_affine.apply(graph).changes:
        pass
    return named(graph, network)


def named(graph: Graph, network: Network) -> bytes:
    """The file with the network's own names at its ends, and the signature that tools ask for."""
    inputs = [end.name for end in network.inputs]
    outputs = [end.name for end in network.outputs]
    graph.rename_ends(inputs, outputs)
    graph.set_signature(
        dict(zip(inputs, graph.inputs, strict=True)), dict(zip(outputs, graph.outputs, strict=True))
    )
    return graph.write()
