"""An ONNX graph as passes want it: nodes, constants as arrays, producers and consumers.

A pass edits `OnnxGraph` and `write` puts the result back; the weights are decoded once and encoded
once, however many passes run.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from edgecnn.errors import InputError, MissingPartError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import onnx
    from numpy.typing import NDArray

    Array = NDArray[Any]

# Shape inference reads the values of small constants (axes, shapes) and never those of weights.
_LARGE_BYTES = 1024


def require_onnx() -> None:
    """Raise MissingPartError when onnx or onnxruntime is not installed."""
    missing = [name for name in ("onnx", "onnxruntime") if find_spec(name) is None]
    if missing:
        raise MissingPartError(
            f"ONNX files need {' and '.join(missing)}, not installed here.",
            hint="pip install 'edgecnn[onnx]'",
        )


def attribute(node: onnx.NodeProto, name: str, default: Any = None) -> Any:  # noqa: ANN401 - any type ONNX has
    """The value of a node's attribute, or `default` where it has none."""
    from onnx import helper

    for item in node.attribute:
        if item.name == name:
            return helper.get_attribute_value(item)
    return default


def constant_of(node: onnx.NodeProto) -> Array | None:
    """What a `Constant` node holds; None for any other node, and for sparse or text values."""
    from onnx import numpy_helper

    if node.op_type != "Constant" or node.domain not in {"", "ai.onnx"} or not node.attribute:
        return None
    item = node.attribute[0]
    plain = {"value_float": "float32", "value_floats": "float32", "value_int": "int64",
             "value_ints": "int64"}  # fmt: skip
    if item.name == "value":
        return numpy_helper.to_array(item.t)
    if item.name in plain:
        return np.asarray(attribute(node, item.name), dtype=plain[item.name])
    return None


def dtype_name(kind: int) -> str:
    """NumPy's name of an ONNX element type (`TensorProto.DataType`), such as "float32"."""
    from onnx import helper

    return str(np.dtype(helper.tensor_dtype_to_np_dtype(kind)).name)


