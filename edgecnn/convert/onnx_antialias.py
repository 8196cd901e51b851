"""Resize with antialias, which opset 17 has not: one product with a matrix for each axis.

The matrix is what the same Resize makes of the unit matrix: onnxruntime computes it while the model
is folded, so that its weights are the original's, whatever the mode and the coordinates are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn.formats.onnx_graph import array_of, shape_of
from edgecnn.formats.onnx_rewrites import constant, replace

if TYPE_CHECKING:
    import onnx_ir as ir

_SCALES, _SIZES = 2, 3  # Resize's inputs
_IMAGE = 4  # axes of an image


def write_out(model: ir.Model) -> bool:
    """Replace every antialiased Resize of images' height and width; whether there was one.

    Args:
        model: of fixed shapes, inferred; new Resize nodes, of constants, are left to be folded.
    """
    graph = model.graph
    changed = False
    for node in list(graph):
        if node.op_type == "Resize" and node.attributes.get_int("antialias"):
            changed |= _write_out(graph, node)
    return changed


def _write_out(graph: ir.Graph, node: ir.Node) -> bool:
    import onnx_ir as ir

    source, result = node.inputs[0], node.outputs[0]
    if source is None or source.shape is None or result.shape is None:
        return False
    before, after = shape_of(source), shape_of(result)
    if len(before) != _IMAGE or before[:2] != after[:2] or _is_other(node):
        return False
    new: list[ir.Node] = []
    last = source
    for axis in (2, 3):
        if before[axis] != after[axis]:
            new += [*_matrix(graph, node, axis, (before[axis], after[axis]))]
            matrix = new[-1].outputs[0]
            new.append(ir.node("MatMul", [matrix, last] if axis == 2 else [last, matrix]))  # noqa: PLR2004 - height
            last = new[-1].outputs[0]
    replace(graph, [node], new or [ir.node("Identity", [source])])
    return True


def _is_other(node: ir.Node) -> bool:
    """Whether sizes are chosen by a policy, or a region is cut out."""
    return (
        node.attributes.get_string("keep_aspect_ratio_policy", "stretch") != "stretch"
        or node.attributes.get_string("coordinate_transformation_mode") == "tf_crop_and_resize"
    )


def _matrix(graph: ir.Graph, node: ir.Node, axis: int, sizes: tuple[int, int]) -> list[ir.Node]:
    """Nodes of constants whose last makes (out, size) for the height, (size, out) for the width."""
    import onnx_ir as ir

    size, out = sizes
    unit = constant(graph, "unit", np.eye(size, dtype=np.float32)[None, None])
    scale = _scale(node, axis)
    target: Any
    if scale is None:
        shape = [1, 1, out, size] if axis == 2 else [1, 1, size, out]  # noqa: PLR2004 - height
        target = [None, None, constant(graph, "sizes", np.asarray(shape, np.int64))]
    else:
        scales = [1, 1, scale, 1] if axis == 2 else [1, 1, 1, scale]  # noqa: PLR2004 - height
        target = [None, constant(graph, "scales", np.asarray(scales, np.float32))]
    attributes = {k: v for k, v in node.attributes.items() if k != "axes"}
    resized = ir.node("Resize", [unit, *target], attributes)
    shape = [out, size] if axis == 2 else [size, out]  # noqa: PLR2004 - height
    flat = constant(graph, "flat", np.asarray(shape, np.int64))
    return [resized, ir.node("Reshape", [*resized.outputs, flat])]


def _scale(node: ir.Node, axis: int) -> float | None:
    """The factor that the model says; None where it gives sizes."""
    scales = array_of(node.inputs[_SCALES]) if len(node.inputs) > _SCALES else None
    if scales is None or not scales.size:
        return None
    axes = [number % _IMAGE for number in node.attributes.get_ints("axes", range(_IMAGE))]
    return float(scales[axes.index(axis)])
