"""A foreign float graph in one form: nothing that only passes on, normalizations folded away.

Each rewrite states the identity it relies on; what `onnx_passes.simplify` knows follows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn.convert import onnx_passes
from edgecnn.formats.onnx_graph import array_of, float32, maker_of, shape_of, sole_reader
from edgecnn.formats.onnx_inference import infer_shapes
from edgecnn.formats.onnx_rewrites import Affine, bypass, constant, replace, run_to_end

if TYPE_CHECKING:
    import onnx_ir as ir
    from numpy.typing import NDArray

_MATRIX, _MAP = 2, 4  # axes


def tidy(model: ir.Model) -> None:
    """Run every rewrite; edits the model, which is flat, opset 17 and of fixed shapes.

    Raises:
        InputError: shapes that contradict each other.
    """
    infer_shapes(model, strict=False)
    for rewrite in (
        _pass_on,
        _fold_normalization,
        _normalization_as_affine,
        _multiply_and_add,
        _one_for_all_channels,
        _gemm,
        _hard_sigmoid,
        _hard_swish,
        _layer_normalization,
    ):
        run_to_end(model.graph, rewrite)
    onnx_passes.simplify(model)


def _pass_on(graph: ir.Graph, node: ir.Node) -> bool:
    """Identity and inference's Dropout are x; so is a Cast to the type x has."""
    source, target = node.inputs[0] if node.inputs else None, node.outputs[0]
    same = node.op_type == "Cast" and source is not None
    same = same and source is not None and source.dtype == node.attributes.get_int("to")
    if node.op_type == "Dropout" and not any(mask.uses() for mask in node.outputs[1:]):
        node.resize_outputs(1)  # the mask, all ones
    alone = len(node.outputs) == 1 and target.name
    if not alone or not (same or node.op_type in {"Identity", "Dropout"}):
        return False
    if array_of(source) is not None and target.is_graph_output():
        return False
    return bypass(graph, node)


def _scale_and_shift(node: ir.Node) -> tuple[NDArray[Any], NDArray[Any]] | None:
    """A BatchNormalization as x * scale + shift; None where a parameter is computed."""
    values = [array_of(value) for value in node.inputs[1:5]]
    if node.op_type != "BatchNormalization" or any(value is None for value in values):
        return None
    gamma, beta, mean, variance = (np.asarray(value, np.float64) for value in values)
    scale = gamma / np.sqrt(variance + node.attributes.get_float("epsilon", 1e-5))
    return scale, beta - mean * scale


def _fold_normalization(graph: ir.Graph, node: ir.Node) -> bool:
    """Per output channel, s * conv(x; W, b) + t = conv(x; s * W, s * b + t)."""
    affine = _scale_and_shift(node)
    maker = maker_of(node.inputs[0]) if affine is not None else None
    if affine is None or maker is None or sole_reader(maker.outputs[0]) is not node:
        return False
    weight = array_of(maker.inputs[1]) if len(maker.inputs) > 1 else None
    if maker.op_type not in {"Conv", "ConvTranspose", "Gemm"} or weight is None:
        return False
    factors = (maker.attributes.get_float(name, 1.0) for name in ("alpha", "beta"))
    if maker.op_type == "Gemm" and any(factor != 1.0 for factor in factors):
        return False
    scale, shift = affine
    bias = onnx_passes.constant_bias(maker, scale.size)
    if bias is None:
        return False
    scaled = _scaled_weight(maker, weight.astype(np.float64), scale)
    onnx_passes.set_weight_and_bias(
        graph, maker, scaled, np.broadcast_to(bias, scale.shape) * scale + shift
    )
    return bypass(graph, node)


def _scaled_weight(node: ir.Node, weight: NDArray[Any], scale: NDArray[Any]) -> NDArray[Any]:
    """The weights times a factor for each output channel."""
    if node.op_type == "ConvTranspose":  # (inputs, outputs of a group, ...), groups along axis 0
        groups = node.attributes.get_int("group", 1)
        apart = weight.reshape(groups, -1, *weight.shape[1:])
        factors = scale.reshape(groups, 1, -1, *[1] * (weight.ndim - 2))
        return np.asarray((apart * factors).reshape(weight.shape))
    first = node.op_type == "Conv" or node.attributes.get_int("transB", 0) != 0
    return np.asarray(weight * scale.reshape([-1, *[1] * (weight.ndim - 1)] if first else [1, -1]))


