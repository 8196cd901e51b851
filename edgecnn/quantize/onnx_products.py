"""The convolutions and matrix products of an ONNX graph, as adaptive rounding takes them.

`weights` and `layer_inputs` know the layout of a .tflite, channels last; onnxruntime adds up its
integer convolutions in that order too. What is laid out otherwise in an ONNX file is turned here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn.calibration.layer_inputs import Geometry, LayerAccumulator, LayerInputs
from edgecnn.formats.onnx_graph import array_of, is_float, name_of, shape_of, sole_reader

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    import onnx_ir as ir
    from numpy.typing import NDArray

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

    node: ir.Node
    kernel: NDArray[np.float32]
    bias: NDArray[np.float32] | None
    groups: int
    depthwise: bool
    axis: int

    @property
    def constants(self) -> tuple[object, ...]:
        """The same for products with the same weights and bias, which are rounded together."""
        node = self.node
        bias = tuple(node.inputs[2:]) if node.op_type != "MatMul" else node
        return node.op_type, node.inputs[1], bias, self.groups, self.axis

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


def product_of(node: ir.Node) -> Product | None:
    """The node as a product, if it is one with float32 weights that are not read transposed."""
    if node.op_type not in {"Conv", "Gemm", "MatMul"}:
        return None
    weight = array_of(node.inputs[1])
    if weight is None or weight.dtype != np.float32 or not weight.size:
        return None
    bias = _bias(node)
    if node.op_type == "Conv":
        return _convolution(node, weight, bias) if weight.ndim in {_LINE, _MAP} else None
    transposed = node.attributes.get_int("transA", 0)
    if weight.ndim != _MATRIX or transposed or array_of(node.inputs[0]) is not None:
        return None
    axis = 0 if node.attributes.get_int("transB", 0) else 1
    rows = np.ascontiguousarray(weight.T if axis else weight)
    return Product(node, rows, bias, 1, depthwise=False, axis=axis)


def _convolution(
    node: ir.Node, weight: NDArray[np.float32], bias: NDArray[np.float32] | None
) -> Product:
    groups = node.attributes.get_int("group", 1)
    depthwise = groups > 1 and weight.shape[1] == 1
    kernel = np.moveaxis(weight[:, 0], 0, -1)[None] if depthwise else np.moveaxis(weight, 1, -1)
    kernel = np.ascontiguousarray(kernel)
    return Product(node, kernel, bias, 1 if depthwise else groups, depthwise, 0)


def _bias(node: ir.Node) -> NDArray[np.float32] | None:
    place = bias_place(node)
    value = array_of(place[0].inputs[place[1]]) if place else None
    return None if value is None else value.reshape(-1)


def bias_place(node: ir.Node) -> tuple[ir.Node, int] | None:
    """The node and slot that hold a product's constant bias: of a MatMul, an Add behind it."""
    if node.op_type != "MatMul":
        known = len(node.inputs) > 2 and array_of(node.inputs[2]) is not None  # noqa: PLR2004
        return (node, 2) if known else None
    after = sole_reader(node.outputs[0])
    if after is None or after.op_type != "Add":
        return None
    slot = 1 if after.inputs[0] is node.outputs[0] else 0
    value, weight = array_of(after.inputs[slot]), array_of(node.inputs[1])
    if value is None or weight is None:
        return None
    return (after, slot) if value.dtype == np.float32 and value.shape == weight.shape[1:] else None


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


def patches(graph: ir.Graph, runs: int, decided: Collection[str] = ()) -> dict[str, list[Patches]]:
    """By tensor, what to watch so that `layer_inputs` can tell of every product's inputs.

    Args:
        graph: prepared for int8, shapes inferred.
        runs: how many there will be.
        decided: first outputs of products whose weights need nothing to be known.
    """
    watched: dict[str, list[Patches]] = {}
    for number, node in enumerate(graph):
        product = product_of(node)
        shape = shape_of(node.inputs[0]) if product is not None else ()
        if product is None or not is_float(node.inputs[0]) or not all(shape) or not shape:
            continue
        if name_of(node.outputs[0]) in decided:
            continue
        geometry = geometry_of(node, shape, shape_of(node.outputs[0]))
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
        patch = Patches(name_of(node.outputs[0]), accumulator, channels_first=convolution)
        watched.setdefault(name_of(node.inputs[0]), []).append(patch)
    return watched


def layer_inputs(watched: Iterable[Iterable[Patches]]) -> dict[str, LayerInputs]:
    """What was seen, by first output of a product."""
    return {
        patch.result: patch.accumulator.result()
        for some in watched
        for patch in some
        if not patch.accumulator.is_empty
    }


def geometry_of(node: ir.Node, source: tuple[int, ...], result: tuple[int, ...]) -> Geometry | None:
    """Where the kernel looks; None where the file does not say."""
    if node.op_type != "Conv":
        rows = (int(np.prod(source[:-1])), 1)
        return Geometry(rows, (1, 1), (1, 1), (1, 1), (0, 0), rows)
    stated = node.attributes
    if len(source) != len(result) or stated.get_string("auto_pad", "NOTSET") != "NOTSET":
        return None
    axes = len(source) - 2
    kernel = stated.get_ints("kernel_shape")
    strides, dilations = (stated.get_ints(n, [1] * axes) for n in ("strides", "dilations"))
    pads = stated.get_ints("pads", [0] * 2 * axes)
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