class OnnxGraph:
    """A flat ONNX graph, open to edits.

    Attributes:
        nodes: in topological order when the model was; `Constant` nodes have become constants.
        constants: initializers by name.
        inputs: names of the graph's inputs that are no initializers.
        outputs: names of the graph's outputs.

    Raises:
        InputError: the graph has control flow (a node with a graph inside).
    """

    def __init__(self, model: onnx.ModelProto) -> None:
        from onnx import AttributeProto, numpy_helper

        self.model = model
        self.constants: dict[str, Array] = {
            item.name: numpy_helper.to_array(item) for item in model.graph.initializer
        }
        self.nodes: list[onnx.NodeProto] = []
        for node in model.graph.node:
            if any(a.type in {AttributeProto.GRAPH, AttributeProto.GRAPHS} for a in node.attribute):
                raise InputError(
                    f"ONNX node {node.name or node.op_type} holds a graph (control flow).",
                    hint="Export the network for inference, with fixed shapes.",
                )
            if (value := constant_of(node)) is not None:
                self.constants[node.output[0]] = value
            else:
                self.nodes.append(node)
        self.inputs = [i.name for i in model.graph.input if i.name not in self.constants]
        self.outputs = [o.name for o in model.graph.output]
        self._index: tuple[dict[str, onnx.NodeProto], dict[str, list[onnx.NodeProto]]] | None = None
        self._fresh = 0
        self._taken = {*self.constants, *(n for node in self.nodes for n in node.output)}

    def _maps(self) -> tuple[dict[str, onnx.NodeProto], dict[str, list[onnx.NodeProto]]]:
        if self._index is None:
            producers: dict[str, onnx.NodeProto] = {}
            consumers: dict[str, list[onnx.NodeProto]] = {}
            for node in self.nodes:
                producers.update(dict.fromkeys(node.output, node))
                for tensor in dict.fromkeys(node.input):
                    consumers.setdefault(tensor, []).append(node)
            self._index = producers, consumers
        return self._index

    def edited(self) -> None:
        """Forget producers and consumers; call after changing a node's inputs or outputs."""
        self._index = None

    def producer(self, tensor: str) -> onnx.NodeProto | None:
        """The node that makes `tensor`; None for inputs and constants."""
        return self._maps()[0].get(tensor)

    def consumers(self, tensor: str) -> list[onnx.NodeProto]:
        """The nodes that read `tensor`, each once."""
        return self._maps()[1].get(tensor, [])

    def sole_consumer(self, tensor: str) -> onnx.NodeProto | None:
        """The only reader of `tensor`; None when there are several or it is a graph output."""
        readers = self.consumers(tensor)
        return readers[0] if len(readers) == 1 and tensor not in self.outputs else None

    def holds(self, node: onnx.NodeProto) -> bool:
        """Whether the node is (still) part of the graph: a pass may have removed it."""
        return any(node is other for other in self.nodes)

    def fresh(self, hint: str) -> str:
        """A tensor name nobody has."""
        self._fresh += 1
        while f"{hint}//{self._fresh}" in self._taken:  # by an earlier OnnxGraph of this model
            self._fresh += 1
        return f"{hint}//{self._fresh}"

    def constant(self, hint: str, value: Array) -> str:
        """Add a constant and return its name."""
        name = self.fresh(hint)
        self.constants[name] = value
        return name

    def replace(self, old: Iterable[onnx.NodeProto], new: Iterable[onnx.NodeProto]) -> None:
        """Put `new` where the first of `old` stands, and remove `old`."""
        gone = list(old)
        at = next(i for i, node in enumerate(self.nodes) if node is gone[0])
        self.nodes[at:at] = list(new)
        self.nodes = [node for node in self.nodes if not any(node is other for other in gone)]
        self.edited()

    def insert_before(self, node: onnx.NodeProto, new: onnx.NodeProto) -> None:
        """Put `new` in front of `node`."""
        at = next(i for i, other in enumerate(self.nodes) if other is node)
        self.nodes.insert(at, new)
        self.edited()

    def redirect(self, old: str, new: str) -> None:
        """Let every reader of `old` read `new` instead."""
        for node in self.consumers(old):
            node.input[:] = [new if name == old else name for name in node.input]
        self.edited()

    def bypass(self, node: onnx.NodeProto, passed: int = 0) -> bool:
        """Remove a node that passes an input on; False where both its ends have fixed names.

        Args:
            node: one of the graph.
            passed: which of its inputs that is: a constant may come first in an Add or a Mul.
        """
        source, target = node.input[passed], node.output[0]
        maker = self.producer(source)
        if target not in self.outputs:
            self.redirect(target, source)
        elif maker is None or source in self.outputs:
            return False
        else:
            maker.output[:] = [target if name == source else name for name in maker.output]
            self.edited()
            self.redirect(source, target)
        self.replace([node], [])
        return True

    def write(self) -> None:
        """Put nodes and constants back into the model, constants nobody reads left out."""
        from onnx import numpy_helper

        graph = self.model.graph
        used = {name for node in self.nodes for name in node.input} | set(self.outputs)
        nodes = [_copy(node) for node in self.nodes]
        del graph.node[:], graph.initializer[:]
        graph.node.extend(nodes)
        for name, value in self.constants.items():
            if name in used:
                graph.initializer.append(numpy_helper.from_array(value, name))


def _copy(node: onnx.NodeProto) -> onnx.NodeProto:
    # A node that still belongs to the graph dies with `del graph.node[:]`.
    import onnx

    twin = onnx.NodeProto()
    twin.CopyFrom(node)
    return twin


def run_to_end(graph: OnnxGraph, rewrite: Callable[[OnnxGraph, onnx.NodeProto], bool]) -> int:
    """Offer every node to `rewrite` until it changes none; return the number of changes.

    Args:
        graph: edited in place.
        rewrite: returns whether it changed the graph. Each change must bring it closer to the end.
    """
    changes = 0
    while True:
        before = changes
        for node in list(graph.nodes):
            if graph.holds(node):
                changes += rewrite(graph, node)
        if changes == before:
            return changes


