"""A prepared ONNX model as a graph of TensorFlow, channels last, weights as constants."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn.convert.onnx_import.ends import (
    LAST,
    End,
    endpoint,
    input_layout,
    tensorflow_names,
)
from edgecnn.convert.onnx_import.lazy import tf
from edgecnn.convert.onnx_import.node import Node, attributes_of, label_of
from edgecnn.convert.onnx_import.patterns import with_gelu
from edgecnn.convert.onnx_import.reshaping import settled
from edgecnn.convert.onnx_import.support import refuse_unsupported
from edgecnn.convert.onnx_import.table import entries
from edgecnn.convert.onnx_import.value import Value, channels_last, constant, inverse
from edgecnn.convert.tflite_float import Traced
from edgecnn.errors import EdgeCnnError, InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import onnx
    from numpy.typing import NDArray

    from edgecnn.convert.onnx_import.table import Entry

_IMAGE_RANK = 4


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


def lower(model: onnx.ModelProto, name: str = "The model") -> Lowered:
    """Lower a model to a graph that TFLite's converter takes.

    Args:
        model: float, one graph without functions, every size of every input fixed, shape arithmetic
            folded; operator set 7 to 22.
        name: what errors call it.

    Returns:
        Images go in as (N, H, W, C) where the model has (N, C, H, W), and sequences as (N, W, C);
        outputs of rank 4 may leave so. Each End says so in its layouts. Every other output has the
        model's own axes.

    Raises:
        InputError: an operator, or something an operator asks for, that TFLite does not have.
    """
    refuse_unsupported(model, name)
    graph = tf.Graph()
    with graph.as_default():
        return _Lowering(model).run(graph)


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

    def run(self, graph: Any) -> Lowered:  # noqa: ANN401 - tf.Graph
        infos = [info for info in self.model.graph.input if info.name not in self.values]
        results = list(self.model.graph.output)
        names = tensorflow_names([info.name for info in (*infos, *results)])
        inputs = [self._input(*pair) for pair in zip(infos, names, strict=False)]
        for node in self.nodes:
            self._lower(node)
        outputs = [self._output(*pair) for pair in zip(results, names[len(infos) :], strict=True)]
        traced = Traced(graph, tuple(t for _, t in inputs), tuple(t for _, t in outputs))
        return Lowered(traced, tuple(end for end, _ in inputs), tuple(end for end, _ in outputs))

    def _needed_nodes(self) -> list[onnx.NodeProto]:
        """Nodes that an output depends on, with the patterns of one operator as that."""
        arrays = {key: value.tensor for key, value in self.values.items()}
        for node in self.model.graph.node:
            if node.op_type == "Constant":
                arrays[node.output[0]] = _folded(node, [], self.opset)[0]
        wanted = {info.name for info in self.model.graph.output}
        kept = []
        for node in reversed(with_gelu(self.model.graph.node, arrays)):
            if wanted.intersection(node.output):
                kept.append(node)
                wanted.update(node.input)
        return kept[::-1]

    def _input(self, info: onnx.ValueInfoProto, name: str) -> tuple[End, Any]:
        rank = len(info.type.tensor_type.shape.dim)
        layout = input_layout(info.name, rank, self.nodes)
        end = endpoint(info, layout)
        if 0 in end.shape:
            raise InputError(
                f"Input {info.name} has an open size.", hint="Fix it with --input-shape."
            )
        first = layout.startswith("NC")
        order = channels_last(rank) if first else tuple(range(rank))
        shape = [end.shape[axis] for axis in inverse(order)]
        dtype = tf.float32 if end.dtype.startswith("float") else tf.as_dtype(end.dtype)
        tensor = tf.compat.v1.placeholder(dtype, shape, name=name)
        self.values[info.name] = Value(tensor, order)
        return End(end, name, LAST[rank] if first else layout), tensor

    def _output(self, info: onnx.ValueInfoProto, name: str) -> tuple[End, Any]:
        value = settled(self.values[info.name])
        as_image = value.rank == _IMAGE_RANK and value.order == channels_last(_IMAGE_RANK)
        layouts = ("NCHW", "NHWC") if as_image else ("", "")
        order = value.order if as_image else range(value.rank)
        end = endpoint(info, layouts[0])
        if end.shape != value.shape:
            raise EdgeCnnError(
                f"Output {info.name} would have the shape {value.shape}, not {end.shape}.",
                hint="This is a mistake of the conversion; please report the model.",
            )
        return End(end, name, layouts[1]), tf.identity(value.stored(order), name=name)

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
        outputs = tuple(name if self._is_used(name) else "" for name in node.output)
        seen = Node(
            node.op_type, label_of(node), operands, outputs, attributes_of(node), self.opset
        )
        with tf.name_scope(tensorflow_names([label_of(node)])[0]):
            result = entry.lowering(seen)
        return (result,) if isinstance(result, Value) else result

    def _is_used(self, name: str) -> bool:
        return bool(name) and name in self._used

    @property
    def _used(self) -> set[str]:
        if not hasattr(self, "_used_names"):
            self._used_names = {name for node in self.nodes for name in node.input}
            self._used_names.update(info.name for info in self.model.graph.output)
        return self._used_names


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
    return [_narrowed(np.asarray(array)) for array in ReferenceEvaluator(model).run(None, dict(feeds))]
