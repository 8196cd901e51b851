"""Operators of opset 7 to the current one, written as opset 17 has them.

One small function for each operator whose form changed, whatever the version it was written in: a
form that opset 17 has already is left as it is. `onnx.version_converter` does not do: it refuses
graphs with weights that are no inputs below IR 4, leaves Upsample and has no way back from 18.
Operators that came after 17 are replaced by their own definition in ONNX's schemas where that is a
function.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn.convert import onnx_antialias
from edgecnn.convert.onnx_folding import fold
from edgecnn.errors import InputError
from edgecnn.formats.onnx_graph import array_of, from_proto, name_of, shape_of
from edgecnn.formats.onnx_inference import infer_shapes
from edgecnn.formats.onnx_rewrites import constant, replace

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import onnx_ir as ir
    from numpy.typing import NDArray

OPSET = 17
# Defined by functions in ONNX's schemas, and unknown to opset 17.
_RESIZE = 10  # the opset that has Resize in the place of Upsample
_LATER = {
    "Attention", "CenterCropPad", "Gelu", "Mish", "RMSNormalization", "RotaryEmbedding", "Swish",
}  # fmt: skip


def bring(model: ir.Model) -> ir.Model:
    """Rewrite every operator to opset 17.

    Args:
        model: flat and of fixed shapes; used up.

    Raises:
        InputError: an operator, or a feature of one, that opset 17 cannot express.
    """
    written = model.opset_imports[""]
    if written > OPSET:
        model = _inline_later(model)
    infer_shapes(model)
    if onnx_antialias.write_out(model):
        fold(model)
        infer_shapes(model)
    for node in list(model.graph):
        rewrite = _TABLE.get(node.op_type)
        if rewrite is not None:
            rewrite(model.graph, node, written)
    model.opset_imports.clear()
    model.opset_imports[""] = OPSET
    model.ir_version = 8
    _refuse_unknown(model.graph)
    return model


def clear(model: ir.Model) -> None:
    """Rewrite the operators whose shapes ONNX cannot infer; before anything is folded.

    These are Upsample (with all else that opset 7 to 9 wrote otherwise than 10), and
    GroupNormalization.
    """
    if model.opset_imports[""] < _RESIZE:
        _bring_to_ten(model)
    while any(node.op_type == "GroupNormalization" for node in model.graph):
        infer_shapes(model, strict=False)
        if not sum(_group_normalization(model.graph, node) for node in list(model.graph)):
            raise InputError("What a GroupNormalization of the ONNX model reads has no known rank.")


def _group_normalization(graph: ir.Graph, node: ir.Node) -> bool:
    """Groups as channels of an InstanceNormalization, then a scale and shift for each channel."""
    import onnx_ir as ir

    rank = len(shape_of(node.inputs[0])) if node.op_type == "GroupNormalization" else 0
    values = [array_of(value) for value in node.inputs[1:3]] if rank else []
    if not rank or any(value is None for value in values):
        return False
    groups = node.attributes.get_int("num_groups", 1)
    scale, shift = (np.asarray(value) for value in values)
    for_groups = scale.size == groups  # before opset 21
    plain = [np.ones(groups, scale.dtype), np.zeros(groups, scale.dtype)]
    own = [constant(graph, "norm", v) for v in ([scale, shift] if for_groups else plain)]
    to = constant(graph, "groups", np.asarray([0, groups, -1], np.int64))
    apart = ir.node("Reshape", [node.inputs[0], to])
    normal = ir.node(
        "InstanceNormalization",
        [*apart.outputs, *own],
        {"epsilon": node.attributes.get_float("epsilon", 1e-5)},
    )
    size = ir.node("Shape", [node.inputs[0]])
    new = [apart, normal, size, ir.node("Reshape", [*normal.outputs, *size.outputs])]
    if not for_groups:
        form = [-1, *[1] * (rank - 2)]
        wide = [constant(graph, "wide", value.reshape(form)) for value in (scale, shift)]
        for kind, factor in zip(("Mul", "Add"), wide, strict=True):
            new.append(ir.node(kind, [*new[-1].outputs, factor]))
    replace(graph, [node], new)
    return True


def _bring_to_ten(model: ir.Model) -> None:
    graph, written = model.graph, model.opset_imports[""]
    for node in list(graph):
        if node.op_type == "Upsample":
            _to_input(graph, node, "scales", 1, "float32")
            node.op_type = "Resize"
        elif node.op_type in {"BatchNormalization", "Slice", "TopK"}:
            _TABLE[node.op_type](graph, node, written)
    model.opset_imports[""] = _RESIZE


def _inline_later(model: ir.Model) -> ir.Model:
    """Operators that came later, by their definitions: onnx's inliner works on protobuf."""
    import onnx_ir as ir
    from onnx import inliner

    infer_shapes(model)  # the functions' bodies depend on types and ranks
    later = sorted({node.op_type for node in model.graph} & _LATER)
    if not later:
        return model
    flat = from_proto(
        inliner.inline_selected_functions(
            ir.to_proto(model), [("", name) for name in later], inline_schema_functions=True
        )
    )
    fold(flat)
    return flat