def _normalization_as_affine(graph: ir.Graph, node: ir.Node) -> bool:
    """A normalization behind anything else is a Mul and an Add."""
    affine = _scale_and_shift(node)
    source = node.inputs[0] if affine is not None else None
    rank = len(shape_of(source))
    if affine is None or source is None or rank < _MATRIX:
        return False
    form = (1, -1, *[1] * (rank - _MATRIX))
    replace(graph, [node], onnx_passes.affine_nodes(graph, Affine(source, *affine), form))
    return True


def _multiply_and_add(graph: ir.Graph, node: ir.Node) -> bool:
    """Of x / c = x * (1 / c) and x - c = x + (-c), runtimes quantize the right sides."""
    if node.op_type not in {"Div", "Sub"} or array_of(node.inputs[0]) is not None:
        return False
    value = array_of(node.inputs[1])
    if value is None or value.dtype != np.float32:
        return False
    if node.op_type == "Div":
        with np.errstate(divide="ignore", over="ignore"):
            inverse = (1.0 / value.astype(np.float64)).astype(np.float32)
        if not np.isfinite(inverse).all() or not np.all(
            np.abs(inverse) > np.finfo(np.float32).tiny
        ):
            return False
    other = constant(graph, "constant", inverse if node.op_type == "Div" else -value)
    node.replace_input_with(1, other)
    node.op_type = "Mul" if node.op_type == "Div" else "Add"
    return True


def _one_for_all_channels(graph: ir.Graph, node: ir.Node) -> bool:
    """A number is a factor or summand for each channel too, which convolutions take in."""
    if node.op_type not in {"Mul", "Add"}:
        return False
    for position in (0, 1):
        value, other = array_of(node.inputs[position]), shape_of(node.inputs[1 - position])
        if value is None or value.size != 1 or value.ndim == len(other) or len(other) != _MAP:
            continue
        node.replace_input_with(position, constant(graph, "number", value.reshape([1] * _MAP)))
        return True
    return False


def _gemm(graph: ir.Graph, node: ir.Node) -> bool:
    """A matrix times constant weights plus a constant row is one Gemm."""
    import onnx_ir as ir

    after = sole_reader(node.outputs[0]) if node.op_type == "MatMul" else None
    if after is None or after.op_type != "Add" or len(shape_of(node.inputs[0])) != _MATRIX:
        return False
    weight = array_of(node.inputs[1])
    bias = array_of(after.inputs[1 if after.inputs[0] is node.outputs[0] else 0])
    if weight is None or weight.ndim != _MATRIX or bias is None or bias.size != weight.shape[1]:
        return False
    if bias.ndim > _MATRIX or bias.shape[-1] != bias.size:
        return False
    row = constant(graph, "bias", bias.reshape(-1))
    replace(graph, [node, after], [ir.node("Gemm", [*node.inputs, row])])
    return True


def _scalar(value: ir.Value | None) -> float | None:
    array = array_of(value)
    return float(array.reshape(-1)[0]) if array is not None and array.size == 1 else None


def _with_scalar(node: ir.Node | None, kind: str, number: float) -> ir.Value | None:
    """What the node `kind`s with this number; None where it is no such node."""
    if node is None or node.op_type != kind:
        return None
    for source, other in (node.inputs, node.inputs[::-1]):
        value = _scalar(other)
        if value is not None and abs(value - number) < 1e-6 * abs(number):
            return source
    return None


def _six_step(tensor: ir.Value | None) -> ir.Value | None:
    """The x of clip(x + 3, 0, 6), whose tensors nobody else reads; None for anything else."""
    clip = maker_of(tensor)
    if clip is None or clip.op_type != "Clip" or len(clip.inputs) != 3:  # noqa: PLR2004 - data and both limits
        return None
    if (_scalar(clip.inputs[1]), _scalar(clip.inputs[2])) != (0.0, 6.0):
        return None
    return _with_scalar(maker_of(clip.inputs[0]), "Add", 3.0)


