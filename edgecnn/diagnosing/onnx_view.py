"""An .onnx as the graph that diagnosing works on: the words and the layout of a .tflite.

What is known of quantized networks (sensitivity, equalization, causes) is written once, for graphs
whose channels are the last axis. A view has the operators' names and weights in that form, and
knows for each tensor which one of the file it is and how its axes are turned. It is for looking
at: no runtime runs it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn.diagnosing.matching import Named
from edgecnn.diagnosing.onnx_forms import forms_of
from edgecnn.diagnosing.onnx_matching import makes_reals
from edgecnn.formats import tflite_schema as schema
from edgecnn.formats.onnx_graph import array_of, is_float, name_of, shape_of
from edgecnn.formats.tflite_graph import Graph, Quantization, Tensor
from edgecnn.quantize import onnx_products

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import onnx_ir as ir
    from numpy.typing import NDArray

    from edgecnn.calibration.layer_inputs import Geometry
    from edgecnn.diagnosing.onnx_forms import Form
    from edgecnn.diagnosing.onnx_plain import Plain, Steps
    from edgecnn.formats.tflite_graph import Operator
    from edgecnn.quantize.onnx_products import Product

    Array = NDArray[Any]

_KINDS = {
    "Add": "ADD", "AveragePool": "AVERAGE_POOL_2D", "Concat": "CONCATENATION", "Flatten": "RESHAPE",
    "GlobalAveragePool": "MEAN", "MaxPool": "MAX_POOL_2D", "Mul": "MUL", "Pad": "PAD",
    "ReduceMean": "MEAN", "Relu": "RELU",
    "Reshape": "RESHAPE", "Sigmoid": "LOGISTIC", "Softmax": "SOFTMAX", "Squeeze": "RESHAPE",
    "Tanh": "TANH", "Unsqueeze": "RESHAPE",
}  # fmt: skip
_RELU, _RELU6 = 1, 3  # schema.fbs: ActivationFunctionType
_MATRIX = 2


@dataclass(frozen=True)
class Window:
    """What an average is taken over."""

    filterHeight: int  # noqa: N815 - as schema.fbs has them
    filterWidth: int  # noqa: N815
    fusedActivationFunction: int = 0  # noqa: N815


@dataclass(frozen=True)
class Fused:
    """What is done to an operator's result."""

    fusedActivationFunction: int = 0  # noqa: N815 - as schema.fbs has it


@dataclass(frozen=True)
class View:
    """The graph, and what of the file its parts are.

    Attributes:
        graph: channels last.
        tensors: of the file, by what the view has.
        forms: of the file's tensors.
        steps: how the file stores them, those that it stores in steps.
        operators: by node of the file.
        geometries: where kernels look.
        rectified: tensors of which only what lies above zero is looked at.
    """

    graph: Graph
    tensors: dict[Tensor, ir.Value]
    forms: dict[ir.Value, Form]
    steps: dict[ir.Value, Steps]
    operators: dict[ir.Node, Operator] = field(default_factory=dict)
    geometries: dict[Operator, Geometry] = field(default_factory=dict)
    rectified: frozenset[ir.Value] = frozenset()


def view(
    plain: Plain,
    layouts: Sequence[str],
    activations: Mapping[ir.Node, ir.Node],
    fused: Mapping[ir.Node, int],
) -> View:
    """Look at a graph without QuantizeLinear and DequantizeLinear.

    Args:
        plain: the graph.
        layouts: of its inputs.
        activations: by node, what is to be seen as fused into it.
        fused: by node, the activation that its range stands for, as schema.fbs numbers them.
    """
    return _Viewing(plain, layouts, activations, fused).view()


def activation_of(node: ir.Node) -> int:
    """A ReLU's or Clip's number in schema.fbs: whether it has a top."""
    return _RELU6 if node.op_type == "Clip" and len(node.inputs) > _MATRIX else _RELU