def infer_shapes(model: onnx.ModelProto, *, strict: bool = True) -> None:
    """Fill `value_info` with the dtype and shape of every tensor, and shapes that outputs lack.

    Runs ONNX's strict shape inference on a copy whose large constants have become inputs: encoding
    and decoding 90 MB of weights would be nearly all of its time.

    Args:
        model: edited.
        strict: whether a tensor whose shape cannot be told is an error; else it is left out.

    Raises:
        InputError: the graph's shapes contradict each other.
    """
    import onnx
    from onnx import helper, shape_inference

    light = onnx.ModelProto(ir_version=model.ir_version)
    light.opset_import.extend(model.opset_import)
    light.graph.name = model.graph.name
    light.graph.node.extend(model.graph.node)
    light.graph.input.extend(model.graph.input)
    light.graph.output.extend(model.graph.output)
    named = {item.name for item in model.graph.input}
    for item in model.graph.initializer:
        if item.ByteSize() < _LARGE_BYTES:
            light.graph.initializer.append(item)
        elif item.name not in named:
            light.graph.input.append(
                helper.make_tensor_value_info(item.name, item.data_type, list(item.dims))
            )
    try:
        inferred = shape_inference.infer_shapes(light, strict_mode=strict, data_prop=True)
    except shape_inference.InferenceError as error:
        # It lists every node behind the first; and that is the one to blame.
        cause = " ".join(str(error).splitlines()[:1])
        raise InputError(f"The ONNX graph's shapes do not fit together: {cause}") from error
    del model.graph.value_info[:]
    model.graph.value_info.extend(inferred.graph.value_info)
    for item, known in zip(model.graph.output, inferred.graph.output, strict=True):
        if not item.type.tensor_type.HasField("shape"):
            item.CopyFrom(known)


def shapes_of(model: onnx.ModelProto) -> dict[str, tuple[int, ...]]:
    """Tensor name to shape, of every input, output and tensor in `value_info`; open sizes are 0."""
    infos = [*model.graph.input, *model.graph.output, *model.graph.value_info]
    return {i.name: tuple(d.dim_value for d in i.type.tensor_type.shape.dim) for i in infos}


def float32(value: np.ndarray[Any, Any]) -> Array:
    """The array as contiguous float32."""
    return np.ascontiguousarray(value, dtype=np.float32)


def float_tensors(model: onnx.ModelProto) -> set[str]:
    """Names of the float32 tensors among inputs, outputs and `value_info`."""
    from onnx import TensorProto

    infos = [*model.graph.input, *model.graph.output, *model.graph.value_info]
    return {i.name for i in infos if i.type.tensor_type.elem_type == TensorProto.FLOAT}


class Affine(NamedTuple):
    """A node that computes scale * x + shift per channel of an NCHW tensor.

    Attributes:
        source: the tensor x.
        scale: float64 (C,) or (1,).
        shift: likewise.
    """

    source: str
    scale: NDArray[Any]
    shift: NDArray[Any]


def as_affine(graph: OnnxGraph, node: onnx.NodeProto) -> Affine | None:
    """The node as scale and shift, when it is a Mul or an Add with a constant per channel."""
    if node.op_type not in {"Mul", "Add"}:
        return None
    for source, other in (node.input, reversed(node.input)):
        value = graph.constants.get(other)
        if value is None or source in graph.constants or not _per_channel(value):
            continue
        flat = value.astype(np.float64).reshape(-1)
        if node.op_type == "Mul":
            return Affine(source, flat, np.zeros_like(flat))
        return Affine(source, np.ones_like(flat), flat)
    return None


def _per_channel(value: NDArray[Any]) -> bool:
    """Whether it broadcasts along the channels of NCHW only: (1, C, 1, 1), (C, 1, 1)."""
    shape = (1,) * (4 - value.ndim) + value.shape
    return value.dtype.kind == "f" and value.ndim in {3, 4} and value.size == shape[1]
