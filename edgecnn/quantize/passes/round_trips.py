"""Removes a QUANTIZE that is undone by the DEQUANTIZE behind it.

An end of float32 around a layer in float32 would round for nothing: QUANTIZE at the input,
DEQUANTIZE ahead of the first layer; the same behind the last one. What was there before rounding is
read in its place, under the end's name where it is an end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgecnn.formats import tflite_file as tfl
from edgecnn.quantize.passes import affine

if TYPE_CHECKING:
    from collections.abc import Iterator


def apply(model: tfl.ModelT) -> int:
    """Change a model in place; returns how many round trips were removed."""
    graph = tfl.main_graph(model)
    trips = list(_trips(model, graph))
    for dequantize, source in trips:
        _read_instead(graph, int(dequantize.outputs[0]), source)
    gone = {id(operator) for operator, _ in trips}
    graph.operators = [operator for operator in graph.operators if id(operator) not in gone]
    tfl.set_signature(model)  # the old one may name an output that goes now
    affine.remove_dead(model, graph)
    return len(trips)


def _trips(model: tfl.ModelT, graph: tfl.SubGraphT) -> Iterator[tuple[tfl.OperatorT, int]]:
    """Each such DEQUANTIZE, and the float tensor its QUANTIZE read."""
    made_by = tfl.producers(graph)
    for operator in graph.operators:
        steps = int(operator.inputs[0])
        if tfl.operator_name(model, operator) != "DEQUANTIZE" or steps not in made_by:
            continue
        maker = graph.operators[made_by[steps]]
        source = int(maker.inputs[0])
        is_trip = tfl.operator_name(model, maker) == "QUANTIZE"
        if is_trip and tfl.type_name(graph.tensors[source]) == "FLOAT32":
            yield operator, source


def _read_instead(graph: tfl.SubGraphT, tensor: int, source: int) -> None:
    for operator in graph.operators:
        operator.inputs = np.asarray(
            [source if int(each) == tensor else int(each) for each in operator.inputs], np.int32
        )
    if tensor in {int(each) for each in graph.outputs}:
        name = graph.tensors[tensor].name
        graph.tensors[tensor].name = graph.tensors[source].name
        graph.tensors[source].name = name
        graph.outputs = np.asarray(
            [source if int(each) == tensor else int(each) for each in graph.outputs], np.int32
        )
