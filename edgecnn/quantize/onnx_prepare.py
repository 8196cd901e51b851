"""Rewrites of a float ONNX graph for int8: exact in float, and far better once quantized."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgecnn.formats.onnx_graph import (
    OnnxGraph,
    as_affine,
    attribute,
    float32,
    infer_shapes,
    run_to_end,
    shapes_of,
)

if TYPE_CHECKING:
    import onnx

# Cheap to run twice; a convolution is not (a depthwise one over single pixels is).
_CHEAP = {"Add", "Concat", "Mul"}
# They compute in float: what scales their result does too, and nothing is rounded between.
_FLOAT = {"Elu", "HardSigmoid", "HardSwish", "InstanceNormalization", "LayerNormalization", "PRelu"}


def prepare(model: onnx.ModelProto) -> None:
    """Run both passes; edits the model, whose shapes are inferred. Tensors that stay keep names."""
    shapes = shapes_of(model)
    graph = OnnxGraph(model)
    run_to_end(graph, lambda g, node: _affine_to_depthwise(g, node, shapes))
    run_to_end(graph, _own_producer_for_relu)
    graph.write()
    infer_shapes(model)


def _affine_to_depthwise(
    graph: OnnxGraph, node: onnx.NodeProto, shapes: dict[str, tuple[int, ...]]
) -> bool:
    """Scale * x + shift, per channel, is a 1x1 depthwise convolution.

    As Mul and Add it would be two quantized operators whose constants have one scale for all
    channels; as a convolution it is one, with a scale for each channel and an int32 shift.
    """
    from onnx import helper

    affine = as_affine(graph, node)
    if affine is None or len(shapes.get(affine.source, ())) != 4:  # noqa: PLR2004 - NCHW
        return False
    maker = graph.producer(affine.source)
    if maker is not None and maker.op_type in _FLOAT:
        return False
    channels = shapes[affine.source][1]
    if affine.scale.size != channels:
        return False
    old = [node]
    scale, shift = affine.scale, affine.shift
    after = graph.sole_consumer(node.output[0])
    if node.op_type == "Mul" and after is not None and after.op_type == "Add":
        added = as_affine(graph, after)
        if added is not None:
            old, shift = [node, after], added.shift
    weight = float32(np.broadcast_to(scale, (channels,)).reshape(-1, 1, 1, 1))
    bias = float32(np.broadcast_to(shift, (channels,)))
    graph.replace(old, [helper.make_node(
        "Conv",
        [affine.source, graph.constant("weight", weight), graph.constant("bias", bias)],
        [old[-1].output[0]],
        kernel_shape=[1, 1],
        group=channels,
    )])  # fmt: skip
    return True


def _own_producer_for_relu(graph: OnnxGraph, node: onnx.NodeProto) -> bool:
    """A ReLU whose input others read too gets that input's producer for itself, so that it fuses.

    Left alone it runs in float between a dequantize and a quantize, and takes values that were
    rounded for the wider range. Computing a sum or a concatenation twice costs far less.
    """
    if node.op_type not in {"Relu", "Clip"}:
        return False
    maker = graph.producer(node.input[0])
    if maker is None or graph.sole_consumer(node.input[0]) is not None or not _cheap(graph, maker):
        return False
    import onnx

    twin = onnx.NodeProto()
    twin.CopyFrom(maker)
    twin.output[:] = [graph.fresh(maker.output[0])]
    twin.name = twin.output[0]
    node.input[0] = twin.output[0]
    graph.edited()
    graph.insert_before(node, twin)
    return True


def _cheap(graph: OnnxGraph, node: onnx.NodeProto) -> bool:
    if node.op_type == "Conv":
        weight = graph.constants.get(node.input[1])
        return weight is not None and weight.size == attribute(node, "group", 1)
    return node.op_type in _CHEAP
