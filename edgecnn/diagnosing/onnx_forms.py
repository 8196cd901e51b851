"""Which axis of each tensor of an .onnx counts its channels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn.formats.onnx_graph import shape_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import onnx_ir as ir
    from numpy.typing import NDArray

    Array = NDArray[Any]

_SHAPES_ANEW = {"Flatten", "Reshape"}
_CHANNELS_FIRST = {"AveragePool", "Conv", "ConvTranspose", "GlobalAveragePool", "MaxPool"}
_MATRIX = 2


@dataclass(frozen=True)
class Form:
    """How the axes of a tensor lie in the file.

    Attributes:
        axis: of the channels.
        unfolded: of a flattened map the (channels, positions...) that its last axis counts.
    """

    axis: int
    unfolded: tuple[int, ...] = ()

    def channels_last(self, values: Array) -> Array:
        """A tensor of the file as the view has it."""
        if self.unfolded:
            split = values.reshape(*values.shape[:-1], *self.unfolded)
            return np.moveaxis(split, values.ndim - 1, -1).reshape(values.shape)
        return np.moveaxis(values, self.axis, -1) if values.ndim else values

    def as_in_file(self, values: Array) -> Array:
        """A tensor of the view, not of a flattened map, as the file has it."""
        return np.ascontiguousarray(np.moveaxis(values, -1, self.axis)) if values.ndim else values

    def shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Of the view, from that in the file."""
        if self.unfolded or not shape:
            return shape
        return (*shape[: self.axis], *shape[self.axis + 1 :], shape[self.axis])


def forms_of(graph: ir.Graph, layouts: Sequence[str]) -> dict[ir.Value, Form]:
    """Where the channels of each tensor are.

    Args:
        graph: shapes inferred.
        layouts: of its inputs; "" where one is not known.
    """
    forms: dict[ir.Value, Form] = {}
    for value, layout in zip(graph.inputs, layouts, strict=True):
        rank = len(shape_of(value))
        known = "C" in layout and len(layout) == rank
        forms[value] = Form(layout.index("C")) if known else _usual(rank)
    for node in graph:
        source = node.inputs[0] if node.inputs else None
        if node.op_type in _CHANNELS_FIRST and source in forms:
            forms[source] = _usual(len(shape_of(source)))
        for value in node.outputs:
            forms[value] = _form(node, value, forms)
    return forms


def _usual(rank: int) -> Form:
    return Form(1 if rank > _MATRIX else max(rank - 1, 0))


def _form(node: ir.Node, value: ir.Value, forms: Mapping[ir.Value, Form]) -> Form:
    rank = len(shape_of(value))
    read = [v for v in node.inputs if v is not None and v in forms and len(shape_of(v))]
    if node.op_type in _CHANNELS_FIRST or not read:
        return _usual(rank)
    if node.op_type in {"Gemm", "MatMul"}:
        return Form(max(rank - 1, 0))
    source = max(read, key=lambda v: len(shape_of(v)))
    form, shape = forms[source], shape_of(source)
    if node.op_type == "Transpose":
        order = node.attributes.get_ints("perm") or list(range(rank))[::-1]
        return Form(list(order).index(form.axis))
    if node.op_type in _SHAPES_ANEW:
        return _shaped_anew(form, shape, shape_of(value))
    if len(shape) != rank:
        return _usual(rank)
    return Form(form.axis) if node.op_type == "Concat" else form


def _shaped_anew(form: Form, shape: tuple[int, ...], result: tuple[int, ...]) -> Form:
    """Of a Flatten or Reshape: channels that stay an axis, or are counted with the positions."""
    channels, rank = shape[form.axis], len(result)
    if len(shape) > _MATRIX and form.axis == 1 and rank == _MATRIX:
        if result[-1] == np.prod(shape[1:]) != channels:
            return Form(1, tuple(shape[1:]))
        return Form(1)
    if shape == result:
        return form
    places = [axis for axis in (form.axis, 1) if axis < rank and result[axis] == channels]
    return Form(places[0] if places and rank > _MATRIX else max(rank - 1, 0))
