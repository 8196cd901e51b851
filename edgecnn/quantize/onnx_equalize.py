"""Channels of an .onnx scaled against each other as those of the .tflite beside it are.

By how much, `passes.equalize` has found out on the .tflite's graph, and measuring has shown that it
pays (`choosing`). The two formats hold the same network, though not with the same operators: a
tensor of one is known in the other by its values on an image. Its scale is carried on through what
commutes with one, weights take up what is left. That the function stays the same is for the caller
to prove by running it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn.formats import onnx_file
from edgecnn.formats.onnx_graph import (
    array_of,
    float32,
    is_float,
    name_of,
    shape_of,
    tensors_of,
    to_proto,
)
from edgecnn.formats.onnx_rewrites import constant
from edgecnn.quantize.onnx_prepare import prepare
from edgecnn.quantize.onnx_products import Product, bias_place, product_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import onnx_ir as ir
    from numpy.typing import NDArray

    from edgecnn.formats.tflite_graph import Graph

    Floats = NDArray[np.float64]
    Scales = dict[str, Floats]

_SAME = 1e-3
_MAP = 4  # axes of a feature map
# A positive scale of each channel passes through these.
_HOMOGENEOUS = {
    "AveragePool", "Dropout", "GlobalAveragePool", "GlobalMaxPool", "Identity", "LeakyRelu",
    "MaxPool", "PRelu", "Pad", "Relu", "Squeeze",
}  # fmt: skip


def transferred(
    float_path: Path,
    plain: Graph,
    scale: Mapping[str, Floats],
    feeds: tuple[Sequence[NDArray[Any]], Sequence[NDArray[Any]]],
) -> ir.Model:
    """The .onnx with its channels scaled.

    Args:
        float_path: the float .onnx.
        plain: the float .tflite's graph, its channels as they were.
        scale: by name of its tensors, what each channel is to be multiplied by, (C,).
        feeds: one sample, as the .tflite takes it and as the .onnx does.
    """
    model = onnx_file.canonicalize(onnx_file.load(float_path))
    prepare(model)
    scales = known_again(_of_tflite(plain, scale, feeds[0]), scale, _of_onnx(model, feeds[1]))
    apply(model.graph, scales)
    return model


def apply(graph: ir.Graph, scales: Mapping[str, Floats]) -> None:
    """Scale the channels of tensors, in place.

    Args:
        graph: shapes inferred.
        scales: by tensor name, what each channel is to be multiplied by, (C,). What lies between
            these tensors is scaled as they ask for; what nothing is known of stays as it is.
    """
    known = dict(scales)
    _carry_on(graph, known)
    for node in list(graph):
        _take_up(graph, node, known)


def _of_tflite(
    graph: Graph, scale: Mapping[str, Floats], feed: Sequence[NDArray[Any]]
) -> dict[str, Floats]:
    """Mean and mean square of each channel of the scaled tensors, (2, C)."""
    from edgecnn.runtime.litert import LiteRTSession

    made = graph.made()
    tensors = [graph[name] for name in scale if name in made]
    session = LiteRTSession(graph.tapped(tensors), threads=1)
    values = session.run_in_place(feed)
    found = {
        tensor.name: moments(value.reshape(-1, tensor.channels))
        for tensor, value in zip(tensors, values, strict=True)
    }
    del values  # no view may outlive its inference
    return found


def _of_onnx(model: ir.Model, feed: Sequence[NDArray[Any]]) -> dict[str, Floats]:
    """Likewise, of every float tensor that nodes make."""
    import onnxruntime
    from onnx import TensorProto, helper

    inputs = [name_of(value) for value in model.graph.inputs]
    names = [
        name_of(v) for v in tensors_of(model.graph) if is_float(v) and name_of(v) not in inputs
    ]
    tapped = to_proto(model)
    del tapped.graph.output[:]
    for name in names:
        tapped.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        tapped.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    values = session.run(names, dict(zip(inputs, feed, strict=True)))
    return {name: moments(rows(value)) for name, value in zip(names, values, strict=True)}


def rows(values: NDArray[Any]) -> NDArray[Any]:
    """One position a row, its channels across: axis 1 of a map, else the last."""
    by_channel = np.moveaxis(values, 1, -1) if values.ndim >= _MAP - 1 else values
    return by_channel.reshape(-1, by_channel.shape[-1]) if by_channel.ndim else values.reshape(1, 1)


def moments(positions: NDArray[Any]) -> Floats:
    """Mean and mean square of each channel, (2, C).

    Args:
        positions: (P, C).
    """
    single = positions.astype(np.float64)
    return np.stack([single.mean(axis=0), np.square(single).mean(axis=0)])


def known_again(
    tflite: Mapping[str, Floats], scale: Mapping[str, Floats], onnx: Mapping[str, Floats]
) -> Scales:
    """The scales by names of the .onnx, of tensors that both files have.

    Args:
        tflite: `moments` of the .tflite's tensors, by name.
        scale: of these.
        onnx: `moments` of the .onnx's.
    """
    found: Scales = {}
    for name, moments in onnx.items():
        twin = next((t for t, other in tflite.items() if _alike(moments, other)), None)
        if twin is not None:
            found[name] = np.asarray(scale[twin])
    return found


def _alike(one: Floats, other: Floats) -> bool:
    if one.shape != other.shape or not other[1].any():
        return False
    largest = np.sqrt(other[1].max())
    return bool(
        np.allclose(one[0], other[0], rtol=_SAME, atol=_SAME * largest)
        and np.allclose(one[1], other[1], rtol=_SAME, atol=_SAME * largest * largest)
    )


def _carry_on(graph: ir.Graph, scales: Scales) -> None:
    """Give scales to tensors between those that are known."""
    before = -1
    while len(scales) != before:
        before = len(scales)
        for node in graph:
            _carry_through(node, scales)
        if len(scales) == before:  # what is joined with scaled channels and has no scale has one
            _fill(graph, scales)


def _carry_through(node: ir.Node, scales: Scales) -> None:
    result = name_of(node.outputs[0])
    names = [name_of(value) for value in node.inputs if is_float(value)]
    if node.op_type in _HOMOGENEOUS:
        _tie([*names[:1], result], scales)
    elif node.op_type == "Add" and len(names) == len(node.inputs):
        _tie([*names, result], scales)
    elif _joins_channels(node) and result not in scales and all(name in scales for name in names):
        scales[result] = np.concatenate([scales[name] for name in names])


def _joins_channels(node: ir.Node) -> bool:
    return node.op_type == "Concat" and node.attributes.get_int("axis", 0) == 1


def _fill(graph: ir.Graph, scales: Scales) -> None:
    for node in filter(_joins_channels, graph):
        if any(name_of(value) in scales for value in node.inputs):
            for value in node.inputs:
                shape = shape_of(value)
                if len(shape) > 1:
                    scales.setdefault(name_of(value), np.ones(shape[1]))


def _tie(names: list[str], scales: Scales) -> None:
    """Tensors of one scale: who has none takes another's."""
    known = next((scales[name] for name in names if name in scales), None)
    for name in names:
        if known is not None:
            scales.setdefault(name, known)