def _refuse_unknown(graph: ir.Graph) -> None:
    """Hold every node against opset 17's schemas."""
    from onnx import defs

    _refuse_later(graph)
    for node in graph:
        schema = defs.get_schema(node.op_type, OPSET, "")
        odd = sorted(node.attributes.keys() - schema.attributes.keys())
        if odd or len(node.inputs) > schema.max_input:
            raise InputError(
                f"The ONNX operator {node.op_type} uses what opset {OPSET} has not"
                f" ({', '.join(odd) or 'more inputs'}).",
                hint=f"Export the model with opset {OPSET}.",
            )


def _refuse_later(graph: ir.Graph) -> None:
    """Refuse the operators that opset 17 has not, all of them at once."""
    from onnx import defs

    counts = Counter(n.op_type for n in graph if not defs.has(n.op_type, OPSET, ""))
    if not counts:
        return
    named = [f"{name} ({count}x, {_first_opset(name)})" for name, count in sorted(counts.items())]
    raise InputError(
        f"The ONNX model has operators that opset {OPSET}, which edgecnn's files have, has not:"
        f" {', '.join(named)}.",
        hint=f"Cut the model before them, or write them with operators of opset {OPSET}.",
    )


def _first_opset(operator: str) -> str:
    from onnx import defs

    versions = [s.since_version for s in defs.get_all_schemas_with_history() if s.name == operator]
    return f"from opset {min(versions)} on" if versions else "in no opset"


def _shape(node: ir.Node) -> tuple[int, ...]:
    """Of what the node reads.

    Raises:
        InputError: it depends on the input's values.
    """
    source = node.inputs[0]
    if source is None or source.type is None:
        raise InputError(f"What the ONNX operator {node.op_type} reads has no fixed size.")
    return shape_of(source)


def _drop(node: ir.Node, *names: str) -> None:
    for name in names:
        node.attributes.pop(name, None)


def _to_input(graph: ir.Graph, node: ir.Node, name: str, position: int, dtype: str) -> None:
    """An attribute of old becomes the input that newer versions have in its place."""
    item = node.attributes.pop(name, None)
    if item is not None:
        _set_input(node, position, constant(graph, name, np.asarray(item.value, dtype=dtype)))


def _set_input(node: ir.Node, position: int, value: ir.Value) -> None:
    node.resize_inputs(max(len(node.inputs), position + 1))
    node.replace_input_with(position, value)


def _constant_input(node: ir.Node, position: int) -> NDArray[Any] | None:
    """An optional input's value; None where there is none.

    Raises:
        InputError: it is computed while the network runs.
    """
    source = node.inputs[position] if len(node.inputs) > position else None
    value = array_of(source)
    if value is None and source is not None:
        raise InputError(f"The ONNX operator {node.op_type} computes its axes or sizes as it runs.")
    return value


def _axes_to_input(graph: ir.Graph, node: ir.Node, _version: int) -> None:
    """Squeeze, Unsqueeze and ReduceSum have their axes as an input since 13."""
    _to_input(graph, node, "axes", 1, "int64")


def _reduce(graph: ir.Graph, node: ir.Node, _version: int) -> None:
    """All other reductions have had their axes as an input since 18 only."""
    import onnx_ir as ir

    axes = _constant_input(node, 1)
    node.resize_inputs(1)
    alone = node.attributes.get_int("noop_with_empty_axes", 0)
    _drop(node, "noop_with_empty_axes")
    if axes is not None and axes.size:
        node.attributes.add(ir.AttrInt64s("axes", axes.tolist()))
    elif alone:
        replace(graph, [node], [ir.node("Identity", node.inputs)])


