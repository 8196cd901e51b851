"""A .tflite file as an editable object: read, look up, change, write.

Thin helpers over the schema's object API (`schema_py_generated`, made by flatc from TensorFlow
Lite's schema.fbs). Only trusted files come here: those our own converter wrote, or those that
`inspection` has read and a child process has run.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

# The generated classes carry no types.
ModelT: TypeAlias = Any
SubGraphT: TypeAlias = Any
TensorT: TypeAlias = Any
OperatorT: TypeAlias = Any

NO_TENSOR = -1
_IDENTIFIER = b"TFL3"
_SIGNATURE_KEY = "serving_default"


def _schema() -> Any:  # noqa: ANN401 - a generated module without types
    from ai_edge_litert import schema_py_generated

    return schema_py_generated


def read(data: bytes) -> ModelT:
    """Unpack a .tflite file; buffers that lie behind the FlatBuffer are brought inside."""
    model = _schema().ModelT.InitFromPackedBuf(data, 0)
    for buffer in model.buffers:
        if buffer.offset > 1:  # 0: inline or empty, 1: a placeholder (schema.fbs)
            buffer.data = np.frombuffer(data, np.uint8, buffer.size, buffer.offset)
            buffer.offset = buffer.size = 0
    return model


def write(model: ModelT) -> bytes:
    """Pack a model; the same object gives the same bytes."""
    import flatbuffers

    size = sum(0 if buffer.data is None else len(buffer.data) for buffer in model.buffers)
    builder = flatbuffers.Builder(size + (1 << 20))
    builder.Finish(model.Pack(builder), _IDENTIFIER)
    return bytes(builder.Output())


def main_graph(model: ModelT) -> SubGraphT:
    """The subgraph an interpreter runs."""
    return model.subgraphs[0]


def operator_name(model: ModelT, operator: OperatorT) -> str:
    """The builtin's name as schema.fbs has it, such as CONV_2D."""
    code = model.operatorCodes[operator.opcodeIndex]
    number = max(code.builtinCode, code.deprecatedBuiltinCode)
    return builtin_names()[number]


_names: dict[int, str] = {}


def builtin_names() -> dict[int, str]:
    """Number to name of every builtin operator."""
    if not _names:
        table = vars(_schema().BuiltinOperator)
        _names.update({n: name for name, n in table.items() if isinstance(n, int)})
    return _names


def opcode_index(model: ModelT, name: str, version: int = 1) -> int:
    """Index of a builtin among the model's operator codes; added where it is missing."""
    schema = _schema()
    number = getattr(schema.BuiltinOperator, name)
    for index, code in enumerate(model.operatorCodes):
        if max(code.builtinCode, code.deprecatedBuiltinCode) == number and code.version >= version:
            return index
    code = schema.OperatorCodeT()
    code.builtinCode = number
    code.deprecatedBuiltinCode = min(number, 127)  # how schema.fbs keeps old readers working
    code.version = version
    model.operatorCodes.append(code)
    return len(model.operatorCodes) - 1


def producers(graph: SubGraphT) -> dict[int, int]:
    """Tensor index to the index of the operator that makes it."""
    return {
        int(tensor): index
        for index, operator in enumerate(graph.operators)
        for tensor in operator.outputs
    }


def consumers(graph: SubGraphT) -> dict[int, list[int]]:
    """Tensor index to the indices of the operators that read it."""
    found: dict[int, list[int]] = defaultdict(list)
    for index, operator in enumerate(graph.operators):
        for tensor in operator.inputs:
            found[int(tensor)].append(index)
    return found


_DTYPES = {
    "FLOAT32": np.float32, "FLOAT16": np.float16, "INT32": np.int32, "UINT8": np.uint8,
    "INT64": np.int64, "INT16": np.int16, "INT8": np.int8, "BOOL": np.bool_,
}  # fmt: skip


def dtype_of(tensor: TensorT) -> np.dtype[Any]:
    """The tensor's element type; KeyError for one numpy has no name for."""
    return np.dtype(_DTYPES[type_name(tensor)])


def type_name(tensor: TensorT) -> str:
    """The tensor's element type as schema.fbs has it, such as FLOAT32."""
    table = vars(_schema().TensorType)
    return str(next(name for name, number in table.items() if number == tensor.type))


def tensor_type(name: str) -> int:
    """The number schema.fbs gives an element type."""
    return int(getattr(_schema().TensorType, name))


def tensor_name(tensor: TensorT) -> str:
    """The tensor's name as text."""
    name = tensor.name
    return name.decode(errors="replace") if isinstance(name, bytes) else str(name or "")


def constant(model: ModelT, graph: SubGraphT, index: int) -> NDArray[Any] | None:
    """A constant tensor's values in its shape (a view, not to be written to), else None."""
    if index == NO_TENSOR:
        return None
    tensor = graph.tensors[index]
    data = model.buffers[tensor.buffer].data
    if data is None or len(data) == 0:
        return None
    shape = [] if tensor.shape is None else list(tensor.shape)
    return np.asarray(data, np.uint8).view(dtype_of(tensor)).reshape(shape)


