"""A foreign float graph in one form: nothing that only passes on, normalizations folded away.

Each rewrite states the identity it relies on; what `onnx_passes.simplify` knows follows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn.convert import onnx_passes
from edgecnn.formats.onnx_graph import (
    OnnxGraph,
    attribute,
    float32,
    infer_shapes,
    run_to_end,
    shapes_of,
)

if TYPE_CHECKING:
    import onnx
    from numpy.typing import NDArray

    Shapes = dict[str, tuple[int, ...]]

_MATRIX, _MAP = 2, 4  # axes


def tidy(model: onnx.ModelProto) -> None:
    """Run every rewrite; edits the model, which is flat, opset 17 and of fixed shapes.

    Raises:
        InputError: shapes that contradict each other.
    """
    infer_shapes(model, strict=False)
    shapes, kinds = shapes_of(model), _kinds(model)
    graph = OnnxGraph(model)
    run_to_end(graph, lambda g, node: _pass_on(g, node, kinds))
    run_to_end(graph, _fold_normalization)
    run_to_end(graph, lambda g, node: _normalization_as_affine(g, node, shapes))
    run_to_end(graph, _multiply_and_add)
    run_to_end(graph, lambda g, node: _one_for_all_channels(g, node, shapes))
    run_to_end(graph, lambda g, node: _gemm(g, node, shapes))
    run_to_end(graph, _hard_sigmoid)
    run_to_end(graph, _hard_swish)
    run_to_end(graph, lambda g, node: _layer_normalization(g, node, shapes))
    graph.write()
    onnx_passes.simplify(model)


def _kinds(model: onnx.ModelProto) -> dict[str, int]:
    infos = (*model.graph.input, *model.graph.output, *model.graph.value_info)
    return {item.name: item.type.tensor_type.elem_type for item in infos}


def _pass_on(graph: OnnxGraph, node: onnx.NodeProto, kinds: dict[str, int]) -> bool:
    """Identity and inference's Dropout are x; so is a Cast to the type x has."""
    same = node.op_type == "Cast" and kinds.get(node.input[0]) == attribute(node, "to")
    if node.op_type == "Dropout" and not any(graph.consumers(name) for name in node.output[1:]):
        del node.output[1:]  # the mask, all ones
    alone = len(node.output) == 1 and node.output[0]
    if not alone or not (same or node.op_type in {"Identity", "Dropout"}):
        return False
    if node.input[0] in graph.constants and node.output[0] in graph.outputs:
        return False
    return graph.bypass(node)


def _scale_and_shift(
    graph: OnnxGraph, node: onnx.NodeProto
) -> tuple[NDArray[Any], NDArray[Any]] | None:
    """A BatchNormalization as x * scale + shift; None where a parameter is computed."""
    values = [graph.constants.get(name) for name in node.input[1:5]]
    if node.op_type != "BatchNormalization" or any(value is None for value in values):
        return None
    gamma, beta, mean, variance = (np.asarray(value, np.float64) for value in values)
    scale = gamma / np.sqrt(variance + attribute(node, "epsilon", 1e-5))
    return scale, beta - mean * scale


def _fold_normalization(graph: OnnxGraph, node: onnx.NodeProto) -> bool:
    """Per output channel, s * conv(x; W, b) + t = conv(x; s * W, s * b + t)."""
    affine = _scale_and_shift(graph, node)
    maker = graph.producer(node.input[0]) if affine is not None else None
    if affine is None or maker is None or graph.sole_consumer(node.input[0]) is not node:
        return False
    weight = graph.constants.get(maker.input[1]) if len(maker.input) > 1 else None
    if maker.op_type not in {"Conv", "ConvTranspose", "Gemm"} or weight is None:
        return False
    if maker.op_type == "Gemm" and (
        attribute(maker, "alpha", 1.0) != 1.0 or attribute(maker, "beta", 1.0) != 1.0
    ):
        return False
    scale, shift = affine
    bias = onnx_passes.constant_bias(graph, maker, scale.size)
    if bias is None:
        return False
    scaled = _scaled_weight(maker, weight.astype(np.float64), scale)
    onnx_passes.set_weight_and_bias(
        graph, maker, scaled, np.broadcast_to(bias, scale.shape) * scale + shift
    )
    return graph.bypass(node)


def _scaled_weight(node: onnx.NodeProto, weight: NDArray[Any], scale: NDArray[Any]) -> NDArray[Any]:
    """The weights times a factor for each output channel."""
    if node.op_type == "ConvTranspose":  # (inputs, outputs of a group, ...), groups along axis 0
        groups = attribute(node, "group", 1)
        apart = weight.reshape(groups, -1, *weight.shape[1:])
        factors = scale.reshape(groups, 1, -1, *[1] * (weight.ndim - 2))
        return np.asarray((apart * factors).reshape(weight.shape))
    first = node.op_type == "Conv" or attribute(node, "transB", 0)
    return np.asarray(weight * scale.reshape([-1, *[1] * (weight.ndim - 1)] if first else [1, -1]))


