"""Another graph of the same file: its own operators and tensors, constants shared."""

from __future__ import annotations

import copy as copying
from dataclasses import replace

from edgecnn.formats.tflite_graph import Graph, Operator, Signature, Tensor
from edgecnn.formats.tflite_subgraph import Subgraph


def copy(graph: Graph) -> Graph:
    """Copy a graph with all its subgraphs."""
    made = Graph(description=graph.description)
    known: dict[Tensor, Tensor] = {}
    _fill(made, graph, known)
    for other in graph.others:
        made.others.append(_fill(Subgraph(), other, known))
    made.metadata, made.files, made.model = list(graph.metadata), list(graph.files), graph.model
    places = dict(zip(map(id, graph.subgraphs), made.subgraphs, strict=True))
    made.signatures = [_signature(each, known, places) for each in graph.signatures]
    return made


def _fill(made: Subgraph, old: Subgraph, known: dict[Tensor, Tensor]) -> Subgraph:
    def twin(tensor: Tensor) -> Tensor:
        if tensor not in known:
            known[tensor] = copying.copy(tensor)
        return known[tensor]

    made.name, made.raw = old.name, old.raw
    made.tensors = [twin(tensor) for tensor in old.tensors]
    made.inputs = [twin(tensor) for tensor in old.inputs]
    made.outputs = [twin(tensor) for tensor in old.outputs]
    operators = []
    for operator in old.operators:
        same: Operator = copying.copy(operator)
        same.inputs = [None if each is None else twin(each) for each in operator.inputs]
        same.outputs = [twin(each) for each in operator.outputs]
        same.intermediates = [twin(each) for each in operator.intermediates]
        same.options = copying.deepcopy(operator.options)
        operators.append(same)
    made.operators = operators
    return made


def _signature(
    old: Signature, known: dict[Tensor, Tensor], places: dict[int, Subgraph]
) -> Signature:
    return replace(
        old,
        inputs=tuple((name, known[tensor]) for name, tensor in old.inputs),
        outputs=tuple((name, known[tensor]) for name, tensor in old.outputs),
        subgraph=places[id(old.subgraph)],
    )
