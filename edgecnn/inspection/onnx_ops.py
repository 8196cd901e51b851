"""What each node of an ONNX graph computes in, weighs and costs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from edgecnn.inspection import macs
from edgecnn.inspection.record import DYNAMIC, Operator

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from onnx import AttributeProto, GraphProto, NodeProto, TensorProto, ValueInfoProto

Shape = tuple[int, ...]
_UNKNOWN = "unknown"
_INTEGERS = {"int4", "uint4", "int8", "uint8"}
# Constants of these dtypes are shapes, axes and indices, save for an integer bias.
_STRUCTURAL = {"int32", "uint32", "int64", "uint64", "bool", "string"}
_BIAS_SLOTS = {"DequantizeLinear": {0}, "QLinearConv": {8}, "QGemm": {6}}
# Scales, zero points and settings among an operator's inputs.
_SETTINGS = {
    "QuantizeLinear": {1, 2}, "DequantizeLinear": {1, 2}, "QLinearConv": {1, 2, 4, 5, 6, 7},
    "QLinearMatMul": {1, 2, 4, 5, 6, 7}, "QGemm": {1, 2, 4, 5, 7, 8}, "ConvInteger": {2, 3},
    "MatMulInteger": {2, 3}, "DynamicQuantizeMatMul": {2, 3}, "Resize": {1, 2, 3}, "Clip": {1, 2},
    "Pad": {1, 2, 3}, "Dropout": {1, 2},
}  # fmt: skip
# What hands a constant on, changed in form only.
_PASSING = {"Cast", "DequantizeLinear", "Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze"}
_MAX_PASSING = 8


class _Slots(NamedTuple):
    """Where a node keeps what it multiplies; `more` weights follow the same rule."""

    data: int
    weights: int
    rule: macs.Rule
    more: tuple[int, ...] = ()


# Weight layouts: ONNX's operator specification (Conv MI.., ConvTranspose IM..), and onnxruntime's
# contributed operators.
_MAC_OPS = {
    "Conv": _Slots(0, 1, macs.per_output(1)),
    "FusedConv": _Slots(0, 1, macs.per_output(1)),
    "ConvInteger": _Slots(0, 1, macs.per_output(1)),
    "QLinearConv": _Slots(0, 3, macs.per_output(1)),
    "ConvTranspose": _Slots(0, 1, macs.per_input(1)),
    "Gemm": _Slots(0, 1, macs.matmul(-1)),
    "QGemm": _Slots(0, 3, macs.matmul(-1)),
    "MatMul": _Slots(0, 1, macs.matmul(-1)),
    "MatMulInteger": _Slots(0, 1, macs.matmul(-1)),
    "DynamicQuantizeMatMul": _Slots(0, 1, macs.matmul(-1)),
    "QLinearMatMul": _Slots(0, 3, macs.matmul(-1)),
    "NhwcFusedConv": _Slots(0, 1, macs.per_output(1)),
    "DeformConv": _Slots(0, 1, macs.per_output(1)),
    "FusedGemm": _Slots(0, 1, macs.matmul(-1)),
    "FusedMatMul": _Slots(0, 1, macs.matmul(-1)),
    "Einsum": _Slots(0, 1, macs.matmul(-1)),  # its equation decides, see `_einsum`
    **{name: _Slots(0, 1, macs.recurrent, (2,)) for name in ("LSTM", "GRU", "RNN")},
}
# They multiply, and no rule here says how often.
_UNCOUNTED = {
    "Attention", "MultiHeadAttention", "GroupQueryAttention", "DecoderAttention", "QAttention",
    "MatMulNBits", "DynamicQuantizeLSTM", "QLinearConvTranspose", "ConvTransposeWithDynamicPads",
}  # fmt: skip
# Operators on integers whose third input, the data's zero point, has the data's dtype.
_ZERO_POINT_OPS = {"QLinearConv", "QGemm", "QLinearMatMul"}
_ZERO_POINT_SLOT = 2
_TRANSPOSING = {"Gemm", "QGemm", "FusedGemm", "FusedMatMul"}
_DYNAMIC_OPS = {"ConvInteger", "MatMulInteger", "DynamicQuantizeMatMul"}


def dtype_name(elem_type: int) -> str:
    """The dtype, in numpy's words, of a TensorProto.DataType."""
    from onnx import TensorProto

    if elem_type not in TensorProto.DataType.values():
        return f"type{elem_type}"
    name: str = TensorProto.DataType.Name(elem_type).lower()
    return {"float": "float32", "double": "float64", "undefined": _UNKNOWN}.get(name, name)


