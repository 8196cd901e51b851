"""Between ONNX's protobuf and onnx_ir's objects, and short ways to what passes ask of those.

onnx_ir keeps producers and readers as a graph is edited; here its constants are decoded, once.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn.errors import InputError, MissingPartError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import onnx
    import onnx_ir as ir
    from numpy.typing import NDArray

    Array = NDArray[Any]


def require_onnx() -> None:
    """Raise MissingPartError when what reads, edits or runs ONNX files is not installed."""
    modules = {"onnx": "onnx", "onnx_ir": "onnx-ir", "onnxruntime": "onnxruntime"}
    missing = [package for name, package in modules.items() if find_spec(name) is None]
    if missing:
        raise MissingPartError(
            f"ONNX files need {' and '.join(missing)}, not installed here.",
            hint="pip install 'edgecnn[onnx]'",
        )


def from_proto(proto: onnx.ModelProto) -> ir.Model:
    """The model as onnx_ir has it: every constant is an initializer, decoded, and no input.

    Raises:
        InputError: a tensor that two nodes make, or a constant that is not what it says.
    """
    import onnx_ir as ir
    from onnx_ir.passes.common import RemoveInitializersFromInputsPass

    try:
        model = ir.from_proto(proto)
        RemoveInitializersFromInputsPass()(model)
        lift_constants(model.graph)
        for value in model.graph.initializers.values():
            _decode(value)
    except (ir.serde.SerdeError, ValueError) as error:
        raise InputError(f"The ONNX model is not valid: {_root(error)}") from error
    return model


def _root(error: BaseException) -> str:
    """The first line of what an error goes back to; onnx_ir wraps one around each level."""
    while error.__cause__ is not None:
        error = error.__cause__
    return (str(error).splitlines() or [type(error).__name__])[0]


def lift_constants(graph: ir.Graph) -> None:
    """`Constant` nodes become initializers, where they make an output too (onnx_ir's pass no)."""
    import onnx_ir as ir

    for node in graph:
        output = node.outputs[0] if node.op_type == "Constant" and node.outputs else None
        tensor = None if output is None else ir.convenience.get_const_tensor(output)
        if output is not None and tensor is not None:
            _freeze(graph, output, tensor)
            graph.remove(node)


def freeze(graph: ir.Graph, computed: ir.Value, array: Array) -> None:
    """Let all that reads a computed tensor read a constant of its name, outputs too."""
    import onnx_ir as ir

    _freeze(graph, computed, ir.tensor(np.asarray(array)))


def _freeze(graph: ir.Graph, computed: ir.Value, tensor: ir.TensorProtocol) -> None:
    import onnx_ir as ir

    value = ir.val(computed.name, const_value=tensor)
    computed.replace_all_uses_with(value, replace_graph_outputs=True)
    graph.initializers.add(value)


def _decode(value: ir.Value) -> None:
    import onnx_ir as ir

    tensor = value.const_value
    if isinstance(tensor, ir.ExternalTensor):
        raise InputError(f"The ONNX model keeps the weights '{value.name}' in another file.")
    if isinstance(tensor, ir.TensorProtoTensor):  # which would decode them at each look
        value.const_value = ir.Tensor(tensor.numpy(), dtype=tensor.dtype, name=value.name)


def to_proto(model: ir.Model) -> onnx.ModelProto:
    """The model as protobuf; constants nobody reads go, `value_info` tells of computed tensors."""
    import onnx_ir as ir

    drop_unread_constants(model.graph)
    proto = ir.to_proto(model)
    constants = model.graph.initializers
    infos = [info for info in proto.graph.value_info if info.name not in constants]
    del proto.graph.value_info[:]
    proto.graph.value_info.extend(infos)
    return proto


def drop_unread_constants(graph: ir.Graph) -> None:
    """Remove the initializers that no node reads and that are no outputs."""
    for name, value in list(graph.initializers.items()):
        if not value.uses() and not value.is_graph_output():
            del graph.initializers[name]


def inner_graphs(node: ir.Node) -> list[ir.Graph]:
    """The graphs inside an If, Loop or Scan."""
    import onnx_ir as ir

    inner: list[ir.Graph] = []
    for item in node.attributes.values():
        if item.type == ir.AttributeType.GRAPH:
            inner.append(item.as_graph())
        elif item.type == ir.AttributeType.GRAPHS:
            inner.extend(item.as_graphs())
    return inner


def dtype_name(kind: int) -> str:
    """NumPy's name of an ONNX element type (`TensorProto.DataType`), such as "float32"."""
    from onnx import helper

    return str(np.dtype(helper.tensor_dtype_to_np_dtype(kind)).name)


def float32(value: np.ndarray[Any, Any]) -> Array:
    """The array as contiguous float32."""
    return np.ascontiguousarray(value, dtype=np.float32)


def array_of(value: ir.Value | None) -> Array | None:
    """What a constant holds; None for what is computed or fed, and for an input left out."""
    if value is None or value.const_value is None:
        return None
    return value.const_value.numpy()


def shape_of(value: ir.Value | None) -> tuple[int, ...]:
    """The sizes of a tensor that is fed or computed, 0 for an open one; () where none are known."""
    if value is None or value.shape is None or value.const_value is not None:
        return ()
    return tuple(size if isinstance(size, int) else 0 for size in value.shape)


def name_of(value: ir.Value | None) -> str:
    """The tensor's name; "" for an input left out."""
    return "" if value is None else value.name or ""


def is_float(value: ir.Value | None) -> bool:
    """Whether it is a float32 tensor that is fed or computed."""
    import onnx_ir as ir

    return value is not None and value.const_value is None and value.dtype == ir.DataType.FLOAT


def tensors_of(graph: ir.Graph) -> Iterator[ir.Value]:
    """The graph's inputs, and all that its nodes make."""
    yield from graph.inputs
    for node in graph:
        yield from (value for value in node.outputs if value.name)


def maker_of(value: ir.Value | None) -> ir.Node | None:
    """The node that makes a tensor; None for inputs and constants."""
    return None if value is None else value.producer()


def sole_reader(value: ir.Value) -> ir.Node | None:
    """The only node that reads a tensor; None when there are several or it is a graph output."""
    readers = value.consumers()
    return readers[0] if len(readers) == 1 and not value.is_graph_output() else None