def _hard_sigmoid(graph: ir.Graph, node: ir.Node) -> bool:
    """clip(x + 3, 0, 6) / 6 = HardSigmoid(x; 1/6, 1/2)."""
    import onnx_ir as ir

    x = _six_step(_with_scalar(node, "Mul", 1 / 6))
    if x is None:
        return False
    replace(graph, [node], [ir.node("HardSigmoid", [x], {"alpha": 1 / 6, "beta": 0.5})])
    return True


def _hard_swish(graph: ir.Graph, node: ir.Node) -> bool:
    """HardSwish(x) = x * HardSigmoid(x; 1/6, 1/2) = x * clip(x + 3, 0, 6) / 6."""
    import onnx_ir as ir

    x = None
    inner = maker_of(_with_scalar(node, "Mul", 1 / 6))
    for product, by_six in ((node, False), (inner, True)):
        if product is None or product.op_type != "Mul":
            continue
        for value, other in (product.inputs, product.inputs[::-1]):
            gate = maker_of(other)
            is_gate = gate is not None and _is_hard_sigmoid(gate) and gate.inputs[0] is value
            is_step = value is not None and _six_step(other) is value
            if is_step if by_six else is_gate:
                x = value
    if x is None:
        return False
    replace(graph, [node], [ir.node("HardSwish", [x])])
    return True


def _is_hard_sigmoid(node: ir.Node) -> bool:
    if node.op_type != "HardSigmoid":
        return False
    alpha, beta = node.attributes.get_float("alpha", 0.2), node.attributes.get_float("beta", 0.5)
    return abs(alpha - 1 / 6) < 1e-6 and abs(beta - 0.5) < 1e-6  # noqa: PLR2004 - float32


def _layer_normalization(graph: ir.Graph, node: ir.Node) -> bool:
    """(x - mean) / sqrt(mean((x - mean)^2) + eps) over the last axis, scaled and shifted."""
    root = maker_of(node.inputs[1]) if node.op_type == "Div" else None
    total = maker_of(root.inputs[0]) if root is not None and root.op_type == "Sqrt" else None
    epsilon = (
        next((e for value in total.inputs if (e := _scalar(value)) is not None), None)
        if total is not None and total.op_type == "Add"
        else None
    )
    if epsilon is None or total is None:
        return False
    centered = maker_of(node.inputs[0])
    if centered is None or centered.op_type != "Sub":
        return False
    variance = next(iter(total.predecessors()), None)
    x = centered.inputs[0]
    mean = maker_of(centered.inputs[1])
    if x is None or not (_mean_of_last(mean) and mean is not None and mean.inputs[0] is x):
        return False
    if not (_mean_of_last(variance) and variance is not None):
        return False
    if not _squares(maker_of(variance.inputs[0]), centered.outputs[0]):
        return False
    return _emit_layer_normalization(graph, node, x, epsilon)


def _mean_of_last(node: ir.Node | None) -> bool:
    if node is None or node.op_type != "ReduceMean" or not node.attributes.get_int("keepdims", 1):
        return False
    rank = len(shape_of(node.inputs[0]))
    axes = node.attributes.get_ints("axes", ())
    return bool(rank) and [axis % rank for axis in axes] == [rank - 1]


def _squares(node: ir.Node | None, x: ir.Value) -> bool:
    if node is None or node.inputs[0] is not x:
        return False
    power = _scalar(node.inputs[1]) if node.op_type == "Pow" else None
    return power == _MATRIX or (node.op_type == "Mul" and node.inputs[1] is x)


def _emit_layer_normalization(graph: ir.Graph, node: ir.Node, x: ir.Value, epsilon: float) -> bool:
    import onnx_ir as ir

    size = shape_of(x)[-1]
    old = [node]
    parameters = {"Mul": np.ones(size, np.float32), "Add": np.zeros(size, np.float32)}
    for kind in parameters:
        after = sole_reader(old[-1].outputs[0])
        arrays = [] if after is None or after.op_type != kind else map(array_of, after.inputs)
        value = next((array for array in arrays if array is not None), None)
        if after is None or value is None or value.size != size or value.shape[-1:] != (size,):
            continue
        parameters[kind] = value.reshape(-1)
        old.append(after)
    scale, shift = (constant(graph, "norm", float32(value)) for value in parameters.values())
    normal = ir.node("LayerNormalization", [x, scale, shift], {"axis": -1, "epsilon": epsilon})
    replace(graph, old, [normal])
    return True
