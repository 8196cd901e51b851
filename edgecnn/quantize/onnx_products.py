"""The convolutions and matrix products of an ONNX graph, as adaptive rounding takes them.

`weights` and `layer_inputs` know the layout of a .tflite, channels last; onnxruntime adds up its
integer convolutions in that order too. What is laid out otherwise in an ONNX file is turned here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn.calibration.layer_inputs import Geometry, LayerAccumulator, LayerInputs
from edgecnn.formats.onnx_graph import OnnxGraph, attribute, float_tensors, shapes_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    import onnx
    from numpy.typing import NDArray

    Shapes = dict[str, tuple[int, ...]]

_MATRIX, _LINE, _MAP = 2, 3, 4  # axes


@dataclass(frozen=True)
class Product:
    """A convolution over one or two axes, or a product with a constant matrix.

    Attributes:
        node: of the graph.
        kernel: as a .tflite has it: (outputs, ..., inputs of a group), of a depthwise convolution
            (1, ..., outputs).
        bias: (outputs,); None without one.
        groups: of a convolution that is not depthwise; 1 of any other product.
        depthwise: whether each channel is filtered on its own.
        axis: of the outputs, in the node's weights.
    """

    node: onnx.NodeProto
    kernel: NDArray[np.float32]
    bias: NDArray[np.float32] | None
    groups: int
    depthwise: bool
    axis: int

    @property
    def constants(self) -> tuple[object, ...]:
        """The same for products with the same weights and bias, which are rounded together."""
        node = self.node
        bias = list(node.input[2:]) if node.op_type != "MatMul" else node.output[0]
        return node.op_type, node.input[1], str(bias), self.groups, self.axis

    @property
    def rows(self) -> NDArray[np.float32]:
        """(outputs, inputs of a group), in the order in which they are added up."""
        return self.as_rows(self.kernel)

    def as_rows(self, weights: NDArray[Any]) -> NDArray[Any]:
        """Weights laid out as `kernel`, one output a row."""
        if self.depthwise:
            return weights.reshape(-1, weights.shape[-1]).T
        return weights.reshape(len(weights), -1)

    def from_rows(self, rows: NDArray[Any]) -> NDArray[Any]:
        """Rows laid out as the node's own weights."""
        if self.node.op_type != "Conv":
            return rows.T if self.axis else rows
        if self.depthwise:
            return rows.reshape(len(rows), 1, *self.kernel.shape[1:-1])
        return np.moveaxis(rows.reshape(self.kernel.shape), -1, 1)

    def places(self, group: int) -> NDArray[np.int64]:
        """Where a group's inputs stand among those of all groups."""
        size, channels = self.rows.shape[1], self.kernel.shape[-1]
        every = np.arange(size * self.groups).reshape(-1, self.groups, channels)
        return every[:, group].reshape(-1)


def product_of(graph: OnnxGraph, node: onnx.NodeProto) -> Product | None:
    """The node as a product, if it is one with float32 weights that are not read transposed."""
    weight = graph.constants.get(node.input[1]) if len(node.input) > 1 else None
    if weight is None or weight.dtype != np.float32 or not weight.size:
        return None
    bias = _bias(graph, node)
    if node.op_type == "Conv" and weight.ndim in {_LINE, _MAP}:
        groups = attribute(node, "group", 1)
        depthwise = groups > 1 and weight.shape[1] == 1
        kernel = np.moveaxis(weight[:, 0], 0, -1)[None] if depthwise else np.moveaxis(weight, 1, -1)
        kernel = np.ascontiguousarray(kernel)
        return Product(node, kernel, bias, 1 if depthwise else groups, depthwise, 0)
    if node.op_type not in {"Gemm", "MatMul"} or weight.ndim != _MATRIX:
        return None
    if attribute(node, "transA", 0) or node.input[0] in graph.constants:
        return None
    axis = 0 if attribute(node, "transB", 0) else 1
    rows = np.ascontiguousarray(weight.T if axis else weight)
    return Product(node, rows, bias, 1, depthwise=False, axis=axis)


