"""Removes a QUANTIZE that is undone by the DEQUANTIZE behind it.

An end of float32 around a layer in float32 would round for nothing: QUANTIZE at the input,
DEQUANTIZE ahead of the first layer; the same behind the last one. What was there before rounding is
read in its place, under the end's name where it is an end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecnn.quantize.passes import PassResult

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edgecnn.formats.tflite_graph import Graph, Operator, Tensor


def apply(graph: Graph) -> PassResult:
    """Change a graph in place; counts round trips."""
    trips = list(_trips(graph))
    if not trips:
        return PassResult(0)
    for dequantize, source in trips:
        graph.redirect(dequantize.output, source)
        graph.end_instead(dequantize.output, source)
    graph.remove(operator for operator, _ in trips)
    graph.set_signature()  # the old one may name an output that goes now
    graph.remove_dead()
    return PassResult(len(trips))


def _trips(graph: Graph) -> Iterator[tuple[Operator, Tensor]]:
    """Each such DEQUANTIZE, and the float tensor its QUANTIZE read."""
    for operator in graph.operators:
        if operator.name != "DEQUANTIZE":
            continue
        maker = graph.producer(operator.source)
        if maker is not None and maker.name == "QUANTIZE" and maker.source.is_float:
            yield operator, maker.source
