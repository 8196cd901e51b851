"""A quantized .onnx as the float graph it stands for: what is stored in steps is noted, taken out.

QuantizeLinear and DequantizeLinear only say how numbers are stored. Without them the graph is that
of the float file again, but for rounded weights; what held steps is known by the tensor's name.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn.diagnosing import onnx_qoperator
from edgecnn.errors import InputError
from edgecnn.formats.onnx_graph import array_of, float32, name_of, shape_of
from edgecnn.formats.onnx_inference import infer_shapes
from edgecnn.formats.onnx_rewrites import constant

if TYPE_CHECKING:
    import onnx_ir as ir
    from numpy.typing import NDArray

    Array = NDArray[Any]

_QUANTIZE, _DEQUANTIZE = "QuantizeLinear", "DequantizeLinear"
_PASSING = {"Dropout", "Identity"}


@dataclass(frozen=True)
class Steps:
    """How a tensor is stored: real = scale * (step - zero_point).

    Attributes:
        scale: float32 (1,), or (C,) along `axis`.
        zero_point: int64 (1,), or (C,) likewise.
        axis: that axis.
        dtype: numpy's name of the steps' type, such as "uint8".
        source: the tensor of the file that holds the steps; "" of a constant.
    """

    scale: NDArray[np.float32]
    zero_point: NDArray[np.int64]
    axis: int
    dtype: str
    source: str = ""

    @property
    def begins_at_zero(self) -> bool:
        """Whether the lowest step stands for zero, as behind a ReLU."""
        return bool(self.zero_point[0] == np.iinfo(self.dtype).min)

    def real(self, steps: Array) -> NDArray[np.float32]:
        """The numbers that steps stand for."""
        shape = _along(self.scale, self.axis, steps.ndim)
        moved = steps.astype(np.float64) - self.zero_point.reshape(shape)
        return (moved * self.scale.astype(np.float64).reshape(shape)).astype(np.float32)

    def stored(self, real: Array) -> Array:
        """The steps that stand for numbers."""
        shape = _along(self.scale, self.axis, real.ndim)
        scale = self.scale.astype(np.float64).reshape(shape)
        limits = np.iinfo(self.dtype)
        steps = np.rint(real / scale) + self.zero_point.reshape(shape)
        return np.clip(steps, limits.min, limits.max).astype(self.dtype)


def _along(values: Array, axis: int, rank: int) -> tuple[int, ...]:
    return tuple(values.size if place == axis else 1 for place in range(rank))


@dataclass(frozen=True)
class Plain:
    """A graph without QuantizeLinear and DequantizeLinear.

    Attributes:
        model: its tensors have the file's names, but for constants; shapes are inferred.
        tensors: how tensors are stored, those that are.
        constants: likewise.
    """

    model: ir.Model
    tensors: dict[ir.Value, Steps] = field(default_factory=dict)
    constants: dict[ir.Value, Steps] = field(default_factory=dict)


def plain(model: ir.Model, what: str) -> Plain:
    """Take out of a model what says how numbers are stored; a float model keeps all it has.

    Args:
        model: as `onnx_file.load` gives it; edited.
        what: the file, for errors.

    Raises:
        InputError: a size is open, or a scale is computed.
    """
    result = Plain(model)
    onnx_qoperator.expand(model.graph)
    for node in list(model.graph):
        _take_out(result, node, what)
    for node in [n for n in model.graph if n.op_type == "Cast" and not _is_read(n)]:
        model.graph.remove(node, safe=True)
    infer_shapes(model, strict=False)
    for value in (*model.graph.inputs, *model.graph.outputs):
        if value.shape is not None and not all(shape_of(value)):
            raise InputError(
                f"{what}: the size of {name_of(value)!r} is open.",
                hint="Diagnose files of fixed sizes, such as `edgecnn export` writes.",
            )
    return result


def _take_out(known: Plain, node: ir.Node, what: str) -> None:
    graph, source = known.model.graph, node.inputs[0] if node.inputs else None
    if source is None or len(node.outputs) == 0:
        return
    if node.op_type in {_QUANTIZE, _DEQUANTIZE}:
        steps, values = _steps(node, what), array_of(source)
        if values is None:
            known.tensors.setdefault(source, steps)
            _pass_on(graph, node, source)
        elif node.op_type == _QUANTIZE:
            _pass_on(graph, node, constant(graph, "steps", steps.stored(values)))
        else:
            _store(known, node, values, steps)
    elif node.op_type in _PASSING or _casts_floats(node):
        _pass_on(graph, node, source)
    elif node.op_type == "Mul":
        _weights_only(known, node)
    elif node.op_type == "Cast" and _is_half(array_of(source)):
        _pass_on(graph, node, constant(graph, "real", float32(np.asarray(array_of(source)))))


def _is_read(node: ir.Node) -> bool:
    return any(value.uses() or value.is_graph_output() for value in node.outputs)


def _is_half(values: Array | None) -> bool:
    """Whether a constant is stored as float16."""
    return values is not None and values.dtype == np.float16


def _pass_on(graph: ir.Graph, node: ir.Node, value: ir.Value) -> None:
    """Let all read another value in place of what a node makes, and remove the node."""
    node.outputs[0].replace_all_uses_with(value, replace_graph_outputs=True)
    graph.remove(node, safe=True)


def _store(known: Plain, node: ir.Node, values: Array, steps: Steps) -> None:
    """A constant in steps: all read its real numbers, and how it was stored is kept."""
    value = constant(known.model.graph, "real", steps.real(values))
    known.constants[value] = steps
    _pass_on(known.model.graph, node, value)


def _steps(node: ir.Node, what: str) -> Steps:
    """What a QuantizeLinear or DequantizeLinear says."""
    scale = array_of(node.inputs[1])
    if scale is None:
        raise InputError(
            f"{what}: the scale of {name_of(node.inputs[0])!r} is computed while it runs.",
            hint="Diagnose files whose scales are constants.",
        )
    given = node.inputs[2] if len(node.inputs) > 2 else None  # noqa: PLR2004
    zero_point = array_of(given)
    held = node.outputs[0] if node.op_type == _QUANTIZE else node.inputs[0]
    dtype = np.dtype(np.uint8) if zero_point is None else zero_point.dtype
    values = array_of(node.inputs[0])
    if zero_point is None and values is not None and node.op_type == _DEQUANTIZE:
        dtype = values.dtype
    flat = np.zeros(1, np.int64) if zero_point is None else zero_point.reshape(-1).astype(np.int64)
    scales = scale.reshape(-1).astype(np.float32)
    rank = len(values.shape) if values is not None else len(shape_of(node.inputs[0])) or 1
    axis = node.attributes.get_int("axis", 1) % rank if len(scales) > 1 else 0
    return Steps(scales, np.broadcast_to(flat, scales.shape), axis, dtype.name, name_of(held))


def _casts_floats(node: ir.Node) -> bool:
    import onnx_ir as ir

    real = {ir.DataType.FLOAT, ir.DataType.FLOAT16}
    source = node.inputs[0]
    if node.op_type != "Cast" or source is None or source.const_value is not None:
        return False
    return source.dtype in real and node.outputs[0].dtype in real


def _weights_only(known: Plain, node: ir.Node) -> None:
    """Weights that are stored in steps and multiplied by their scale: a dynamic recipe's."""
    for place, other in ((0, 1), (1, 0)):
        cast, scale = node.inputs[place], array_of(node.inputs[other])
        maker = None if cast is None else cast.producer()
        if maker is None or maker.op_type != "Cast" or scale is None:
            continue
        values = array_of(maker.inputs[0])
        if values is None or values.dtype.kind not in "iu":
            continue
        sizes = [axis for axis, size in enumerate(scale.shape) if size > 1]
        flat = scale.reshape(-1).astype(np.float32)
        zero = np.zeros(flat.shape, np.int64)
        axis = sizes[0] if sizes else 0
        _store(known, node, values, Steps(flat, zero, axis, values.dtype.name))
        return
