"""Rewrites of a float ONNX graph for int8: exact in float, and far better once quantized."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgecnn.formats.onnx_graph import array_of, float32, maker_of, shape_of, sole_reader
from edgecnn.formats.onnx_inference import infer_shapes
from edgecnn.formats.onnx_rewrites import as_affine, constant, replace, run_to_end

if TYPE_CHECKING:
    import onnx_ir as ir

# Cheap to run twice; a convolution is not (a depthwise one over single pixels is).
_CHEAP = {"Add", "Concat", "Mul"}
# They compute in float: what scales their result does too, and nothing is rounded between.
_FLOAT = {"Elu", "HardSigmoid", "HardSwish", "InstanceNormalization", "LayerNormalization", "PRelu"}


def prepare(model: ir.Model) -> None:
    """Run both passes; edits the model, whose shapes are inferred. Tensors that stay keep names."""
    run_to_end(model.graph, _affine_to_depthwise)
    run_to_end(model.graph, _own_producer_for_relu)
    infer_shapes(model)


def _affine_to_depthwise(graph: ir.Graph, node: ir.Node) -> bool:
    """Scale * x + shift, per channel, is a 1x1 depthwise convolution.

    As Mul and Add it would be two quantized operators whose constants have one scale for all
    channels; as a convolution it is one, with a scale for each channel and an int32 shift.
    """
    import onnx_ir as ir

    affine = as_affine(node)
    if affine is None or len(shape_of(affine.source)) != 4:  # noqa: PLR2004 - NCHW
        return False
    maker = affine.source.producer()
    if maker is not None and maker.op_type in _FLOAT:
        return False
    channels = shape_of(affine.source)[1]
    if affine.scale.size != channels:
        return False
    old = [node]
    scale, shift = affine.scale, affine.shift
    after = sole_reader(node.outputs[0])
    if node.op_type == "Mul" and after is not None and after.op_type == "Add":
        added = as_affine(after)
        if added is not None:
            old, shift = [node, after], added.shift
    weight = float32(np.broadcast_to(scale, (channels,)).reshape(-1, 1, 1, 1))
    bias = float32(np.broadcast_to(shift, (channels,)))
    constants = constant(graph, "weight", weight), constant(graph, "bias", bias)
    convolution = ir.node(
        "Conv", [affine.source, *constants], {"kernel_shape": [1, 1], "group": channels}
    )
    replace(graph, old, [convolution])
    return True


def _own_producer_for_relu(graph: ir.Graph, node: ir.Node) -> bool:
    """A ReLU whose input others read too gets that input's producer for itself, so that it fuses.

    Left alone it runs in float between a dequantize and a quantize, and takes values that were
    rounded for the wider range. Computing a sum or a concatenation twice costs far less.
    """
    import onnx_ir as ir

    source = node.inputs[0] if node.op_type in {"Relu", "Clip"} else None
    maker = maker_of(source)
    if source is None or maker is None or sole_reader(source) is not None or not _cheap(maker):
        return False
    twin = ir.node(maker.op_type, maker.inputs, maker.attributes)
    graph.insert_before(node, twin)
    node.replace_input_with(0, twin.outputs[0])
    return True


def _cheap(node: ir.Node) -> bool:
    if node.op_type == "Conv":
        weight = array_of(node.inputs[1])
        return weight is not None and weight.size == node.attributes.get_int("group", 1)
    return node.op_type in _CHEAP