class _Viewing:
    def __init__(
        self,
        plain: Plain,
        layouts: Sequence[str],
        activations: Mapping[ir.Node, ir.Node],
        fused: Mapping[ir.Node, int],
    ) -> None:
        self.plain, self.activations, self.fused = plain, activations, fused
        self.forms = forms_of(plain.model.graph, layouts)
        self.known: dict[ir.Value, Tensor] = {}
        self.constants: list[Tensor] = []
        self.geometries: dict[Operator, Geometry] = {}

    def view(self) -> View:
        graph = self.plain.model.graph
        inputs = [self._tensor(value) for value in graph.inputs]
        within = set(self.activations.values())
        operators = {
            node: self._operator(node) for node in graph if node not in within and makes_reals(node)
        }
        outputs = [self.known[value] for value in graph.outputs if value in self.known]
        tensors = [*self.known.values(), *self.constants]
        built = Graph(inputs, outputs, operators.values(), tensors)
        places = {tensor: value for value, tensor in self.known.items()}
        return View(built, places, self.forms, self.plain.tensors, dict(operators), self.geometries)

    def _tensor(self, value: ir.Value) -> Tensor:
        if value in self.known:
            return self.known[value]
        steps = self.plain.tensors.get(value)
        dtype = "FLOAT32" if is_float(value) else schema.dtype_name(_numpy_dtype(value))
        quantization = None
        if steps is not None:
            dtype = schema.dtype_name(np.dtype(steps.dtype))
            quantization = Quantization(steps.scale, steps.zero_point)
        form = self.forms[value]
        tensor = Tensor(
            name_of(value), dtype, form.shape(shape_of(value)), quantization=quantization
        )
        self.known[value] = tensor
        return tensor

    def _operator(self, node: ir.Node) -> Operator:
        product = onnx_products.product_of(node)
        result = self.activations.get(node, node).outputs[0]
        outputs = [self._tensor(v) for v in (result, *node.outputs[1:]) if v.name]
        kind = _KINDS.get(node.op_type, node.op_type.upper())
        if product is not None:
            kind = _kind_of(product)
            inputs = [self._operand(node, node.inputs[0]), *self._weights(node, product)]
        else:
            inputs = [self._operand(node, value) for value in node.inputs]
        if node.op_type == "Clip" and activation_of(node) == _RELU6:
            kind = "RELU6"
        if node.op_type == "Transpose" and self._turns_back(node):
            kind = "RESHAPE"
        operator = Named(kind, inputs, outputs, self._options(node), shown=node.op_type)
        geometry = None
        if product is not None:
            geometry = onnx_products.geometry_of(
                node, shape_of(node.inputs[0]), shape_of(node.outputs[0])
            )
        if geometry is not None:
            self.geometries[operator] = geometry
        return operator

    def _options(self, node: ir.Node) -> Window | Fused:
        activation = self.fused.get(node, 0)
        if node in self.activations:
            activation = activation_of(self.activations[node])
        kernel = node.attributes.get_ints("kernel_shape")
        if node.op_type == "AveragePool" and kernel:
            return Window(int(kernel[0]), int(np.prod(kernel[1:])), activation)
        return Fused(activation)

    def _turns_back(self, node: ir.Node) -> bool:
        """Whether a Transpose only moves the channels' axis: in the view it does nothing."""
        source = node.inputs[0]
        if source is None or source not in self.forms:
            return False
        places = np.arange(len(shape_of(source)))
        order = node.attributes.get_ints("perm") or places[::-1].tolist()
        before = _last(places.tolist(), self.forms[source].axis)
        after = _last([int(place) for place in order], self.forms[node.outputs[0]].axis)
        return before == after

    def _operand(self, node: ir.Node, value: ir.Value | None) -> Tensor | None:
        if value is None:
            return None
        values = array_of(value)
        if values is None:
            return self._tensor(value)
        rank = len(shape_of(node.outputs[0]))
        if values.dtype.kind == "f" and values.size > 1:
            values = self._broadcast(values, rank, self.forms[node.outputs[0]])
        return self._constant(name_of(value), values)

    def _broadcast(self, values: Array, rank: int, form: Form) -> Array:
        """A constant beside a tensor of a rank, its channels last."""
        if values.ndim > rank or form.unfolded:
            return values
        whole = values.reshape(*[1] * (rank - values.ndim), *values.shape)
        return np.ascontiguousarray(form.channels_last(whole))

    def _weights(self, node: ir.Node, product: Product) -> list[Tensor]:
        kernel = product.kernel
        value = node.inputs[1]
        source = node.inputs[0]
        form = None if source is None else self.forms.get(source)
        if form is not None and form.unfolded and kernel.ndim == _MATRIX:
            kernel = form.channels_last(kernel)
        steps = None if value is None else self.plain.constants.get(value)
        axis = kernel.ndim - 1 if product.depthwise else 0
        if steps is None:
            stored, quantization = kernel, None
        else:
            turned = replace(steps, axis=axis)
            stored = turned.stored(kernel)
            quantization = Quantization(turned.scale, turned.zero_point, axis)
        tensors = [self._constant(name_of(value), stored, quantization)]
        if product.bias is not None and node.op_type != "MatMul":
            tensors.append(self._constant(f"{name_of(value)}//bias", product.bias))
        return tensors

    def _constant(
        self, name: str, values: Array, quantization: Quantization | None = None
    ) -> Tensor:
        tensor = Tensor(
            name, "FLOAT32", data=np.ascontiguousarray(values), quantization=quantization
        )
        self.constants.append(tensor)
        return tensor


def _last(places: list[int], axis: int) -> list[int]:
    return [*places[:axis], *places[axis + 1 :], places[axis]]


def _numpy_dtype(value: ir.Value) -> np.dtype[Any]:
    return np.dtype(np.int64) if value.dtype is None else value.dtype.numpy()


def _kind_of(product: Product) -> str:
    if product.node.op_type != "Conv":
        return "FULLY_CONNECTED"
    return "DEPTHWISE_CONV_2D" if product.depthwise else "CONV_2D"
