"""Operators of opset 7 to the current one, written as opset 17 has them.

One small function for each operator whose form changed, whatever the version it was written in: a
form that opset 17 has already is left as it is. `onnx.version_converter` does not do: it refuses
graphs with weights that are no inputs below IR 4, leaves Upsample and has no way back from 18.
Operators that came after 17 are replaced by their own definition in ONNX's schemas where that is a
function.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn.convert.onnx_parsing import opset
from edgecnn.errors import InputError
from edgecnn.formats.onnx_graph import OnnxGraph, attribute, infer_shapes, shapes_of

if TYPE_CHECKING:
    from collections.abc import Callable

    import onnx

    Shapes = dict[str, tuple[int, ...]]

OPSET = 17
# Defined by functions in ONNX's schemas, and unknown to opset 17.
_RESIZE = 10  # the opset that has Resize in the place of Upsample
_LATER = (
    "Attention", "CenterCropPad", "Gelu", "Mish", "RMSNormalization", "RotaryEmbedding", "Swish",
)  # fmt: skip


def bring(model: onnx.ModelProto) -> None:
    """Rewrite every operator to opset 17; edits the model, which is flat and has fixed shapes.

    Raises:
        InputError: an operator, or a feature of one, that opset 17 cannot express.
    """
    import onnx

    written = opset(model)
    if written > OPSET:
        _inline_later(model)
    infer_shapes(model)
    shapes = shapes_of(model)
    graph = OnnxGraph(model)
    for node in list(graph.nodes):
        rewrite = _TABLE.get(node.op_type)
        if rewrite is not None:
            rewrite(graph, node, shapes, written)
    graph.write()
    del model.opset_import[:]
    model.opset_import.append(onnx.helper.make_opsetid("", OPSET))
    model.ir_version = 8
    _refuse_unknown(model)


def clear(model: onnx.ModelProto) -> None:
    """Rewrite the operators whose shapes ONNX cannot infer; before anything is folded.

    These are Upsample (with all else that opset 7 to 9 wrote otherwise than 10), and
    GroupNormalization.
    """
    if opset(model) < _RESIZE:
        _bring_to_ten(model)
    while any(node.op_type == "GroupNormalization" for node in model.graph.node):
        infer_shapes(model, strict=False)
        shapes = shapes_of(model)
        graph = OnnxGraph(model)
        count = sum(_group_normalization(graph, n, shapes) for n in [*graph.nodes])
        graph.write()
        if not count:
            raise InputError("What a GroupNormalization of the ONNX model reads has no known rank.")


def _group_normalization(graph: OnnxGraph, node: onnx.NodeProto, shapes: Shapes) -> bool:
    """Groups as channels of an InstanceNormalization, then a scale and shift for each channel."""
    from onnx import helper

    rank = len(shapes.get(node.input[0], ()))
    values = [graph.constants.get(name) for name in node.input[1:3]]
    if node.op_type != "GroupNormalization" or not rank or any(v is None for v in values):
        return False
    groups = attribute(node, "num_groups")
    scale, shift = (np.asarray(value) for value in values)
    plain = [np.ones(groups, scale.dtype), np.zeros(groups, scale.dtype)]
    own = [scale, shift] if scale.size == groups else plain  # for each group, before opset 21
    apart, normal, size = (graph.fresh(name) for name in ("apart", "normal", "size"))
    result = graph.fresh("result") if scale.size != groups else node.output[0]
    to = graph.constant("groups", np.asarray([0, groups, -1], np.int64))
    new = [
        helper.make_node("Reshape", [node.input[0], to], [apart]),
        helper.make_node(
            "InstanceNormalization",
            [apart, *(graph.constant("norm", value) for value in own)],
            [normal],
            epsilon=attribute(node, "epsilon", 1e-5),
        ),
        helper.make_node("Shape", [node.input[0]], [size]),
        helper.make_node("Reshape", [normal, size], [result]),
    ]
    if scale.size != groups:
        form = [-1, *[1] * (rank - 2)]
        wide = [graph.constant("wide", value.reshape(form)) for value in (scale, shift)]
        scaled = graph.fresh("scaled")
        new.append(helper.make_node("Mul", [result, wide[0]], [scaled]))
        new.append(helper.make_node("Add", [scaled, wide[1]], [node.output[0]]))
    graph.replace([node], new)
    return True


def _bring_to_ten(model: onnx.ModelProto) -> None:
    import onnx

    graph = OnnxGraph(model)
    for node in list(graph.nodes):
        if node.op_type == "Upsample":
            _to_input(graph, node, "scales", 1, "float32")
            node.op_type = "Resize"
        elif node.op_type == "Slice":
            _slice(graph, node, {}, 0)
        elif node.op_type == "TopK":
            _top_k(graph, node, {}, 0)
        elif node.op_type == "BatchNormalization":
            _batch_normalization(graph, node, {}, opset(model))
    graph.write()
    del model.opset_import[:]
    model.opset_import.append(onnx.helper.make_opsetid("", _RESIZE))


def _inline_later(model: onnx.ModelProto) -> None:
    import onnx
    from onnx import inliner

    infer_shapes(model)  # the functions' bodies depend on types and ranks
    model.graph.value_info.extend(
        onnx.helper.make_tensor_value_info(item.name, item.data_type, list(item.dims))
        for item in model.graph.initializer
    )
    later = sorted({n.op_type for n in model.graph.node} & set(_LATER))
    if later:
        flat = inliner.inline_selected_functions(
            model, [("", name) for name in later], inline_schema_functions=True
        )
        model.CopyFrom(flat)
        from edgecnn.convert.onnx_folding import fold

        fold(model)


def _refuse_unknown(model: onnx.ModelProto) -> None:
    """Hold every node against opset 17's schemas."""
    from onnx import defs

    for node in model.graph.node:
        try:
            schema = defs.get_schema(node.op_type, OPSET, "")
        except defs.SchemaError:
            raise InputError(
                f"The ONNX operator {node.op_type} is not in opset {OPSET}.",
                hint=f"Export the model with opset {OPSET}.",
            ) from None
        odd = sorted({item.name for item in node.attribute} - set(schema.attributes))
        if odd or len(node.input) > schema.max_input:
            raise InputError(
                f"The ONNX operator {node.op_type} uses what opset {OPSET} has not"
                f" ({', '.join(odd) or 'more inputs'}).",
                hint=f"Export the model with opset {OPSET}.",
            )