def _take_up(graph: ir.Graph, node: ir.Node, scales: Scales) -> None:
    """Divide a product's weights by its input's scale and multiply them by its output's."""
    product = product_of(node)
    if product is None or product.groups > 1:
        return
    outputs = _channels(product)
    before = _at(scales, node.inputs[0], product.kernel.shape[-1])
    after = _at(scales, node.outputs[0], outputs)
    if before is None or after is None or (np.all(before == 1) and np.all(after == 1)):
        return
    if product.depthwise:
        values = product.kernel * (after / np.repeat(before, outputs // len(before)))
    else:
        values = product.kernel * after.reshape(-1, *[1] * (product.kernel.ndim - 1)) / before
    weights = product.from_rows(product.as_rows(values))
    node.replace_input_with(1, constant(graph, "weight", float32(weights)))
    place = bias_place(node)
    if place is not None:
        old = np.asarray(array_of(place[0].inputs[place[1]]))
        bias = (old.reshape(-1) * after).reshape(old.shape)
        place[0].replace_input_with(place[1], constant(graph, "bias", float32(bias)))


def _channels(product: Product) -> int:
    return product.kernel.shape[-1] if product.depthwise else len(product.kernel)


def _at(scales: Scales, value: ir.Value | None, channels: int) -> Floats | None:
    """The scale of each channel, one where none is known; None where they do not fit.

    Of a flattened map each channel's is repeated for its positions.
    """
    scale = scales.get(name_of(value))
    maker = None if value is None else value.producer()
    if scale is None and maker is not None and maker.op_type in {"Flatten", "Reshape"}:
        shape = shape_of(maker.inputs[0])
        inner = scales.get(name_of(maker.inputs[0]))
        if inner is not None and len(shape) == _MAP and shape[1] == len(inner):
            scale = np.repeat(inner, int(np.prod(shape[2:])))
    if scale is None:
        return np.ones(channels)
    if maker is None and len(scale) != channels:
        return None
    return scale if channels % len(scale) == 0 else None
