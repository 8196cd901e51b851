"""Loops of a known number of rounds, written out: PyTorch scripts and tf2onnx write them so."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgecnn.formats.onnx_graph import array_of
from edgecnn.formats.onnx_rewrites import constant, taken_out

if TYPE_CHECKING:
    import onnx_ir as ir

_AXES_ARE_AN_INPUT = 13  # of Unsqueeze, since this opset
# Of all rounds together; longer loops are left to be refused.
_MOST_NODES = 8192


def write_out(graph: ir.Graph, opset: int) -> bool:
    """Put its rounds in the place of each Loop that says how many there are; edits the graph.

    Returns:
        Whether there was any.
    """
    loops = [node for node in graph if node.op_type == "Loop" and not node.domain]
    written = [_write_out(graph, node, opset) for node in loops]
    return any(written)


def _write_out(graph: ir.Graph, node: ir.Node, opset: int) -> bool:
    import onnx_ir as ir

    body = node.attributes["body"].as_graph()
    rounds = _rounds(node, body)
    if rounds is None or rounds * len(body) > _MOST_NODES:
        return False
    carried = list(node.inputs[2:])
    if any(value is None for value in carried):
        return False
    kept: list[list[ir.Value]] = [[] for _ in body.outputs[1 + len(carried) :]]
    if kept and not rounds:
        return False
    new: list[ir.Node] = []
    for number in range(rounds):
        nodes, outputs = _round(graph, body, number, carried)
        carried = list(outputs[: len(carried)])
        parts = [_unsqueezed(graph, value, opset) for value in outputs[len(carried) :]]
        new += [*nodes, *parts]
        for some, part in zip(kept, parts, strict=True):
            some.append(part.outputs[0])
    ends = [ir.node("Identity", [value]) for value in carried]
    ends += [ir.node("Concat", some, {"axis": 0}) for some in kept]
    made = [end.outputs[0] for end in ends]
    ir.convenience.replace_nodes_and_values(
        graph, node, [node], [*new, *ends], node.outputs, made[: len(node.outputs)]
    )
    return True


def _rounds(node: ir.Node, body: ir.Graph) -> int | None:
    """How often it runs; None where its data tell."""
    limit, condition = (*node.inputs, None, None)[:2]
    most, first = array_of(limit), array_of(condition)
    if most is None or (condition is not None and first is None) or not _goes_on(body):
        return None
    runs = first is None or bool(first.reshape(-1)[0])
    return max(int(most.reshape(-1)[0]), 0) if runs else 0


def _goes_on(body: ir.Graph) -> bool:
    """Whether a round never ends the loop: it hands its condition on, or says true."""
    import onnx_ir as ir

    value: ir.Value | None = body.outputs[0]
    while value is not None and (maker := value.producer()) is not None:
        if maker.op_type not in {"Cast", "Identity"}:
            break
        value = maker.inputs[0]
    if value is body.inputs[1]:
        return True
    tensor = None if value is None else ir.convenience.get_const_tensor(value)
    return tensor is not None and bool(tensor.numpy().all())


def _round(
    graph: ir.Graph, body: ir.Graph, number: int, carried: list[ir.Value | None]
) -> tuple[list[ir.Node], list[ir.Value]]:
    """One round's nodes, and what it hands on and keeps."""
    copy = body.clone(allow_outer_scope_values=True)
    values = [
        constant(graph, "round", np.asarray(number, np.int64)),
        constant(graph, "goes_on", np.ones((), np.bool_)),
        *carried,
    ]
    for own, value in zip(copy.inputs, values, strict=True):
        assert value is not None  # noqa: S101 - the caller looked
        own.replace_all_uses_with(value, replace_graph_outputs=True)
    nodes, outputs = taken_out(copy, graph)
    return nodes, outputs[1:]


def _unsqueezed(graph: ir.Graph, value: ir.Value, opset: int) -> ir.Node:
    import onnx_ir as ir

    if opset < _AXES_ARE_AN_INPUT:
        return ir.node("Unsqueeze", [value], {"axes": [0]})
    axes = constant(graph, "axes", np.asarray([0], np.int64))
    return ir.node("Unsqueeze", [value, axes])