def _shape(node: onnx.NodeProto, shapes: Shapes) -> tuple[int, ...]:
    """Of what the node reads.

    Raises:
        InputError: it depends on the input's values.
    """
    if node.input[0] not in shapes:
        raise InputError(f"What the ONNX operator {node.op_type} reads has no fixed size.")
    return shapes[node.input[0]]


def _drop(node: onnx.NodeProto, *names: str) -> None:
    kept = [item for item in node.attribute if item.name not in names]
    del node.attribute[:]
    node.attribute.extend(kept)


def _put(node: onnx.NodeProto, name: str, value: object) -> None:
    from onnx import helper

    _drop(node, name)
    node.attribute.append(helper.make_attribute(name, value))


def _to_input(graph: OnnxGraph, node: onnx.NodeProto, name: str, position: int, dtype: str) -> None:
    """An attribute of old becomes the input that newer versions have in its place."""
    value = attribute(node, name)
    if value is None:
        return
    _drop(node, name)
    while len(node.input) <= position:
        node.input.append("")
    node.input[position] = graph.constant(name, np.asarray(value, dtype=dtype))
    graph.edited()


def _constant_input(graph: OnnxGraph, node: onnx.NodeProto, position: int) -> Any:  # noqa: ANN401 - an array or None
    """An optional input's value; None where there is none.

    Raises:
        InputError: it is computed while the network runs.
    """
    if len(node.input) <= position or not node.input[position]:
        return None
    value = graph.constants.get(node.input[position])
    if value is None:
        raise InputError(f"The ONNX operator {node.op_type} computes its axes or sizes as it runs.")
    return value


def _axes_to_input(graph: OnnxGraph, node: onnx.NodeProto, _shapes: Shapes, _version: int) -> None:
    """Squeeze, Unsqueeze and ReduceSum have their axes as an input since 13."""
    _to_input(graph, node, "axes", 1, "int64")


