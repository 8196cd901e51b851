"""A prepared ONNX model as a graph of TensorFlow, channels last, weights as constants."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn.convert.onnx_import.ends import End, input_layout, output_layouts, scope_name
from edgecnn.convert.onnx_import.lazy import tf
from edgecnn.convert.onnx_import.node import Node, attributes_of, label_of
from edgecnn.convert.onnx_import.patterns import with_gelu
from edgecnn.convert.onnx_import.reshaping import settled
from edgecnn.convert.onnx_import.support import refuse_unsupported
from edgecnn.convert.onnx_import.table import entries
from edgecnn.convert.onnx_import.value import Value, constant, inverse
from edgecnn.convert.tflite_float import Traced, graph_names
from edgecnn.errors import EdgeCnnError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import onnx
    from numpy.typing import NDArray

    from edgecnn.convert.onnx_import.table import Entry
    from edgecnn.records import Endpoint, Network


@dataclass(frozen=True)
class Lowered:
    """A model as a graph, and what its ends are.

    Attributes:
        traced: the graph with its inputs and outputs, in the model's order.
        inputs: one for each.
        outputs: likewise.
    """

    traced: Traced
    inputs: tuple[End, ...]
    outputs: tuple[End, ...]


def lower(model: onnx.ModelProto, network: Network, name: str = "The model") -> Lowered:
    """Lower a model to a graph that TFLite's converter takes.

    Args:
        model: float, one graph without functions, every size of every input fixed, shape arithmetic
            folded; operator set 7 to 22.
        network: its inputs and outputs, in order, with their layouts as far as they are known.
        name: what errors call it.

    Returns:
        What goes in as "NCHW" goes in channels last, and outputs of rank 4 may leave so:
        each End says so in its layouts. Every other output has the model's own axes.

    Raises:
        InputError: an operator, or something an operator asks for, that TFLite does not have.
    """
    refuse_unsupported(model, name)
    graph = tf.Graph()
    with graph.as_default():
        return _Lowering(model).run(graph, network)


class _Lowering:
    """The values of a model, by name, while its nodes are lowered one by one."""

    def __init__(self, model: onnx.ModelProto) -> None:
        import onnx

        self.model = model
        self.opset = _opset(model)
        self.table = entries()
        self.values: dict[str, Value] = {
            tensor.name: constant(_narrowed(onnx.numpy_helper.to_array(tensor)))
            for tensor in model.graph.initializer
        }
        self.nodes = self._needed_nodes()
        self.used = {name for node in self.nodes for name in node.input}
        self.used.update(info.name for info in model.graph.output)

    def run(self, graph: Any, network: Network) -> Lowered:  # noqa: ANN401 - tf.Graph
        """Inputs, nodes and outputs, in this order."""
        names_in, names_out = graph_names(network)
        inputs = [self._input(*pair) for pair in zip(network.inputs, names_in, strict=True)]
        for node in self.nodes:
            self._lower(node)
        outputs = [self._output(*pair) for pair in zip(network.outputs, names_out, strict=True)]
        traced = Traced(graph, tuple(t for _, t in inputs), tuple(t for _, t in outputs))
        return Lowered(traced, tuple(end for end, _ in inputs), tuple(end for end, _ in outputs))

    def _needed_nodes(self) -> list[onnx.NodeProto]:
        """Nodes that an output depends on, with the patterns of one operator as that."""
        arrays = {key: value.tensor for key, value in self.values.items()}
        for node in self.model.graph.node:
            if node.op_type == "Constant":
                arrays[node.output[0]] = _folded(node, [], self.opset)[0]
        needed = {info.name for info in self.model.graph.output}
        kept = []
        for node in reversed(with_gelu(self.model.graph.node, arrays)):
            if needed.intersection(node.output):
                kept.append(node)
                needed.update(node.input)
        return kept[::-1]

    def _input(self, end: Endpoint, name: str) -> tuple[End, Any]:
        layout, order = input_layout(end)
        dtype = tf.float32 if end.dtype.startswith("float") else tf.as_dtype(end.dtype)
        shape = [end.shape[axis] for axis in inverse(order)]
        tensor = tf.compat.v1.placeholder(dtype, shape, name=name)
        self.values[end.name] = Value(tensor, order)
        return End(end, name, layout), tensor

    def _output(self, end: Endpoint, name: str) -> tuple[End, Any]:
        value = settled(self.values[end.name])
        if end.shape != value.shape:
            raise EdgeCnnError(
                f"Output {end.name} would have the shape {value.shape}, not {end.shape}.",
                hint="This is a mistake of the conversion; please report the model.",
            )
        source, layout, order = output_layouts(end, value)
        tensor = tf.identity(value.stored(order), name=name)
        return End(replace(end, layout=source), name, layout), tensor

    def _lower(self, node: onnx.NodeProto) -> None:
        operands = tuple(self.values[name] if name else None for name in node.input)
        results: Sequence[Value] | None = None
        if all(operand is None or operand.array is not None for operand in operands):
            arrays = [None if operand is None else operand.tensor for operand in operands]
            results = [constant(array) for array in _folded(node, arrays, self.opset)]
        if results is None:
            results = self._lowered(node, operands, self.table[node.op_type])
        self.values.update(
            {name: value for name, value in zip(node.output, results, strict=False) if name}
        )

    def _lowered(
        self, node: onnx.NodeProto, operands: tuple[Value | None, ...], entry: Entry
    ) -> Sequence[Value]:
        outputs = tuple(name if name in self.used else "" for name in node.output)
        seen = Node(
            node.op_type, label_of(node), operands, outputs, attributes_of(node), self.opset
        )
        with tf.name_scope(scope_name(label_of(node))):
            result = entry.lowering(seen)
        return (result,) if isinstance(result, Value) else result


def _opset(model: onnx.ModelProto) -> int:
    return next((o.version for o in model.opset_import if o.domain in {"", "ai.onnx"}), 1)


def _narrowed(array: NDArray[Any]) -> NDArray[Any]:
    """Floats of other widths as float32."""
    return array.astype(np.float32) if array.dtype.kind == "f" else array


def _folded(
    node: onnx.NodeProto, arrays: Sequence[NDArray[Any] | None], opset: int
) -> list[NDArray[Any]]:
    """What a node makes of constants, by ONNX's own reference implementation."""
    import onnx
    from onnx.reference import ReferenceEvaluator

    feeds: Mapping[str, NDArray[Any]] = {
        name: array for name, array in zip(node.input, arrays, strict=True) if array is not None
    }
    infos = [
        onnx.helper.make_tensor_value_info(
            name, onnx.helper.np_dtype_to_tensor_dtype(array.dtype), array.shape
        )
        for name, array in feeds.items()
    ]
    outputs = [onnx.ValueInfoProto(name=name) for name in node.output if name]
    graph = onnx.helper.make_graph([node], "constant", infos, outputs)
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", opset)])
    return [
        _narrowed(np.asarray(array)) for array in ReferenceEvaluator(model).run(None, dict(feeds))
    ]
