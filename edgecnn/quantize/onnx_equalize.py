"""Channels of an .onnx scaled against each other as those of the .tflite beside it are.

By how much, `passes.equalize` has found out on the .tflite's graph, and measuring has shown that it
pays (`choosing`). A tensor of the .onnx that has a twin there takes its scale (`onnx_twin`); that
is carried on through what commutes with one, weights take up what is left. That the function stays
the same is for the caller to prove by running it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgecnn.formats.onnx_graph import array_of, float32, is_float, name_of, shape_of
from edgecnn.formats.onnx_rewrites import constant
from edgecnn.quantize.onnx_products import Product, bias_place, product_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    import onnx_ir as ir
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Scales = dict[str, Floats]

_MAP = 4  # axes of a feature map
# A positive scale of each channel passes through these.
_HOMOGENEOUS = {
    "AveragePool", "Dropout", "GlobalAveragePool", "GlobalMaxPool", "Identity", "LeakyRelu",
    "MaxPool", "PRelu", "Pad", "Relu", "Squeeze",
}  # fmt: skip


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