def _reduce(graph: OnnxGraph, node: onnx.NodeProto, _shapes: Shapes, _version: int) -> None:
    """All other reductions have had their axes as an input since 18 only."""
    from onnx import helper

    axes = _constant_input(graph, node, 1)
    del node.input[1:]
    nothing = attribute(node, "noop_with_empty_axes", 0) and (axes is None or not axes.size)
    _drop(node, "noop_with_empty_axes")
    if nothing:
        graph.replace([node], [helper.make_node("Identity", node.input, node.output)])
    elif axes is not None and axes.size:
        _put(node, "axes", axes.tolist())
    graph.edited()


def _clip(graph: OnnxGraph, node: onnx.NodeProto, _shapes: Shapes, _version: int) -> None:
    _to_input(graph, node, "min", 1, "float32")
    _to_input(graph, node, "max", 2, "float32")


def _pad(graph: OnnxGraph, node: onnx.NodeProto, shapes: Shapes, version: int) -> None:
    """Pads were attributes before 11; they may name their axes since 18."""
    if version < 11:  # noqa: PLR2004 - the version named above
        value = attribute(node, "value", 0.0)
        _drop(node, "value")
        _to_input(graph, node, "pads", 1, "int64")
        node.input.append(graph.constant("value", np.float32(value)))  # type: ignore[arg-type] # a scalar array
    axes = _constant_input(graph, node, 3)
    if axes is not None:
        pads, rank = _constant_input(graph, node, 1), len(_shape(node, shapes))
        every = np.zeros(2 * rank, np.int64)
        for number, axis in enumerate(axes.tolist()):
            every[axis % rank] = pads[number]
            every[axis % rank + rank] = pads[number + len(axes)]
        node.input[1] = graph.constant("pads", every)
        del node.input[3:]
    graph.edited()


def _slice(graph: OnnxGraph, node: onnx.NodeProto, _shapes: Shapes, _version: int) -> None:
    for position, name in enumerate(("starts", "ends", "axes"), 1):
        _to_input(graph, node, name, position, "int64")


