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

from edgecnn.formats.onnx_graph import array_of, float32, maker_of, shape_of, sole_reader
from edgecnn.formats.onnx_inference import infer_shapes
from edgecnn.formats.onnx_rewrites import Affine, as_affine, bypass, constant, replace, run_to_end

if TYPE_CHECKING:
    from collections.abc import Sequence

    import onnx_ir as ir
    from numpy.typing import NDArray

_NCHW_TO_NHWC = (0, 2, 3, 1)
# Of float32's normal numbers about the smallest.
_NEXT_TO_ZERO = 1e-37
_NONNEGATIVE = {"HardSigmoid", "Relu", "Sigmoid"}
_MAP = 4  # axes of a feature map


def simplify(model: ir.Model) -> None:
    """Run every pass, in the order in which they help each other; edits the model.

    Raises:
        InputError: the graph has contradictory shapes.
    """
    run_to_end(model.graph, _pad_output)  # without it the shapes have no meaning
    infer_shapes(model)
    for rewrite in (
        _drop_identity,
        _pool_globally,
        _fold_pad,
        _guard_pad,
        _flatten_in_place,
        _merge_affine,
        _fold_into_convolution_before,
    ):
        run_to_end(model.graph, rewrite)
    infer_shapes(model)


def _drop_identity(graph: ir.Graph, node: ir.Node) -> bool:
    """Identity is x; Dropout without a training flag is x (ONNX specification, Dropout-13)."""
    trains = node.op_type == "Dropout" and any(node.inputs[2:])
    return node.op_type in {"Identity", "Dropout"} and not trains and bypass(graph, node)


