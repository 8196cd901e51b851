"""The float .tflite as recipes start from it: folded, the network's own names at its ends."""

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
    """The float .tflite as recipes start from it. Nobody edits the graphs; they are copied first.

    Attributes:
        folded: normalizations folded into weights: the same function in fewer operators.
        data: the bytes of `folded`.
        unfolded: the weights as they were trained, easier to quantize where nothing equalizes.
        scores: of each output, the name of the tensor whose error counts: what enters its final
            softmax, or the output itself.
    """

    folded: Graph
    data: bytes
    unfolded: Graph
    scores: tuple[str, ...]


def read(model: FloatModel) -> FloatTflite:
    """The float stage's .tflite, as recipes start from it."""
    graph = Graph.read(model.path("tflite").read_bytes())
    average_pool_to_depthwise.apply(graph)
    name_ends(graph, model.network)
    unfolded = graph.copy()
    fold(graph)
    name_ends(graph, model.network)
    data = graph.write()
    scores = tuple(end.name for end in tflite_logits.find(data))
    return FloatTflite(graph, data, unfolded, scores)


def fold(graph: Graph) -> None:
    """Fold normalizations into weights, in place."""
    while fold_affine.apply(graph).changes:
        pass


def name_ends(graph: Graph, network: Network) -> None:
    """Give the ends the network's own names, and the signature that tools ask for."""
    inputs = [end.name for end in network.inputs]
    outputs = [end.name for end in network.outputs]
    graph.rename_ends(inputs, outputs)
    graph.set_signature(
        dict(zip(inputs, graph.inputs, strict=True)), dict(zip(outputs, graph.outputs, strict=True))
    )