def _normalization_as_affine(graph: OnnxGraph, node: onnx.NodeProto, shapes: Shapes) -> bool:
    """A normalization behind anything else is a Mul and an Add."""
    from onnx import helper

    affine = _scale_and_shift(graph, node)
    rank = len(shapes.get(node.input[0], ()))
    if affine is None or rank < _MATRIX:
        return False
    form = [1, -1, *[1] * (rank - _MATRIX)]
    scale, shift = (graph.constant("affine", float32(value.reshape(form))) for value in affine)
    scaled = graph.fresh("scaled")
    graph.replace([node], [
        helper.make_node("Mul", [node.input[0], scale], [scaled]),
        helper.make_node("Add", [scaled, shift], [node.output[0]]),
    ])  # fmt: skip
    return True


def _multiply_and_add(graph: OnnxGraph, node: onnx.NodeProto) -> bool:
    """Of x / c = x * (1 / c) and x - c = x + (-c), runtimes quantize the right sides."""
    if node.op_type not in {"Div", "Sub"} or node.input[0] in graph.constants:
        return False
    value = graph.constants.get(node.input[1])
    if value is None or value.dtype != np.float32:
        return False
    if node.op_type == "Div":
        with np.errstate(divide="ignore", over="ignore"):
            inverse = (1.0 / value.astype(np.float64)).astype(np.float32)
        if not np.isfinite(inverse).all() or not np.all(
            np.abs(inverse) > np.finfo(np.float32).tiny
        ):
            return False
    node.input[1] = graph.constant("constant", inverse if node.op_type == "Div" else -value)
    node.op_type = "Mul" if node.op_type == "Div" else "Add"
    graph.edited()
    return True


def _one_for_all_channels(graph: OnnxGraph, node: onnx.NodeProto, shapes: Shapes) -> bool:
    """A number is a factor or summand for each channel too, which convolutions take in."""
    if node.op_type not in {"Mul", "Add"}:
        return False
    for position, name in enumerate(node.input):
        value = graph.constants.get(name)
        other = shapes.get(node.input[1 - position], ())
        if value is None or value.size != 1 or value.ndim == len(other) or len(other) != _MAP:
            continue
        node.input[position] = graph.constant("number", value.reshape([1] * _MAP))
        graph.edited()
        return True
    return False


def _gemm(graph: OnnxGraph, node: onnx.NodeProto, shapes: Shapes) -> bool:
    """A matrix times constant weights plus a constant row is one Gemm."""
    from onnx import helper

    after = graph.sole_consumer(node.output[0]) if node.op_type == "MatMul" else None
    if after is None or after.op_type != "Add" or len(shapes.get(node.input[0], ())) != _MATRIX:
        return False
    weight = graph.constants.get(node.input[1])
    other = after.input[1] if after.input[0] == node.output[0] else after.input[0]
    bias = graph.constants.get(other)
    if weight is None or weight.ndim != _MATRIX or bias is None or bias.size != weight.shape[1]:
        return False
    if bias.ndim > _MATRIX or bias.shape[-1] != bias.size:
        return False
    row = graph.constant("bias", bias.reshape(-1))
    gemm = helper.make_node("Gemm", [*node.input, row], list(after.output))
    graph.replace([after], [gemm])
    graph.replace([node], [])
    return True


def _scalar(graph: OnnxGraph, name: str) -> float | None:
    value = graph.constants.get(name)
    return float(value.reshape(-1)[0]) if value is not None and value.size == 1 else None


def _with_scalar(graph: OnnxGraph, node: onnx.NodeProto | None, kind: str, number: float) -> str:
    """What the node `kind`s with this number; "" where it is no such node."""
    if node is None or node.op_type != kind:
        return ""
    for source, other in (node.input, reversed(node.input)):
        value = _scalar(graph, other)
        if value is not None and abs(value - number) < 1e-6 * abs(number):
            return str(source)
    return ""


def _six_step(graph: OnnxGraph, tensor: str) -> str:
    """The x of clip(x + 3, 0, 6), whose tensors nobody else reads; "" for anything else."""
    clip = graph.producer(tensor)
    if clip is None or clip.op_type != "Clip" or len(clip.input) != 3:  # noqa: PLR2004 - data and both limits
        return ""
    if (_scalar(graph, clip.input[1]), _scalar(graph, clip.input[2])) != (0.0, 6.0):
        return ""
    return _with_scalar(graph, graph.producer(clip.input[0]), "Add", 3.0)