def _pad_output(_graph: ir.Graph, node: ir.Node) -> bool:
    """A ConvTranspose with negative pads at its ends, as tf2onnx writes it, pads its output there.

    An output's size is stride * (n - 1) + reach + output_padding - pads (ConvTranspose-11).
    """
    import onnx_ir as ir

    pads = node.attributes.get_ints("pads") if node.op_type == "ConvTranspose" else None
    if pads is None:
        return False
    begins, ends = pads[: len(pads) // 2], pads[len(pads) // 2 :]
    if min(begins) < 0 or min(ends) >= 0:
        return False
    already = node.attributes.get_ints("output_padding") or [0] * len(ends)
    added = [more + max(-end, 0) for more, end in zip(already, ends, strict=True)]
    kept = [max(end, 0) for end in ends]
    node.attributes.add(ir.AttrInt64s("pads", [*begins, *kept]))
    node.attributes.add(ir.AttrInt64s("output_padding", added))
    return True


def _is_map(tensor: ir.Value) -> bool:
    """Whether the tensor has four axes, as those that a pass makes itself have."""
    return tensor.type is None or len(shape_of(tensor)) == _MAP


def _pool_globally(graph: ir.Graph, node: ir.Node) -> bool:
    """A mean over height and width is a GlobalAveragePool, whichever layout it is written in."""
    import onnx_ir as ir

    mean = node.inputs[0] if node.op_type == "ReduceMean" else None
    if mean is None or not _is_map(mean):
        return False
    axes = _axes(node)
    before = mean.producer()
    source, spatial = mean, [2, 3]
    if before is not None and _transposes(before, _NCHW_TO_NHWC) and before.inputs[0] is not None:
        source, spatial = before.inputs[0], [1, 2]
    keeps = node.attributes.get_int("keepdims", 1)
    if axes is None or sorted(a % 4 for a in axes) != spatial or (keeps and source is not mean):
        return False
    if spatial == [2, 3] and not _is_image(source):
        return False
    new = [ir.node("GlobalAveragePool", [source])]
    if not keeps:
        new.append(ir.node("Flatten", new[0].outputs, {"axis": 1}))
    _replace(graph, node, new, before)
    return True


def _axes(node: ir.Node) -> Sequence[int] | None:
    """Of a reduction, whichever opset it is written in; None for all."""
    if len(node.inputs) > 1:
        axes = array_of(node.inputs[1])
        return None if axes is None else axes.tolist()
    stated: Sequence[int] | None = node.attributes.get_ints("axes")
    return stated


def _fold_pad(graph: ir.Graph, node: ir.Node) -> bool:
    """Zeros around a convolution's input are the convolution's own padding."""
    import onnx_ir as ir

    conv = sole_reader(node.outputs[0])
    if (
        node.op_type != "Pad"
        or conv is None
        or conv.op_type != "Conv"
        or conv.inputs[0] is not node.outputs[0]
    ):
        return False
    begin_end = _zero_pads(node)
    explicit = conv.attributes.get_string("auto_pad", "NOTSET") in {"NOTSET", "VALID"}
    if begin_end is None or not explicit:
        return False
    own = conv.attributes.get_ints("pads") or [0] * len(begin_end)
    pads = [a + b for a, b in zip(own, begin_end, strict=True)]
    conv.attributes.add(ir.AttrInt64s("pads", pads))
    conv.attributes.add(ir.AttrString("auto_pad", "NOTSET"))
    return bypass(graph, node)


def _guard_pad(graph: ir.Graph, node: ir.Node) -> bool:
    """Zeros around what a MaxPool reads are next to zero.

    onnxruntime makes a Pad of exact zeros the MaxPool's own padding, which counts as minus
    infinity: where all that a window sees is negative, the zero was the answer.
    """
    pool = sole_reader(node.outputs[0])
    is_padded = node.op_type == "Pad" and pool is not None and pool.op_type == "MaxPool"
    if not is_padded or _zero_pads(node) is None:
        return False
    maker = maker_of(node.inputs[0])
    if maker is not None and maker.op_type in _NONNEGATIVE:
        return False
    node.resize_inputs(3)
    node.replace_input_with(
        2, constant(graph, "next_to_zero", np.asarray(_NEXT_TO_ZERO, np.float32))
    )
    return True


def _zero_pads(node: ir.Node) -> list[int] | None:
    """Spatial pads as Conv writes them, when zeros are put there and nothing else is padded."""
    pads = array_of(node.inputs[1]) if len(node.inputs) > 1 else None
    rest = [value for value in node.inputs[2:] if value is not None]
    fill = array_of(rest[0]) if rest else None
    mode = node.attributes.get_string("mode", "constant")
    if pads is None or mode != "constant" or len(rest) > 1:
        return None
    if rest and (fill is None or fill.any()):
        return None
    every = pads.tolist()
    half = len(every) // 2
    spatial = every[2:half] + every[half + 2 :]
    outside = every[:2] + every[half : half + 2]
    return None if any(outside) or min(spatial, default=-1) < 0 else spatial


def _is_image(tensor: ir.Value) -> bool:
    """Whether the tensor is surely NCHW: made by an operator that makes nothing else."""
    node = tensor.producer()
    while node is not None and node.op_type in {"Relu", "Clip", "Add", "Mul", "Concat"}:
        node = maker_of(node.inputs[0])
    return node is not None and node.op_type in {"Conv", "MaxPool", "AveragePool"}


def _transposes(node: ir.Node, order: tuple[int, ...]) -> bool:
    return node.op_type == "Transpose" and node.attributes.get_ints("perm") == order


def _replace(graph: ir.Graph, node: ir.Node, new: list[ir.Node], before: ir.Node | None) -> None:
    """Replace `node`, and what fed it when nothing else reads that."""
    old = [node]
    alone = before is not None and sole_reader(before.outputs[0]) is node
    if before is not None and alone and before.op_type == "Transpose":
        old.insert(0, before)
    replace(graph, old, new)


def _flatten_in_place(graph: ir.Graph, node: ir.Node) -> bool:
    """Flatten(NHWC) @ W = Flatten(NCHW) @ W with its rows in the other order."""
    import onnx_ir as ir

    if node.op_type != "Reshape" or len(shape_of(node.outputs[0])) != 2:  # noqa: PLR2004 - a matrix
        return False
    before, after = maker_of(node.inputs[0]), sole_reader(node.outputs[0])
    if before is None or not _transposes(before, _NCHW_TO_NHWC) or after is None:
        return False
    shape = shape_of(before.inputs[0])
    weight = array_of(after.inputs[1]) if after.op_type in {"Gemm", "MatMul"} else None
    turned = any(after.attributes.get_int(name, 0) for name in ("transA", "transB"))
    if weight is None or turned or len(shape) != _MAP or weight.shape[0] != np.prod(shape[1:]):
        return False
    _, channels, height, width = shape
    rows = weight.reshape(height, width, channels, -1).transpose(2, 0, 1, 3).reshape(weight.shape)
    after.replace_input_with(1, constant(graph, "rows", float32(rows)))
    _replace(graph, node, [ir.node("Flatten", [before.inputs[0]], {"axis": 1})], before)
    return True


def _merge_affine(graph: ir.Graph, node: ir.Node) -> bool:
    """s2 * (s1 * x + t1) + t2 = (s2 * s1) * x + (s2 * t1 + t2): one Mul and one Add do."""
    first = as_affine(node)
    before = first.source.producer() if first is not None else None
    if before is not None and sole_reader(before.outputs[0]) is node and as_affine(before):
        return False  # not the first of its chain
    chain: list[ir.Node] = []
    total: Affine | None = None
    link: ir.Node | None = node
    while link is not None and (step := as_affine(link)) is not None:
        total = step if total is None else _compose(total, step)
        chain.append(link)
        link = sole_reader(link.outputs[0])
    if total is None or not _is_map(total.source):
        return False
    if [n.op_type for n in chain] in (["Mul"], ["Add"], ["Mul", "Add"]):
        return False
    replace(graph, chain, affine_nodes(graph, total, (1, -1, 1, 1)))
    return True


def _compose(first: Affine, then: Affine) -> Affine:
    return Affine(first.source, then.scale * first.scale, then.scale * first.shift + then.shift)


def affine_nodes(graph: ir.Graph, affine: Affine, form: tuple[int, ...]) -> list[ir.Node]:
    """Mul and Add that compute `affine`, whose numbers take the shape `form`."""
    import onnx_ir as ir

    scale = constant(graph, "scale", float32(affine.scale.reshape(form)))
    shift = constant(graph, "shift", float32(affine.shift.reshape(form)))
    scaled = ir.node("Mul", [affine.source, scale])
    return [scaled, ir.node("Add", [*scaled.outputs, shift])]


def _fold_into_convolution_before(graph: ir.Graph, node: ir.Node) -> bool:
    """Per output channel, s * conv(x; W, b) + t = conv(x; s * W, s * b + t)."""
    affine = as_affine(node)
    conv = affine.source.producer() if affine is not None else None
    if affine is None or conv is None or conv.op_type != "Conv":
        return False
    if not _is_map(affine.source):
        return False
    weight = array_of(conv.inputs[1])
    if weight is None or sole_reader(conv.outputs[0]) is not node:
        return False
    bias = constant_bias(conv, weight.shape[0])
    if bias is None or affine.scale.size not in {1, weight.shape[0]}:
        return False
    scale = np.broadcast_to(affine.scale, weight.shape[:1])
    scaled = weight.astype(np.float64) * scale.reshape(-1, 1, 1, 1)
    set_weight_and_bias(graph, conv, scaled, bias * scale + affine.shift)
    return bypass(graph, node, list(node.inputs).index(affine.source))


def constant_bias(conv: ir.Node, channels: int) -> NDArray[Any] | None:
    """The constant bias, zeros where there is none, None where it is computed."""
    if not any(conv.inputs[2:]):
        return np.zeros(channels)
    bias = array_of(conv.inputs[2])
    return None if bias is None else bias.astype(np.float64)


def set_weight_and_bias(
    graph: ir.Graph, conv: ir.Node, weight: NDArray[Any], bias: NDArray[Any]
) -> None:
    """Give a Conv, ConvTranspose or Gemm other weights and a bias, as float32."""
    conv.resize_inputs(3)
    conv.replace_input_with(1, constant(graph, "weight", float32(weight)))
    conv.replace_input_with(2, constant(graph, "bias", float32(bias)))