class Value(NamedTuple):
    """A tensor's dtype and shape; -1 for an open size, None for an unknown shape."""

    dtype: str
    shape: Shape | None

    @property
    def elements(self) -> int:
        """Number of elements, open sizes taken as 1."""
        return math.prod(abs(size) for size in self.shape or ())


class Values:
    """All tensors of a model by name: ONNX names are unique across nested graphs.

    Args:
        main: the main graph.
        nodes: of all graphs.
        graphs: all graphs.
    """

    def __init__(
        self, main: GraphProto, nodes: Iterable[NodeProto], graphs: Sequence[GraphProto]
    ) -> None:
        nodes = list(nodes)
        self.makers = {name: node for node in nodes for name in node.output}
        self.places = {name: place for place, node in enumerate(nodes) for name in node.output}
        self.constants: dict[str, Value] = {}
        self.values: dict[str, Value] = {}
        for graph in graphs:
            for value in (*graph.value_info, *graph.input, *graph.output):
                self.values[value.name] = _value(value)
            for tensor in graph.initializer:
                self.constants[tensor.name] = _constant(tensor)
        for name, node in self.makers.items():
            for attribute in _constant_value(node):
                self.constants[name] = _constant(attribute.t)
        self.values.update(self.constants)
        self.border_in = {value.name for value in main.input} - self.constants.keys()
        self.border_out = {value.name for value in main.output}

    def get(self, name: str) -> Value:
        """What is known of a tensor."""
        return self.values.get(name, Value(_UNKNOWN, None))

    def stored(self, name: str) -> Value | None:
        """The constant behind a tensor, through casts, dequantizing and reshaping."""
        for _ in range(_MAX_PASSING):
            if name in self.constants:
                return self.constants[name]
            maker = self.makers.get(name)
            if maker is None or maker.op_type not in _PASSING or not maker.input:
                return None
            name = maker.input[0]
        return None


def _constant_value(node: NodeProto) -> list[AttributeProto]:
    """The tensor attribute of a Constant node."""
    if node.op_type != "Constant":
        return []
    return [attribute for attribute in node.attribute if attribute.HasField("t")]


def _value(value: ValueInfoProto) -> Value:
    kind = value.type.tensor_type
    shape = None
    if kind.HasField("shape"):
        shape = tuple(d.dim_value if d.HasField("dim_value") else -1 for d in kind.shape.dim)
    return Value(dtype_name(kind.elem_type), shape)


def _constant(tensor: TensorProto) -> Value:
    return Value(dtype_name(tensor.data_type), tuple(tensor.dims))


