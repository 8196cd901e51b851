"""Another graph of the same file: its own operators and tensors, constants shared."""

from __future__ import annotations

import copy as copying
from dataclasses import replace

from edgecnn.formats.tflite_graph import Graph, Operator, Signature, Tensor
from edgecnn.formats.tflite_subgraph import Subgraph


def copy(graph: Graph) -> Graph:
    """Copy a graph with all its subgraphs."""
    new = Graph(description=graph.description)
    known: dict[Tensor, Tensor] = {}
    _fill(new, graph, known)
    for subgraph in graph.others:
        new.others.append(_fill(Subgraph(), subgraph, known))
    new.metadata, new.files, new.model = list(graph.metadata), list(graph.files), graph.model
    places = dict(zip(map(id, graph.subgraphs), new.subgraphs, strict=True))
    new.signatures = [_signature(signature, known, places) for signature in graph.signatures]
    return new


def _fill(new: Subgraph, old: Subgraph, known: dict[Tensor, Tensor]) -> Subgraph:
    def twin(tensor: Tensor) -> Tensor:
        if tensor not in known:
            known[tensor] = copying.copy(tensor)
        return known[tensor]

    new.name, new.raw = old.name, old.raw
    new.tensors = [twin(tensor) for tensor in old.tensors]
    new.inputs = [twin(tensor) for tensor in old.inputs]
    new.outputs = [twin(tensor) for tensor in old.outputs]
    operators = []
    for operator in old.operators:
        same: Operator = copying.copy(operator)
        same.inputs = [None if tensor is None else twin(tensor) for tensor in operator.inputs]
        same.outputs = [twin(tensor) for tensor in operator.outputs]
        same.intermediates = [twin(tensor) for tensor in operator.intermediates]
        same.options = copying.deepcopy(operator.options)
        operators.append(same)
    new.operators = operators
    return new


def _signature(
    old: Signature, known: dict[Tensor, Tensor], places: dict[int, Subgraph]
) -> Signature:
    return replace(
        old,
        inputs=tuple((name, known[tensor]) for name, tensor in old.inputs),
        outputs=tuple((name, known[tensor]) for name, tensor in old.outputs),
        subgraph=places[id(old.subgraph)],
    )