def _clip(graph: ir.Graph, node: ir.Node, _version: int) -> None:
    _to_input(graph, node, "min", 1, "float32")
    _to_input(graph, node, "max", 2, "float32")


def _pad(graph: ir.Graph, node: ir.Node, version: int) -> None:
    """Pads were attributes before 11; they may name their axes since 18."""
    if version < 11:  # noqa: PLR2004 - the version named above
        value = np.asarray(node.attributes.get_float("value", 0.0), np.float32)
        _drop(node, "value")
        _to_input(graph, node, "pads", 1, "int64")
        _set_input(node, 2, constant(graph, "value", value))
    axes, pads = _constant_input(node, 3), _constant_input(node, 1)
    if axes is not None and pads is not None:
        rank = len(_shape(node))
        every = np.zeros(2 * rank, np.int64)
        for number, axis in enumerate(axes.tolist()):
            every[axis % rank] = pads[number]
            every[axis % rank + rank] = pads[number + len(axes)]
        node.replace_input_with(1, constant(graph, "pads", every))
        node.resize_inputs(3)


def _slice(graph: ir.Graph, node: ir.Node, _version: int) -> None:
    for position, name in enumerate(("starts", "ends", "axes"), 1):
        _to_input(graph, node, name, position, "int64")


def _split(graph: ir.Graph, node: ir.Node, _version: int) -> None:
    """Sizes are an input since 13; since 18 the number of parts may be given, the last smaller."""
    _to_input(graph, node, "split", 1, "int64")
    parts = node.attributes.get_int("num_outputs")
    _drop(node, "num_outputs")
    if parts is not None and len(node.inputs) == 1:
        whole = _shape(node)[node.attributes.get_int("axis", 0)]
        size = -(-whole // parts)
        sizes = [size] * (parts - 1) + [whole - size * (parts - 1)]
        _set_input(node, 1, constant(graph, "split", np.asarray(sizes, np.int64)))


def _top_k(graph: ir.Graph, node: ir.Node, _version: int) -> None:
    _to_input(graph, node, "k", 1, "int64")
    k = array_of(node.inputs[1]) if len(node.inputs) > 1 else None
    if k is not None and not k.ndim:
        node.replace_input_with(1, constant(graph, "k", k.reshape(1)))


def _softmax(graph: ir.Graph, node: ir.Node, version: int) -> None:
    """Before 13 it ran over all axes from `axis` (1) on, flattened; since then over one (-1)."""
    import onnx_ir as ir

    if version >= 13:  # noqa: PLR2004 - the version named above
        return
    shape = _shape(node)
    axis = node.attributes.get_int("axis", 1) % len(shape)
    wide = [i for i in range(axis, len(shape)) if shape[i] > 1]
    node.attributes.add(ir.AttrInt64("axis", wide[0] if wide else axis))
    if len(wide) > 1:
        _flattened(graph, node, axis, shape)


def _flattened(graph: ir.Graph, node: ir.Node, axis: int, shape: tuple[int, ...]) -> None:
    import onnx_ir as ir

    flat = ir.node("Flatten", [node.inputs[0]], {"axis": axis})
    core = ir.node(node.op_type, flat.outputs, {**node.attributes, "axis": 1})
    to = constant(graph, "shape", np.asarray(shape, np.int64))
    replace(graph, [node], [flat, core, ir.node("Reshape", [*core.outputs, to])])


def _dropout(_graph: ir.Graph, node: ir.Node, _version: int) -> None:
    training = _constant_input(node, 2)
    if training is not None and training.any():
        raise InputError(
            "The ONNX model drops values at random (Dropout in training mode).",
            hint="Export it for inference: model.eval() in PyTorch.",
        )
    _drop(node, "ratio", "seed")
    node.resize_inputs(1)


def _batch_normalization(_graph: ir.Graph, node: ir.Node, version: int) -> None:
    if version < 9 and not node.attributes.get_int("spatial", 1):  # noqa: PLR2004 - it went with 9
        raise InputError("BatchNormalization with spatial=0 has no equivalent today.")
    if node.attributes.get_int("training_mode", 0):
        raise InputError(
            "The ONNX model normalizes by the batch (BatchNormalization in training mode).",
            hint="Export it for inference: model.eval() in PyTorch.",
        )
    _drop(node, "spatial")
    _refuse_read(node.outputs[1:])
    node.resize_outputs(1)


def _refuse_read(outputs: Sequence[ir.Value]) -> None:
    """The batch's own statistics are not there at inference."""
    read = [name_of(value) for value in outputs if value.uses() or value.is_graph_output()]
    if read:
        raise InputError(
            f"The ONNX model reads the batch statistics of a BatchNormalization ({read[0]}).",
            hint="Export it for inference: model.eval() in PyTorch.",
        )


def _resize(graph: ir.Graph, node: ir.Node, version: int) -> None:
    """Resize-10 had no modes; Resize-18 names axes and can smooth, Resize-19 pads."""
    if version == _RESIZE:
        _resize_of_ten(graph, node)
        return
    policy = node.attributes.get_string("keep_aspect_ratio_policy", "stretch")
    if node.attributes.get_int("antialias", 0) or policy != "stretch":
        raise InputError(
            "Resize with antialias or a policy for the aspect ratio is newer than opset 17.",
            hint="Export the model without it: resize before the network.",
        )
    _name_all_axes(graph, node)
    _drop(node, "antialias", "keep_aspect_ratio_policy", "axes")


def _resize_of_ten(graph: ir.Graph, node: ir.Node) -> None:
    import onnx_ir as ir

    scales, mode = _constant_input(node, 1), node.attributes.get_string("mode", "nearest")
    shrinks = scales is not None and bool((scales < 1).any())
    attributes = {
        "mode": "linear" if mode in {"linear", "bilinear", "trilinear"} else mode,
        "coordinate_transformation_mode": "asymmetric",
        "nearest_mode": "ceil" if shrinks else "floor",  # as onnxruntime does
    }
    replace(graph, [node], [ir.node("Resize", [node.inputs[0], None, node.inputs[1]], attributes)])


def _name_all_axes(graph: ir.Graph, node: ir.Node) -> None:
    axes = node.attributes.get_ints("axes")
    if axes is None:
        return
    shape = _shape(node)
    whole: dict[int, Any] = {
        1: [0.0] * len(shape) + [1.0] * len(shape),
        2: [1.0] * len(shape),
        3: list(shape),
    }
    for position, every in whole.items():
        value = _constant_input(node, position)
        if value is None or not value.size:
            continue
        for number, axis in enumerate(axes):
            every[axis % len(shape)] = value[number].item()
            if position == 1:
                every[axis % len(shape) + len(shape)] = value[number + len(axes)].item()
        filled = constant(graph, "resize", np.asarray(every, value.dtype))
        node.replace_input_with(position, filled)


def _pool(_graph: ir.Graph, node: ir.Node, _version: int) -> None:
    """AveragePool has dilations since 19."""
    if all(step == 1 for step in node.attributes.get_ints("dilations", (1,))):
        _drop(node, "dilations")


def _cast(_graph: ir.Graph, node: ir.Node, _version: int) -> None:
    """Since 19 and 24: how 8-bit floats saturate and round."""
    _drop(node, "saturate", "round_mode")


def _grid_sample(_graph: ir.Graph, node: ir.Node, _version: int) -> None:
    import onnx_ir as ir

    names = {"linear": "bilinear", "cubic": "bicubic"}
    mode = node.attributes.get_string("mode", "bilinear")
    node.attributes.add(ir.AttrString("mode", names.get(mode, mode)))


def _scatter(_graph: ir.Graph, node: ir.Node, _version: int) -> None:
    node.op_type = "ScatterElements"


_REDUCTIONS = (
    "ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMax", "ReduceMean",
    "ReduceMin", "ReduceProd", "ReduceSumSquare",
)  # fmt: skip
_TABLE: dict[str, Callable[[ir.Graph, ir.Node, int], None]] = {
    "AveragePool": _pool,
    "BatchNormalization": _batch_normalization,
    "Cast": _cast,
    "Clip": _clip,
    "Dropout": _dropout,
    "GridSample": _grid_sample,
    "Hardmax": _softmax,
    "LogSoftmax": _softmax,
    "Pad": _pad,
    "ReduceSum": _axes_to_input,
    "Resize": _resize,
    "Scatter": _scatter,
    "Slice": _slice,
    "Softmax": _softmax,
    "Split": _split,
    "Squeeze": _axes_to_input,
    "TopK": _top_k,
    "Unsqueeze": _axes_to_input,
    **dict.fromkeys(_REDUCTIONS, _reduce),
}