def _bias(graph: OnnxGraph, node: onnx.NodeProto) -> NDArray[np.float32] | None:
    place = bias_place(graph, node)
    return graph.constants[place[0].input[place[1]]].reshape(-1) if place else None


def bias_place(graph: OnnxGraph, node: onnx.NodeProto) -> tuple[onnx.NodeProto, int] | None:
    """The node and slot that hold a product's constant bias: of a MatMul, an Add behind it."""
    if node.op_type != "MatMul":
        known = len(node.input) > 2 and node.input[2] in graph.constants  # noqa: PLR2004
        return (node, 2) if known else None
    after = graph.sole_consumer(node.output[0])
    if after is None or after.op_type != "Add":
        return None
    slot = 1 if after.input[0] == node.output[0] else 0
    value = graph.constants.get(after.input[slot])
    weight = graph.constants[node.input[1]]
    fits = value is not None and value.dtype == np.float32 and value.shape == weight.shape[1:]
    return (after, slot) if fits else None


class Patches:
    """Hands a tensor's values, channels last, to what gathers one product's inputs.

    Args:
        result: the product's first output.
        accumulator: of its inputs.
        channels_first: whether axis 1 counts the tensor's channels.
    """

    def __init__(self, result: str, accumulator: LayerAccumulator, *, channels_first: bool) -> None:
        self.result, self.accumulator = result, accumulator
        self._channels_first = channels_first

    def add(self, values: NDArray[Any]) -> None:
        """Take one run's values; see `onnx_ranges.measure`."""
        self.accumulator.add(np.moveaxis(values, 1, -1) if self._channels_first else values)


def patches(model: onnx.ModelProto, runs: int) -> dict[str, list[Patches]]:
    """By tensor, what to watch so that `layer_inputs` can tell of every product's inputs.

    Args:
        model: prepared for int8, shapes inferred.
        runs: how many there will be.
    """
    graph, shapes, floats = OnnxGraph(model), shapes_of(model), float_tensors(model)
    watched: dict[str, list[Patches]] = {}
    for number, node in enumerate(graph.nodes):
        product = product_of(graph, node)
        shape = shapes.get(node.input[0], ()) if node.input else ()
        if product is None or node.input[0] not in floats or not all(shape) or not shape:
            continue
        geometry = _geometry(node, shape, shapes.get(node.output[0], ()))
        if geometry is None:
            continue
        convolution = node.op_type == "Conv"
        accumulator = LayerAccumulator(
            geometry,
            shape[1] if convolution else product.kernel.shape[-1],
            depthwise=product.depthwise,
            images=runs,
            seed=(0, 1, number),
        )
        patch = Patches(node.output[0], accumulator, channels_first=convolution)
        watched.setdefault(node.input[0], []).append(patch)
    return watched


def layer_inputs(watched: Iterable[Iterable[Patches]]) -> dict[str, LayerInputs]:
    """What was seen, by first output of a product."""
    return {
        patch.result: patch.accumulator.result()
        for some in watched
        for patch in some
        if not patch.accumulator.is_empty
    }


def _geometry(
    node: onnx.NodeProto, source: tuple[int, ...], result: tuple[int, ...]
) -> Geometry | None:
    """Where the kernel looks; None where the file does not say."""
    if node.op_type != "Conv":
        rows = (int(np.prod(source[:-1])), 1)
        return Geometry(rows, (1, 1), (1, 1), (1, 1), (0, 0), rows)
    if len(source) != len(result) or attribute(node, "auto_pad", b"NOTSET") != b"NOTSET":
        return None
    axes = len(source) - 2
    kernel = attribute(node, "kernel_shape")
    strides, dilations = (attribute(node, name, [1] * axes) for name in ("strides", "dilations"))
    pads = attribute(node, "pads", [0] * 2 * axes)
    if kernel is None:
        return None
    return Geometry(
        _pair(source[2:], 1),
        _pair(kernel, 1),
        _pair(strides, 1),
        _pair(dilations, 1),
        _pair(pads[:axes], 0),
        _pair(result[2:], 1),
    )


def _pair(sizes: Iterable[int], missing: int) -> tuple[int, int]:
    """Of one axis or two, two."""
    first, *rest = sizes
    return int(first), int(rest[0]) if rest else missing