def _hard_sigmoid(graph: OnnxGraph, node: onnx.NodeProto) -> bool:
    """clip(x + 3, 0, 6) / 6 = HardSigmoid(x; 1/6, 1/2)."""
    from onnx import helper

    source = _with_scalar(graph, node, "Mul", 1 / 6)
    x = _six_step(graph, source) if source else ""
    if not x:
        return False
    graph.replace([node], [
        helper.make_node("HardSigmoid", [x], list(node.output), alpha=1 / 6, beta=0.5)
    ])  # fmt: skip
    return True


def _hard_swish(graph: OnnxGraph, node: onnx.NodeProto) -> bool:
    """HardSwish(x) = x * HardSigmoid(x; 1/6, 1/2) = x * clip(x + 3, 0, 6) / 6."""
    from onnx import helper

    x = ""
    inner = graph.producer(_with_scalar(graph, node, "Mul", 1 / 6))
    for product, by_six in ((node, False), (inner, True)):
        if product is None or product.op_type != "Mul":
            continue
        for one, other in (tuple(product.input), tuple(reversed(product.input))):
            gate = graph.producer(other)
            if (by_six and _six_step(graph, other) == one) or (
                not by_six and gate is not None and _is_hard_sigmoid(gate) and gate.input[0] == one
            ):
                x = one
    if not x:
        return False
    graph.replace([node], [helper.make_node("HardSwish", [x], list(node.output))])
    return True


def _is_hard_sigmoid(node: onnx.NodeProto) -> bool:
    alpha, beta = attribute(node, "alpha", 0.2), attribute(node, "beta", 0.5)
    return node.op_type == "HardSigmoid" and abs(alpha - 1 / 6) < 1e-6 and abs(beta - 0.5) < 1e-6  # noqa: PLR2004 - float32


def _layer_normalization(graph: OnnxGraph, node: onnx.NodeProto, shapes: Shapes) -> bool:
    """(x - mean) / sqrt(mean((x - mean)^2) + eps) over the last axis, scaled and shifted."""
    root = graph.producer(node.input[1]) if node.op_type == "Div" else None
    total = graph.producer(root.input[0]) if root is not None and root.op_type == "Sqrt" else None
    epsilon = (
        next((e for n in total.input if (e := _scalar(graph, n)) is not None), None)
        if total is not None and total.op_type == "Add"
        else None
    )
    centered = graph.producer(node.input[0])
    if epsilon is None or total is None or centered is None or centered.op_type != "Sub":
        return False
    variance = next((p for n in total.input if (p := graph.producer(n)) is not None), None)
    x = centered.input[0]
    mean = graph.producer(centered.input[1])
    if not (_mean_of_last(mean, shapes) and mean is not None and mean.input[0] == x):
        return False
    if not (_mean_of_last(variance, shapes) and variance is not None):
        return False
    square = graph.producer(variance.input[0])
    if not _squares(graph, square, centered.output[0]):
        return False
    return _emit_layer_normalization(graph, node, x, epsilon, shapes)


def _mean_of_last(node: onnx.NodeProto | None, shapes: Shapes) -> bool:
    if node is None or node.op_type != "ReduceMean" or not attribute(node, "keepdims", 1):
        return False
    rank = len(shapes.get(node.input[0], ()))
    return bool(rank) and [axis % rank for axis in attribute(node, "axes", [])] == [rank - 1]


def _squares(graph: OnnxGraph, node: onnx.NodeProto | None, x: str) -> bool:
    if node is None or node.input[0] != x:
        return False
    power = _scalar(graph, node.input[1]) if node.op_type == "Pow" else None
    return power == _MATRIX or (node.op_type == "Mul" and list(node.input) == [x, x])


def _emit_layer_normalization(
    graph: OnnxGraph, node: onnx.NodeProto, x: str, epsilon: float, shapes: Shapes
) -> bool:
    from onnx import helper

    size = shapes[x][-1]
    old, target = [node], node.output[0]
    parameters = {"Mul": np.ones(size, np.float32), "Add": np.zeros(size, np.float32)}
    for kind in parameters:
        after = graph.sole_consumer(target)
        value = (
            None
            if after is None or after.op_type != kind
            else next((graph.constants[n] for n in after.input if n in graph.constants), None)
        )
        if after is None or value is None or value.size != size or value.shape[-1:] != (size,):
            continue
        parameters[kind] = value.reshape(-1)
        old.append(after)
        target = after.output[0]
    scale, shift = (graph.constant("norm", float32(value)) for value in parameters.values())
    graph.replace(old, [helper.make_node(
        "LayerNormalization", [x, scale, shift], [target], axis=-1, epsilon=epsilon
    )])  # fmt: skip
    return True
