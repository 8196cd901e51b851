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

    import onnx

    from edgecnn.formats.onnx_graph import OnnxGraph


def recurrent(graph: OnnxGraph) -> set[str]:
    """First outputs of all operators between the first and the last step of a recurrence."""
    shared: dict[str, list[onnx.NodeProto]] = {}
    for node in graph.nodes:
        if node.op_type in WEIGHTED and node.input[1] in graph.constants:
            shared.setdefault(node.input[1], []).append(node)
    found = set[str]()
    for steps in shared.values():
        if len(steps) > 1:
            after, before = _behind(graph.nodes, steps), _in_front(graph.nodes, steps)
            names = {step.output[0] for step in steps}
            found |= (after & before) | (names & (after | before))
    return found


def _behind(nodes: Iterable[onnx.NodeProto], steps: list[onnx.NodeProto]) -> set[str]:
    """First outputs of what is computed from a step's result."""
    tensors, names = {name for step in steps for name in step.output}, set[str]()
    for node in nodes:
        if not tensors.isdisjoint(node.input):
            tensors.update(node.output)
            names.add(node.output[0])
    return names


def _in_front(nodes: list[onnx.NodeProto], steps: list[onnx.NodeProto]) -> set[str]:
    """First outputs of what a step is computed from."""
    constants = {step.input[1] for step in steps}
    tensors = {name for step in steps for name in step.input} - constants
    names = set[str]()
    for node in reversed(nodes):
        if not tensors.isdisjoint(node.output):
            tensors.update(node.input)
            names.add(node.output[0])
    return names