def _split(graph: OnnxGraph, node: onnx.NodeProto, shapes: Shapes, _version: int) -> None:
    """Sizes are an input since 13; since 18 the number of parts may be given, the last smaller."""
    _to_input(graph, node, "split", 1, "int64")
    parts = attribute(node, "num_outputs")
    _drop(node, "num_outputs")
    if parts is not None and len(node.input) == 1:
        axis = attribute(node, "axis", 0)
        whole = _shape(node, shapes)[axis]
        size = -(-whole // parts)
        sizes = [size] * (parts - 1) + [whole - size * (parts - 1)]
        node.input.append(graph.constant("split", np.asarray(sizes, np.int64)))
        graph.edited()


def _top_k(graph: OnnxGraph, node: onnx.NodeProto, _shapes: Shapes, _version: int) -> None:
    k = attribute(node, "k")
    if k is not None:
        _put(node, "k", [k])
        _to_input(graph, node, "k", 1, "int64")


def _softmax(graph: OnnxGraph, node: onnx.NodeProto, shapes: Shapes, version: int) -> None:
    """Before 13 it ran over all axes from `axis` (1) on, flattened; since then over one (-1)."""
    if version >= 13:  # noqa: PLR2004 - the version named above
        return
    shape = _shape(node, shapes)
    axis = attribute(node, "axis", 1) % len(shape)
    wide = [i for i in range(axis, len(shape)) if shape[i] > 1]
    _put(node, "axis", wide[0] if wide else axis)
    if len(wide) > 1:
        _flattened(graph, node, axis, shape)


def _flattened(graph: OnnxGraph, node: onnx.NodeProto, axis: int, shape: tuple[int, ...]) -> None:
    from onnx import helper

    flat, result = graph.fresh("flat"), graph.fresh("result")
    target = node.output[0]
    to = graph.constant("shape", np.asarray(shape, np.int64))
    core = type(node).FromString(node.SerializeToString())
    core.input[:], core.output[:] = [flat], [result]
    _put(core, "axis", 1)
    graph.replace([node], [
        helper.make_node("Flatten", [node.input[0]], [flat], axis=axis),
        core,
        helper.make_node("Reshape", [result, to], [target]),
    ])  # fmt: skip


def _dropout(graph: OnnxGraph, node: onnx.NodeProto, _shapes: Shapes, _version: int) -> None:
    training = _constant_input(graph, node, 2)
    if training is not None and training.any():
        raise InputError(
            "The ONNX model drops values at random (Dropout in training mode).",
            hint="Export it for inference: model.eval() in PyTorch.",
        )
    _drop(node, "ratio", "seed")
    del node.input[1:]
    graph.edited()


def _batch_normalization(
    graph: OnnxGraph, node: onnx.NodeProto, _shapes: Shapes, version: int
) -> None:
    if version < 9 and not attribute(node, "spatial", 1):  # noqa: PLR2004 - it went with 9
        raise InputError("BatchNormalization with spatial=0 has no equivalent today.")
    if attribute(node, "training_mode", 0):
        raise InputError(
            "The ONNX model normalizes by the batch (BatchNormalization in training mode).",
            hint="Export it for inference: model.eval() in PyTorch.",
        )
    _drop(node, "spatial")
    del node.output[1:]
    graph.edited()


def _resize_node(
    node: onnx.NodeProto, mode: bytes, inputs: list[str], nearest: bytes
) -> onnx.NodeProto:
    from onnx import helper

    return helper.make_node(
        "Resize",
        inputs,
        list(node.output),
        mode="linear" if mode in {b"linear", b"bilinear", b"trilinear"} else mode.decode(),
        coordinate_transformation_mode="asymmetric",
        nearest_mode=nearest.decode(),
    )


def _resize(graph: OnnxGraph, node: onnx.NodeProto, shapes: Shapes, version: int) -> None:
    """Resize-10 had no modes; Resize-18 names axes and can smooth, Resize-19 pads."""
    if version == _RESIZE:
        scales = _constant_input(graph, node, 1)
        # onnxruntime: ceil where it shrinks, floor where it grows
        nearest = b"ceil" if scales is not None and (scales < 1).any() else b"floor"
        mode = attribute(node, "mode", b"nearest")
        twin = _resize_node(node, mode, [node.input[0], "", node.input[1]], nearest)
        graph.replace([node], [twin])
        return
    policy = attribute(node, "keep_aspect_ratio_policy", b"stretch")
    if attribute(node, "antialias", 0) or policy != b"stretch":
        raise InputError(
            "Resize with antialias or a policy for the aspect ratio is newer than opset 17.",
            hint="Export the model without it: resize before the network.",
        )
    _name_all_axes(graph, node, shapes)
    _drop(node, "antialias", "keep_aspect_ratio_policy", "axes")


def _name_all_axes(graph: OnnxGraph, node: onnx.NodeProto, shapes: Shapes) -> None:
    axes = attribute(node, "axes")
    if axes is None:
        return
    shape = _shape(node, shapes)
    whole: dict[int, Any] = {
        1: [0.0] * len(shape) + [1.0] * len(shape),
        2: [1.0] * len(shape),
        3: list(shape),
    }
    for position, every in whole.items():
        value = _constant_input(graph, node, position)
        if value is None or not value.size:
            continue
        for number, axis in enumerate(axes):
            every[axis % len(shape)] = value[number].item()
            if position == 1:
                every[axis % len(shape) + len(shape)] = value[number + len(axes)].item()
        node.input[position] = graph.constant("resize", np.asarray(every, value.dtype))
    graph.edited()


def _pool(_graph: OnnxGraph, node: onnx.NodeProto, _shapes: Shapes, _version: int) -> None:
    """AveragePool has dilations since 19."""
    if all(step == 1 for step in attribute(node, "dilations", [1])):
        _drop(node, "dilations")


def _cast(_graph: OnnxGraph, node: onnx.NodeProto, _shapes: Shapes, _version: int) -> None:
    """Since 19 and 24: how 8-bit floats saturate and round."""
    _drop(node, "saturate", "round_mode")


def _grid_sample(_graph: OnnxGraph, node: onnx.NodeProto, _shapes: Shapes, _version: int) -> None:
    names = {b"linear": b"bilinear", b"cubic": b"bicubic"}
    mode = attribute(node, "mode", b"bilinear")
    _put(node, "mode", names.get(mode, mode))


def _scatter(_graph: OnnxGraph, node: onnx.NodeProto, _shapes: Shapes, _version: int) -> None:
    node.op_type = "ScatterElements"


_REDUCTIONS = (
    "ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMax", "ReduceMean",
    "ReduceMin", "ReduceProd", "ReduceSumSquare",
)  # fmt: skip
_TABLE: dict[str, Callable[[OnnxGraph, onnx.NodeProto, Shapes, int], None]] = {
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
