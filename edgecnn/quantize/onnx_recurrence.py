"""Recurrences that were written out step by step: the same weights over and over, each on the last.

A step multiplies a single row by a small matrix and spends the rest of its time on gates. In int8
every one of those would be rounded, which adds up from step to step, and converted between float
and integers, which takes several times as long as the float step (an LSTM of 24 steps both ways:
2.0 ms against 0.9, and three times the file).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecnn.quantize.onnx_islands import WEIGHTED

if TYPE_CHECKING:
    from collections.abc import Iterable

    import onnx_ir as ir


def recurrent(graph: ir.Graph) -> set[ir.Node]:
    """All operators between the first and the last step of a recurrence."""
    shared: dict[ir.Value, list[ir.Node]] = {}
    for node in graph:
        weight = node.inputs[1] if node.op_type in WEIGHTED else None
        if weight is not None and weight.is_initializer():
            shared.setdefault(weight, []).append(node)
    nodes: set[ir.Node] = set()
    for steps in shared.values():
        if len(steps) > 1:
            after, before = _behind(graph, steps), _in_front(graph, steps)
            nodes |= (after & before) | (set(steps) & (after | before))
    return nodes


def _behind(nodes: Iterable[ir.Node], steps: list[ir.Node]) -> set[ir.Node]:
    """What is computed from a step's result."""
    behind: set[ir.Node] = set()
    for node in nodes:
        if any(maker in behind or maker in steps for maker in node.predecessors()):
            behind.add(node)
    return behind


def _in_front(graph: ir.Graph, steps: list[ir.Node]) -> set[ir.Node]:
    """What a step is computed from."""
    before: set[ir.Node] = set()
    for node in reversed(graph):
        if any(reader in before or reader in steps for reader in node.successors()):
            before.add(node)
    return before