def set_constant(model: ModelT, graph: SubGraphT, index: int, values: NDArray[Any]) -> None:
    """Give a tensor constant values of its own (a shared buffer is left to its other readers)."""
    tensor = graph.tensors[index]
    buffer = _schema().BufferT()
    buffer.data = np.ascontiguousarray(values).view(np.uint8).reshape(-1)
    model.buffers.append(buffer)
    tensor.buffer = len(model.buffers) - 1
    tensor.shape = np.asarray(values.shape, np.int32)
    tensor.shapeSignature = None  # it may have been made like a tensor whose batch is open


def add_tensor(graph: SubGraphT, like: TensorT, name: str) -> int:
    """A new tensor without contents, of the type, shape and quantization of another."""
    import copy

    tensor = copy.deepcopy(like)
    tensor.name = name.encode()
    tensor.buffer = 0
    graph.tensors.append(tensor)
    return len(graph.tensors) - 1


def add_operator(
    model: ModelT, name: str, inputs: Iterable[int], outputs: Iterable[int], version: int = 1
) -> OperatorT:
    """A new operator without options; the caller puts it in its place."""
    operator = _schema().OperatorT()
    operator.opcodeIndex = opcode_index(model, name, version)
    operator.inputs = np.asarray(list(inputs), np.int32)
    operator.outputs = np.asarray(list(outputs), np.int32)
    return operator


def set_signature(model: ModelT) -> None:
    """Give the model the one signature that tools expect, named after its inputs and outputs."""
    schema = _schema()
    graph = main_graph(model)

    def entry(index: int) -> Any:  # noqa: ANN401 - a generated class without types
        mapping = schema.TensorMapT()
        mapping.name = tensor_name(graph.tensors[index]).encode()
        mapping.tensorIndex = int(index)
        return mapping

    signature = schema.SignatureDefT()
    signature.signatureKey = _SIGNATURE_KEY.encode()
    signature.inputs = [entry(index) for index in graph.inputs]
    signature.outputs = [entry(index) for index in graph.outputs]
    signature.subgraphIndex = 0
    model.signatureDefs = [signature]


def quantization_of(tensor: TensorT) -> tuple[NDArray[np.float32], NDArray[np.int64]] | None:
    """Scales and zero points of a quantized tensor, one each or one for each channel."""
    quantization = tensor.quantization
    if quantization is None or quantization.scale is None or len(quantization.scale) == 0:
        return None
    return (
        np.asarray(quantization.scale, np.float32),
        np.asarray(quantization.zeroPoint, np.int64),
    )


def drop_unused(model: ModelT) -> None:
    """Remove tensors no operator names, and buffers no tensor names; renumber the rest."""
    for graph in model.subgraphs:
        _drop_unused_tensors(model, graph)
    used = sorted({0} | {t.buffer for g in model.subgraphs for t in g.tensors}
                  | {m.buffer for m in model.metadata or []})  # fmt: skip
    renumbered = {old: new for new, old in enumerate(used)}
    model.buffers = [model.buffers[old] for old in used]
    for graph in model.subgraphs:
        for tensor in graph.tensors:
            tensor.buffer = renumbered[tensor.buffer]
    for entry in model.metadata or []:
        entry.buffer = renumbered[entry.buffer]


def _drop_unused_tensors(model: ModelT, graph: SubGraphT) -> None:
    named = {int(t) for op in graph.operators for t in (*op.inputs, *op.outputs)}
    named |= {int(t) for t in (*graph.inputs, *graph.outputs)}
    used = sorted(named - {NO_TENSOR})
    renumbered = {old: new for new, old in enumerate(used)} | {NO_TENSOR: NO_TENSOR}

    def renumber(indices: Iterable[int]) -> NDArray[np.int32]:
        return np.asarray([renumbered[int(i)] for i in indices], np.int32)

    graph.tensors = [graph.tensors[old] for old in used]
    graph.inputs, graph.outputs = renumber(graph.inputs), renumber(graph.outputs)
    for operator in graph.operators:
        operator.inputs = renumber(operator.inputs)
        operator.outputs = renumber(operator.outputs)
    for signature in model.signatureDefs or []:
        if model.subgraphs[signature.subgraphIndex] is graph:
            for entry in (*signature.inputs, *signature.outputs):
                entry.tensorIndex = renumbered[entry.tensorIndex]


def depthwise_options(pool: Any) -> tuple[int, Any]:  # noqa: ANN401 - generated classes
    """Options of a depthwise convolution that moves as a pool does: (union type, options)."""
    schema = _schema()
    options = schema.DepthwiseConv2DOptionsT()
    options.padding = pool.padding
    options.strideH, options.strideW = pool.strideH, pool.strideW
    options.dilationHFactor = options.dilationWFactor = 1
    options.depthMultiplier = 1
    options.fusedActivationFunction = pool.fusedActivationFunction
    return int(schema.BuiltinOptions.DepthwiseConv2DOptions), options
