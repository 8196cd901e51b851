"""Rewrites of a float ONNX graph that keep its function: fewer nodes, none that only moves data.

Each pass states the identity it relies on. They are needed because tf2onnx leaves a
BatchNormalization behind a ReLU as Mul and Add, a Flatten as Transpose and Reshape, and a global
pooling as Transpose and ReduceMean, none of which onnxruntime runs well once quantized.

A scale is not folded into the convolution behind it, though that is exact too: it multiplies the
weights per input channel, which per-channel int8 (per output channel) cannot follow. On a trained
xception-mini the logits of int8 weights fell from 43 dB SNR to 17.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn.formats.onnx_graph import (
    Affine,
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
    from numpy.typing import NDArray

_NCHW_TO_NHWC = [0, 2, 3, 1]
_MAP = 4  # axes of a feature map


def simplify(model: onnx.ModelProto) -> None:
    """Run every pass, in the order in which they help each other; edits the model.

    Raises:
        InputError: the graph has control flow or contradictory shapes.
    """
    infer_shapes(model)
    shapes = shapes_of(model)
    graph = OnnxGraph(model)
    run_to_end(graph, _drop_identity)
    run_to_end(graph, lambda g, node: _pool_globally(g, node, shapes))
    run_to_end(graph, _fold_pad)
    run_to_end(graph, lambda g, node: _flatten_in_place(g, node, shapes))
    run_to_end(graph, lambda g, node: _merge_affine(g, node, shapes))
    run_to_end(graph, lambda g, node: _fold_into_convolution_before(g, node, shapes))
    graph.write()
    infer_shapes(model)


def _drop_identity(graph: OnnxGraph, node: onnx.NodeProto) -> bool:
    """Identity is x; Dropout without a training flag is x (ONNX specification, Dropout-13)."""
    trains = node.op_type == "Dropout" and len(node.input) > 2 and node.input[2] != ""  # noqa: PLR2004 - its third input
    return node.op_type in {"Identity", "Dropout"} and not trains and graph.bypass(node)


def _is_map(shapes: dict[str, tuple[int, ...]], tensor: str) -> bool:
    """Whether the tensor has four axes, as those that a pass makes itself have."""
    return len(shapes.get(tensor, (0,) * _MAP)) == _MAP


def _pool_globally(
    graph: OnnxGraph, node: onnx.NodeProto, shapes: dict[str, tuple[int, ...]]
) -> bool:
    """A mean over height and width is a GlobalAveragePool, whichever layout it is written in."""
    from onnx import helper

    if node.op_type != "ReduceMean" or not _is_map(shapes, node.input[0]):
        return False
    axes = (
        graph.constants[node.input[1]].tolist() if len(node.input) > 1 else attribute(node, "axes")
    )
    before = graph.producer(node.input[0])
    source, spatial = node.input[0], [2, 3]
    if before is not None and _transposes(before, _NCHW_TO_NHWC):
        source, spatial = before.input[0], [1, 2]
    keeps = attribute(node, "keepdims", 1)
    if (
        axes is None
        or sorted(a % 4 for a in axes) != spatial
        or (keeps and source != node.input[0])
    ):
        return False
    if spatial == [2, 3] and not _is_image(graph, source):
        return False
    target = node.output[0] if keeps else graph.fresh("pooled")
    new = [helper.make_node("GlobalAveragePool", [source], [target])]
    if not keeps:
        new.append(helper.make_node("Flatten", [target], [node.output[0]], axis=1))
    _replace(graph, node, new, before)
    return True


def _fold_pad(graph: OnnxGraph, node: onnx.NodeProto) -> bool:
    """Zeros around a convolution's input are the convolution's own padding."""
    conv = graph.sole_consumer(node.output[0])
    if (
        node.op_type != "Pad"
        or conv is None
        or conv.op_type != "Conv"
        or conv.input[0] != node.output[0]
    ):
        return False
    begin_end = _zero_pads(graph, node)
    explicit = attribute(conv, "auto_pad", b"NOTSET") in {b"NOTSET", b"VALID"}
    if begin_end is None or not explicit:
        return False
    own = attribute(conv, "pads", None) or [0] * len(begin_end)
    _set_attribute(conv, "pads", [a + b for a, b in zip(own, begin_end, strict=True)])
    _set_attribute(conv, "auto_pad", "NOTSET")
    return graph.bypass(node)


def _zero_pads(graph: OnnxGraph, node: onnx.NodeProto) -> list[int] | None:
    """Spatial pads as Conv writes them, when zeros are put there and nothing else is padded."""
    pads = graph.constants.get(node.input[1]) if len(node.input) > 1 else None
    rest = [name for name in node.input[2:] if name]
    fill = graph.constants.get(rest[0]) if rest else None
    if pads is None or attribute(node, "mode", b"constant") != b"constant" or len(rest) > 1:
        return None
    if rest and (fill is None or fill.any()):
        return None
    every = pads.tolist()
    half = len(every) // 2
    spatial = every[2:half] + every[half + 2 :]
    outside = every[:2] + every[half : half + 2]
    return None if any(outside) or min(spatial, default=-1) < 0 else spatial


def _set_attribute(node: onnx.NodeProto, name: str, value: object) -> None:
    from onnx import helper

    kept = [item for item in node.attribute if item.name != name]
    del node.attribute[:]
    node.attribute.extend([*kept, helper.make_attribute(name, value)])


def _is_image(graph: OnnxGraph, tensor: str) -> bool:
    """Whether the tensor is surely NCHW: made by an operator that makes nothing else."""
    node = graph.producer(tensor)
    while node is not None and node.op_type in {"Relu", "Clip", "Add", "Mul", "Concat"}:
        node = graph.producer(node.input[0])
    return node is not None and node.op_type in {"Conv", "MaxPool", "AveragePool"}


def _transposes(node: onnx.NodeProto, order: list[int]) -> bool:
    return node.op_type == "Transpose" and attribute(node, "perm") == order


def _replace(
    graph: OnnxGraph, node: onnx.NodeProto, new: list[onnx.NodeProto], before: onnx.NodeProto | None
) -> None:
    """Replace `node`, and what fed it when nothing else reads that."""
    old = [node]
    alone = before is not None and graph.sole_consumer(before.output[0]) is node
    if before is not None and alone and before.op_type == "Transpose":
        old.append(before)
    graph.replace(old, new)


def _flatten_in_place(
    graph: OnnxGraph, node: onnx.NodeProto, shapes: dict[str, tuple[int, ...]]
) -> bool:
    """Flatten(NHWC) @ W = Flatten(NCHW) @ W with its rows in the other order."""
    from onnx import helper

    if node.op_type != "Reshape" or len(shapes.get(node.output[0], ())) != 2:  # noqa: PLR2004 - a matrix
        return False
    before, after = graph.producer(node.input[0]), graph.sole_consumer(node.output[0])
    if before is None or not _transposes(before, _NCHW_TO_NHWC) or after is None:
        return False
    _, channels, height, width = shapes.get(before.input[0], (0, 0, 0, 0))
    weight = graph.constants.get(after.input[1]) if after.op_type in {"Gemm", "MatMul"} else None
    plain = not attribute(after, "transA", 0) and not attribute(after, "transB", 0)
    if weight is None or not plain or weight.shape[0] != channels * height * width:
        return False
    rows = weight.reshape(height, width, channels, -1).transpose(2, 0, 1, 3).reshape(weight.shape)
    after.input[1] = graph.constant("rows", float32(rows))
    flatten = helper.make_node("Flatten", [before.input[0]], [node.output[0]], axis=1)
    _replace(graph, node, [flatten], before)
    return True


def _merge_affine(
    graph: OnnxGraph, node: onnx.NodeProto, shapes: dict[str, tuple[int, ...]]
) -> bool:
    """s2 * (s1 * x + t1) + t2 = (s2 * s1) * x + (s2 * t1 + t2): one Mul and one Add do."""
    first = as_affine(graph, node)
    before = graph.producer(first.source) if first is not None else None
    if (
        before is not None
        and graph.sole_consumer(before.output[0]) is node
        and as_affine(graph, before)
    ):
        return False  # not the first of its chain
    chain: list[onnx.NodeProto] = []
    total: Affine | None = None
    link: onnx.NodeProto | None = node
    while link is not None and (step := as_affine(graph, link)) is not None:
        total = step if total is None else _compose(total, step)
        chain.append(link)
        link = graph.sole_consumer(link.output[0])
    if total is None or not _is_map(shapes, total.source):
        return False
    if [n.op_type for n in chain] in (["Mul"], ["Add"], ["Mul", "Add"]):
        return False
    graph.replace(chain, affine_nodes(graph, total, chain[-1].output[0]))
    return True


def _compose(first: Affine, then: Affine) -> Affine:
    return Affine(first.source, then.scale * first.scale, then.scale * first.shift + then.shift)


def affine_nodes(graph: OnnxGraph, affine: Affine, target: str) -> list[onnx.NodeProto]:
    """Mul and Add that compute `affine` into `target`."""
    from onnx import helper

    scale = graph.constant("scale", float32(affine.scale.reshape(1, -1, 1, 1)))
    shift = graph.constant("shift", float32(affine.shift.reshape(1, -1, 1, 1)))
    scaled = graph.fresh("scaled")
    return [
        helper.make_node("Mul", [affine.source, scale], [scaled]),
        helper.make_node("Add", [scaled, shift], [target]),
    ]


def _fold_into_convolution_before(
    graph: OnnxGraph, node: onnx.NodeProto, shapes: dict[str, tuple[int, ...]]
) -> bool:
    """Per output channel, s * conv(x; W, b) + t = conv(x; s * W, s * b + t)."""
    affine = as_affine(graph, node)
    conv = graph.producer(affine.source) if affine is not None else None
    if affine is None or conv is None or conv.op_type != "Conv":
        return False
    if not _is_map(shapes, affine.source):
        return False
    weight = graph.constants.get(conv.input[1])
    if weight is None or graph.sole_consumer(conv.output[0]) is not node:
        return False
    bias = constant_bias(graph, conv, weight.shape[0])
    if bias is None or affine.scale.size not in {1, weight.shape[0]}:
        return False
    scale = np.broadcast_to(affine.scale, weight.shape[:1])
    scaled = weight.astype(np.float64) * scale.reshape(-1, 1, 1, 1)
    set_weight_and_bias(graph, conv, scaled, bias * scale + affine.shift)
    return graph.bypass(node, list(node.input).index(affine.source))


def constant_bias(graph: OnnxGraph, conv: onnx.NodeProto, channels: int) -> NDArray[Any] | None:
    """The constant bias, zeros where there is none, None where it is computed."""
    if len(conv.input) < 3 or not conv.input[2]:  # noqa: PLR2004 - the bias is the third input
        return np.zeros(channels)
    bias = graph.constants.get(conv.input[2])
    return None if bias is None else bias.astype(np.float64)


def set_weight_and_bias(
    graph: OnnxGraph, conv: onnx.NodeProto, weight: NDArray[Any], bias: NDArray[Any]
) -> None:
    """Give a Conv, ConvTranspose or Gemm other weights and a bias, as float32."""
    conv.input[:] = [
        conv.input[0],
        graph.constant("weight", float32(weight)),
        graph.constant("bias", float32(bias)),
    ]
    graph.edited()
