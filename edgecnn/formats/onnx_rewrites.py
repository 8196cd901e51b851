"""Rewrites of an onnx_ir graph that keep the names of its ends, and what they look for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from edgecnn.formats.onnx_graph import array_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import onnx_ir as ir
    from numpy.typing import NDArray


def constant(graph: ir.Graph, hint: str, value: NDArray[Any]) -> ir.Value:
    """A new constant of the graph."""
    import onnx_ir as ir

    number = len(graph.initializers)
    while f"{hint}//{number}" in graph.initializers:
        number += 1
    result = ir.val(f"{hint}//{number}", const_value=ir.tensor(np.asarray(value)))
    graph.initializers.add(result)
    return result


def replace(graph: ir.Graph, old: Sequence[ir.Node], new: Sequence[ir.Node]) -> None:
    """Put `new` where the first of `old` stands; what the last makes takes the last's place."""
    import onnx_ir as ir

    ends = old[-1].outputs, new[-1].outputs
    ir.convenience.replace_nodes_and_values(graph, old[0], old, new, *ends)


def redirect(old: ir.Value, new: ir.Value) -> None:
    """Let every reader of `old` but the maker of `new` read `new`; outputs stay."""
    for node, index in old.uses():
        if node is not new.producer():
            node.replace_input_with(index, new)


def bypass(graph: ir.Graph, node: ir.Node, passed: int = 0) -> bool:
    """Remove a node that passes an input on; False where both its ends have fixed names.

    Args:
        graph: the node's.
        node: one of the graph.
        passed: which of its inputs that is: a constant may come first in an Add or a Mul.
    """
    source, target = node.inputs[passed], node.outputs[0]
    if source is None:
        return False
    if not target.is_graph_output():
        target.replace_all_uses_with(source)
    elif source.producer() is None or source.is_graph_output():
        return False
    else:
        target.replace_all_uses_with(source, replace_graph_outputs=True)
        source.name, source.type, source.shape = target.name, target.type, target.shape
    graph.remove(node, safe=True)
    return True


def run_to_end(graph: ir.Graph, rewrite: Callable[[ir.Graph, ir.Node], bool]) -> int:
    """Offer every node to `rewrite` until it changes none; return the number of changes.

    Args:
        graph: edited in place.
        rewrite: returns whether it changed the graph. Each change must bring it closer to the end.
    """
    changes = 0
    while True:
        before = changes
        for node in list(graph):
            if node.graph is graph:  # no rewrite has removed it meanwhile
                changes += rewrite(graph, node)
        if changes == before:
            return changes


class Affine(NamedTuple):
    """A node that computes scale * x + shift per channel of an NCHW tensor.

    Attributes:
        source: the tensor x.
        scale: float64 (C,) or (1,).
        shift: likewise.
    """

    source: ir.Value
    scale: NDArray[Any]
    shift: NDArray[Any]


def as_affine(node: ir.Node) -> Affine | None:
    """The node as scale and shift, when it is a Mul or an Add with a constant per channel."""
    if node.op_type not in {"Mul", "Add"}:
        return None
    for source, operand in (node.inputs, node.inputs[::-1]):
        value = array_of(operand)
        if value is None or not _per_channel(value):
            continue
        if source is None or source.const_value is not None:
            continue
        flat = value.astype(np.float64).reshape(-1)
        if node.op_type == "Mul":
            return Affine(source, flat, np.zeros_like(flat))
        return Affine(source, np.ones_like(flat), flat)
    return None


def _per_channel(value: NDArray[Any]) -> bool:
    """Whether it broadcasts along the channels of NCHW only: (1, C, 1, 1), (C, 1, 1)."""
    shape = (1,) * (4 - value.ndim) + value.shape
    return value.dtype.kind == "f" and value.ndim in {3, 4} and value.size == shape[1]


def taken_out(branch: ir.Graph, graph: ir.Graph) -> tuple[list[ir.Node], list[ir.Value]]:
    """A branch's nodes, free of it and of its names, and what it gives; constants go to `graph`."""
    outputs = list(branch.outputs)
    branch.outputs.clear()
    for name, value in list(branch.initializers.items()):
        lifted = constant(graph, name, np.asarray(array_of(value)))
        value.replace_all_uses_with(lifted)
        outputs = [lifted if output is value else output for output in outputs]
    nodes = list(branch)
    branch.remove(nodes)
    for node in nodes:
        for value in node.outputs:
            if value.name:
                value.name = None  # the graph gives it one that is free
    return nodes, outputs