class NodeView:
    """One node among all tensors of its model."""

    def __init__(self, node: NodeProto, values: Values) -> None:
        self.node = node
        self._values = values
        self._slots = _MAC_OPS.get(node.op_type)
        needed = max(self._slots.data, self._slots.weights, *self._slots.more) if self._slots else 0
        if len(node.input) <= needed or not node.output:
            self._slots = None  # onnx.checker's objection is in the notes
        own = node.domain in {"", "ai.onnx"}
        self.name = node.op_type if own else f"{node.domain}.{node.op_type}"

    def cost(self) -> int | None:
        """MACs; None where a shape is not known, or nobody knows how often it multiplies."""
        if self.node.op_type in _UNCOUNTED:
            return None
        if self._slots is None:
            return 0
        if self.node.op_type == "Einsum":
            return self._einsum()
        counts = [self._cost(slot) for slot in (self._slots.weights, *self._slots.more)]
        return None if None in counts else sum(count or 0 for count in counts)

    def _cost(self, weights_slot: int) -> int | None:
        assert self._slots is not None  # noqa: S101 - for the type checker
        data, weights = self._at(self._slots.data), self._at(weights_slot)
        output = self._values.get(next(filter(None, self.node.output), ""))
        if self._slots.rule is macs.recurrent:  # its first output may be left out
            output = data
        shapes = [value.shape for value in (data, weights, output)]
        if any(shape is None or -1 in shape for shape in shapes):
            return None
        rule = macs.matmul(-2) if self._transposes_data() else self._slots.rule
        return rule(*(shape or () for shape in shapes))

    def _einsum(self) -> int | None:
        shapes = [self._values.get(name).shape for name in self.node.input]
        known = [shape for shape in shapes if shape is not None and -1 not in shape]
        texts = [field.s.decode(errors="replace") for field in self.node.attribute if field.s]
        return macs.einsum(texts[0], known) if texts and len(known) == len(shapes) else None

    def operator(self) -> Operator:
        """The record of this node."""
        values, node, cost = self._values, self.node, self.cost()
        weights = self._weights()
        inputs = [values.get(n) for n in node.input if n and n not in values.constants]
        outputs = [values.get(n) for n in node.output if n]
        return Operator(
            name=self.name,
            compute_dtype=self._compute_dtype(inputs, outputs),
            weights_dtype=weights.dtype if weights else None,
            weights_elements=weights.elements if weights else 0,
            macs=cost or 0,
            input_shapes=tuple(value.shape or () for value in inputs),
            output_shapes=tuple(value.shape or () for value in outputs),
            weights_shape=(weights.shape or ()) if weights else (),
            input_dtypes=tuple(value.dtype for value in inputs),
            output_dtypes=tuple(value.dtype for value in outputs),
            at_border=not values.border_in.isdisjoint(node.input)
            or not values.border_out.isdisjoint(node.output),
            window=self._window(),
            parameters=self._stored_elements(),
            sources=tuple(
                values.places.get(n, -1) for n in node.input if n and n not in values.constants
            ),
            counted=cost is not None,
        )

    def parameters(self) -> Iterator[tuple[str, Value]]:
        """The constants this node reads that were learned, by name."""
        kind = self.node.op_type
        for slot, name in enumerate(self.node.input):
            constant = self._values.constants.get(name)
            if constant is None or slot in _SETTINGS.get(kind, ()):
                continue
            if constant.dtype not in _STRUCTURAL or slot in _BIAS_SLOTS.get(kind, ()):
                yield name, constant

    def _window(self) -> Shape:
        if not self.node.op_type.endswith("Pool"):
            return ()
        windows = [field.ints for field in self.node.attribute if field.name == "kernel_shape"]
        return tuple(int(size) for size in windows[0]) if windows else ()

    def _stored_elements(self) -> int:
        """Elements of the learned constants it reads, also through what dequantizes them."""
        settings = _SETTINGS.get(self.node.op_type, ())
        biases = {2, *_BIAS_SLOTS.get(self.node.op_type, ())} if self._slots else set[int]()
        stored = [
            (slot, self._values.stored(name))
            for slot, name in enumerate(self.node.input)
            if name and slot not in settings
        ]
        return sum(
            value.elements
            for slot, value in stored
            if value is not None and (slot in biases or value.dtype not in _STRUCTURAL)
        )

    def _at(self, slot: int) -> Value:
        return self._values.get(self.node.input[slot])

    def _weights(self) -> Value | None:
        if self._slots is None:
            return None
        weights = self._values.stored(self.node.input[self._slots.weights])
        # A matrix product may have its constant on the left.
        return weights or self._values.stored(self.node.input[self._slots.data])

    def _transposes_data(self) -> bool:
        return self.node.op_type in _TRANSPOSING and any(
            attribute.name == "transA" and attribute.i for attribute in self.node.attribute
        )

    def _compute_dtype(self, inputs: Sequence[Value], outputs: Sequence[Value]) -> str:
        if self._slots is None:
            return next((value.dtype for value in (*inputs, *outputs)), "none")
        if self.node.op_type in _DYNAMIC_OPS:
            return DYNAMIC
        if self.node.op_type in _ZERO_POINT_OPS:  # shape inference does not know them all
            return self._at(_ZERO_POINT_SLOT).dtype
        operands = (self._slots.data, self._slots.weights)
        sources = [self._dequantized(self.node.input[slot]) for slot in operands]
        # A runtime fuses a product of two dequantized integers into an integer product.
        if all(source in _INTEGERS or source == "int16" for source in sources):
            return str(sources[0])
        return self._at(self._slots.data).dtype

    def _dequantized(self, name: str) -> str | None:
        """The integer dtype a DequantizeLinear made this tensor from, else None."""
        for _ in range(_MAX_PASSING):
            maker = self._values.makers.get(name)
            if maker is None or maker.op_type not in _PASSING - {"Cast"} or not maker.input:
                return None
            if maker.op_type == "DequantizeLinear":
                return self._values.get(maker.input[0]).dtype
            name = maker.input[0]
        return None
