"""An If whose condition depends on the data: both branches run, and Where picks an answer.

TFLite's own IF would be a subgraph that no quantizer and no delegate enters.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgecnn.convert.onnx_folding import fold
from edgecnn.errors import InputError
from edgecnn.formats.onnx_graph import name_of, shape_of
from edgecnn.formats.onnx_rewrites import constant, taken_out

if TYPE_CHECKING:
    import onnx_ir as ir

_WHERE = 9  # the opset that Where came with
_MOST = 16  # Ifs that may stand in each other and after another: each doubles the work
_PAIR = ("then_branch", "else_branch")


def select(model: ir.Model) -> int:
    """Compute both branches of every If, where their answers are of one shape.

    Args:
        model: folded, so that an If left in it depends on the data; edited.

    Returns:
        How many there were. A Loop or a Scan stays, and so does what stands in one.

    Raises:
        InputError: the branches of an If answer with different shapes.
    """
    count = 0
    while count < _MOST and (node := _next(model)) is not None:
        pairs = _opened(model.graph, node)
        fold(model)
        for first, other in pairs:
            _require_same(first, other, name_of(node.inputs[0]))
        count += 1
    return count


def _next(model: ir.Model) -> ir.Node | None:
    if model.opset_imports[""] < _WHERE:
        return None
    return next((node for node in model.graph if node.op_type == "If"), None)


def _opened(graph: ir.Graph, node: ir.Node) -> list[tuple[ir.Value, ir.Value]]:
    """Put both branches in the place of an If; returns what each Where picks from."""
    import onnx_ir as ir

    branches = [taken_out(node.attributes[name].as_graph(), graph) for name in _PAIR]
    scalar = constant(graph, "scalar", np.asarray([], np.int64))
    condition = ir.node("Reshape", [node.inputs[0], scalar])
    new = [condition, *(inner for nodes, _ in branches for inner in nodes)]
    pairs, picks = [], []
    for first, other in zip(*(outputs for _, outputs in branches), strict=True):
        # A name of its own for each: what a branch passes on may be anything's, or an output.
        ends = [ir.node("Identity", [value]) for value in (first, other)]
        pick = ir.node("Where", [condition.outputs[0], *(end.outputs[0] for end in ends)])
        new += [*ends, pick]
        pairs.append((ends[0].outputs[0], ends[1].outputs[0]))
        picks.append(pick.outputs[0])
    ir.convenience.replace_nodes_and_values(graph, node, [node], new, node.outputs, picks)
    return pairs


def _require_same(first: ir.Value, other: ir.Value, condition: str) -> None:
    shapes = {shape_of(v) for v in (first, other) if v.shape is not None and v.shape.is_static()}
    if len(shapes) > 1:
        raise InputError(
            f"The branches of the If at '{condition}' in the ONNX model give the shapes"
            f" {' and '.join(str(shape) for shape in sorted(shapes))}.",
            hint="Export the branch that you need as a network of its own.",
        )
