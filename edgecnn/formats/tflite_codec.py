"""From a .tflite file's bytes to a graph and back.

The generated classes are kept beside the typed objects (`raw`), so that what these have no word for
(sparsity, variant types, debugging information) goes back into the file as it came. A field is
written anew only where the graph says something else than the file did.
"""

from __future__ import annotations

import copy
import io
import struct
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn.errors import InputError
from edgecnn.formats import tflite_schema as schema
from edgecnn.formats.tflite_graph import Graph, Metadata, Signature
from edgecnn.formats.tflite_parts import Buffer, Operator, Quantization, Tensor
from edgecnn.formats.tflite_subgraph import Subgraph, unique

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

_IDENTIFIER = b"TFL3"
_VERSION = 3
_NO_TENSOR = -1
# Labels and the like, which TFLite Metadata stores mostly as they are.
_ALWAYS_UNPACKED_BYTES = 16 << 20
_MOST_RATIO = 64
_PLACEHOLDER = 1  # an offset that says "behind", and not yet where (schema.fbs)


# What the generated classes raise at an offset or a length that leads astray, and lists and tables
# at a number that they do not have. `inspection` has held most of a foreign file to its bytes by
# then, and not the options, sparsities and texts that it does not tell of.
_ASTRAY = (struct.error, ValueError, TypeError, LookupError, OverflowError)


def read(data: bytes) -> Graph:
    """Unpack a file.

    Raises:
        InputError: it is damaged.
    """
    try:
        return _read(data)
    except _ASTRAY as error:
        raise InputError(
            f"The .tflite is damaged: an offset or a number in it leads nowhere ({error}).",
            hint="Get or make the file again.",
        ) from error


def _read(data: bytes) -> Graph:
    model = schema.generated().ModelT.InitFromPackedBuf(data, 0)
    buffers = [Buffer(_contents(buffer, data)) for buffer in model.buffers or []]
    graph = Graph(description=schema.text(model.description))
    graph.model = model
    for index, raw in enumerate(model.subgraphs):
        subgraph: Subgraph = graph if index == 0 else Subgraph()
        _read_subgraph(subgraph, raw, model, buffers, data)
        if index:
            graph.others.append(subgraph)
    for entry in model.metadata or []:
        graph.metadata.append(Metadata(schema.text(entry.name), buffers[entry.buffer]))
    graph.signatures = [_read_signature(graph, entry) for entry in model.signatureDefs or []]
    graph.files = _packed_files(data)
    model.metadataBuffer = [buffers[index] for index in _numbers(model.metadataBuffer)] or None
    return graph


def _contents(buffer: Any, data: bytes) -> NDArray[np.uint8] | None:  # noqa: ANN401 - a generated class
    if buffer.offset > _PLACEHOLDER:
        return np.frombuffer(data, np.uint8, buffer.size, buffer.offset)
    content: NDArray[np.uint8] | None = buffer.data
    return content


def _packed_files(data: bytes) -> list[tuple[zipfile.ZipInfo, bytes]]:
    """What lies behind the model as a ZIP archive: TFLite Metadata's associated files."""
    source = io.BytesIO(data)
    if not zipfile.is_zipfile(source):
        return []
    try:
        with zipfile.ZipFile(source) as archive:
            _refuse_bomb(archive, len(data))
            return [(info, archive.read(info)) for info in archive.infolist()]
    except zipfile.BadZipFile:  # weights that look like an archive's end
        return []


def _refuse_bomb(archive: zipfile.ZipFile, size: int) -> None:
    unpacked = sum(info.file_size for info in archive.infolist())
    if unpacked > max(_ALWAYS_UNPACKED_BYTES, _MOST_RATIO * size):
        raise InputError(
            f"The archive behind the .tflite promises {unpacked:,} bytes, and the file has"
            f" {size:,}.",
            hint="The file is hostile; it is not read.",
        )


def _numbers(values: Iterable[Any] | None) -> list[int]:
    return [] if values is None else [int(value) for value in values]


def _read_subgraph(
    subgraph: Subgraph,
    raw: Any,  # noqa: ANN401 - a generated class
    model: Any,  # noqa: ANN401 - likewise
    buffers: Sequence[Buffer],
    data: bytes,
) -> None:
    tensors = [_read_tensor(tensor, buffers) for tensor in raw.tensors or []]
    ends = [*_numbers(raw.inputs), *_numbers(raw.outputs)]
    _make_names_unique(tensors, ends)
    subgraph.raw, subgraph.name, subgraph.tensors = raw, schema.text(raw.name), tensors
    subgraph.inputs = [tensors[index] for index in _numbers(raw.inputs)]
    subgraph.outputs = [tensors[index] for index in _numbers(raw.outputs)]
    subgraph.operators = [
        _read_operator(table, model.operatorCodes, tensors, data) for table in raw.operators or []
    ]


def _make_names_unique(tensors: Sequence[Tensor], ends: Sequence[int]) -> None:
    """Ends first: theirs are the names that others know."""
    taken = set[str]()
    for index in dict.fromkeys((*ends, *range(len(tensors)))):
        name = tensors[index].name or "tensor"
        if name in taken:
            name = unique(name, taken | {tensor.name for tensor in tensors})
        if name != tensors[index].name:
            tensors[index].name = tensors[index].assigned_name = name
        taken.add(name)


def _read_tensor(raw: Any, buffers: Sequence[Buffer]) -> Tensor:  # noqa: ANN401 - a generated class
    tensor = Tensor(
        schema.text(raw.name),
        schema.type_name(raw.type),
        _numbers(raw.shape),
        quantization=_read_quantization(raw.quantization),
        is_variable=bool(raw.isVariable),
    )
    if raw.shapeSignature is not None:
        tensor.shape_signature = tuple(_numbers(raw.shapeSignature))
    # Number 0 is the empty one, which stands for no contents.
    if raw.buffer and raw.buffer < len(buffers):
        tensor.buffer = buffers[raw.buffer]
    tensor.raw = raw
    return tensor


def _read_quantization(raw: Any) -> Quantization | None:  # noqa: ANN401 - a generated class
    if raw is None or raw.scale is None or len(raw.scale) == 0:
        return None
    scale = np.asarray(raw.scale, np.float32)
    zero_point = np.zeros(len(scale), np.int64)
    if raw.zeroPoint is not None and len(raw.zeroPoint):
        zero_point = np.asarray(raw.zeroPoint, np.int64)
    return Quantization(scale, zero_point, int(raw.quantizedDimension))


def _read_operator(
    raw: Any,  # noqa: ANN401 - a generated class
    codes: Sequence[Any],
    tensors: Sequence[Tensor],
    data: bytes,
) -> Operator:
    code = codes[raw.opcodeIndex]
    name, custom = schema.operator_name(code)
    operator = Operator(
        name,
        [None if i == _NO_TENSOR else tensors[i] for i in _numbers(raw.inputs)],
        [tensors[i] for i in _numbers(raw.outputs)],
        raw.builtinOptions if raw.builtinOptions is not None else raw.builtinOptions2,
        version=int(code.version),
        custom=custom,
    )
    operator.intermediates = [tensors[i] for i in _numbers(raw.intermediates)]
    if raw.largeCustomOptionsOffset > _PLACEHOLDER:
        raw.customOptions = np.frombuffer(
            data, np.uint8, raw.largeCustomOptionsSize, raw.largeCustomOptionsOffset
        )
        raw.largeCustomOptionsOffset = raw.largeCustomOptionsSize = 0
    operator.raw, operator.code = raw, code
    return operator


def _read_signature(graph: Graph, raw: Any) -> Signature:  # noqa: ANN401 - a generated class
    subgraph = graph.subgraphs[raw.subgraphIndex]
    sides = (
        tuple((schema.text(end.name), subgraph.tensors[end.tensorIndex]) for end in side or [])
        for side in (raw.inputs, raw.outputs)
    )
    inputs, outputs = sides
    return Signature(schema.text(raw.signatureKey), inputs, outputs, subgraph)


def write(
    graph: Graph, *, outputs: Sequence[Tensor] | None = None, unique_names: bool = False
) -> bytes:
    """Pack a graph.

    Args:
        graph: left as it is.
        unique_names: write the names that reading made unique; else as they were in the file.
        outputs: tensors that are the file's outputs in place of the graph's; the file then has no
            signature, whose names would not fit.
    """
    import flatbuffers

    model = _Writer(graph, outputs, unique_names=unique_names).model()
    size = sum(0 if buffer.data is None else len(buffer.data) for buffer in model.buffers)
    builder = flatbuffers.Builder(size + (1 << 20))
    builder.Finish(model.Pack(builder), _IDENTIFIER)
    return _with_files(bytes(builder.Output()), graph.files)


def _with_files(data: bytes, files: Sequence[tuple[zipfile.ZipInfo, bytes]]) -> bytes:
    if not files:
        return data
    whole = io.BytesIO(data)
    with zipfile.ZipFile(whole, "a") as archive:
        for info, contents in files:
            archive.writestr(copy.copy(info), contents)
    return whole.getvalue()


class _Writer:
    """Gives everything its number in the file."""

    def __init__(
        self, graph: Graph, outputs: Sequence[Tensor] | None, *, unique_names: bool
    ) -> None:
        self._graph, self._outputs, self._unique_names = graph, outputs, unique_names
        old = graph.model
        self._codes: list[Any] = [] if old is None else list(old.operatorCodes or [])
        self._tensors = [_named(subgraph, graph.signatures) for subgraph in graph.subgraphs]
        self._empty, self._buffers = self._used_buffers()

    def _used_buffers(self) -> tuple[Any, dict[Buffer, int]]:
        """The empty buffer that must be the first, and the number of every other."""
        used = {t.buffer for tensors in self._tensors for t in tensors if t.buffer is not None}
        used |= {entry.buffer for entry in self._graph.metadata}
        used |= set(self._deprecated())
        ordered = sorted(used, key=lambda buffer: buffer.serial)
        return schema.generated().BufferT(), {b: n for n, b in enumerate(ordered, start=1)}

    def _deprecated(self) -> list[Buffer]:
        model = self._graph.model
        return [] if model is None else list(model.metadataBuffer or [])

    def model(self) -> Any:  # noqa: ANN401 - a generated class
        generated, graph = schema.generated(), self._graph
        old = graph.model
        model = generated.ModelT() if old is None else copy.copy(old)
        if old is None:
            model.version = _VERSION
        if old is None or schema.text(old.description) != graph.description:
            model.description = graph.description.encode()
        numbered = zip(graph.subgraphs, self._tensors, strict=True)
        model.subgraphs = [self._subgraph(subgraph, tensors) for subgraph, tensors in numbered]
        model.buffers = [self._empty, *(_packed_buffer(buffer) for buffer in self._buffers)]
        model.operatorCodes = _used_codes(self._codes, model.subgraphs)
        if graph.metadata or model.metadata is not None:
            model.metadata = [self._metadata(entry) for entry in graph.metadata]
        if self._deprecated():
            model.metadataBuffer = [self._buffers[buffer] for buffer in self._deprecated()]
        model.signatureDefs = None
        if graph.signatures and self._outputs is None:
            model.signatureDefs = [self._signature(signature) for signature in graph.signatures]
        return model

    def _metadata(self, entry: Metadata) -> Any:  # noqa: ANN401 - a generated class
        metadata = schema.generated().MetadataT()
        metadata.name, metadata.buffer = entry.name.encode(), self._buffers[entry.buffer]
        return metadata

    def _signature(self, signature: Signature) -> Any:  # noqa: ANN401 - a generated class
        generated = schema.generated()
        place = self._graph.subgraphs.index(signature.subgraph)
        numbers = {tensor: number for number, tensor in enumerate(self._tensors[place])}

        def entries(side: Iterable[tuple[str, Tensor]]) -> list[Any]:
            maps = []
            for name, tensor in side:
                maps.append(generated.TensorMapT())
                maps[-1].name, maps[-1].tensorIndex = name.encode(), numbers[tensor]
            return maps

        packed = generated.SignatureDefT()
        packed.signatureKey, packed.subgraphIndex = signature.key.encode(), place
        packed.inputs, packed.outputs = entries(signature.inputs), entries(signature.outputs)
        return packed

    def _subgraph(self, subgraph: Subgraph, tensors: Sequence[Tensor]) -> Any:  # noqa: ANN401 - likewise
        old = subgraph.raw
        packed = schema.generated().SubGraphT() if old is None else copy.copy(old)
        if old is not None and schema.text(old.name) != subgraph.name:
            packed.name = subgraph.name.encode()
        numbers = {tensor: number for number, tensor in enumerate(tensors)}
        outputs = subgraph.outputs
        if subgraph is self._graph and self._outputs is not None:
            outputs = list(self._outputs)
        packed.tensors = [self._tensor(tensor) for tensor in tensors]
        packed.inputs = _indices(subgraph.inputs, numbers)
        packed.outputs = _indices(outputs, numbers)
        packed.operators = [self._operator(operator, numbers) for operator in subgraph.operators]
        return packed

    def _tensor(self, tensor: Tensor) -> Any:  # noqa: ANN401 - a generated class
        old = tensor.raw
        packed = schema.generated().TensorT() if old is None else copy.copy(old)
        is_given = tensor.name == tensor.assigned_name and not self._unique_names
        if old is None or (schema.text(old.name) != tensor.name and not is_given):
            packed.name = tensor.name.encode()
        packed.type = schema.type_number(tensor.dtype)
        if old is None or tuple(_numbers(old.shape)) != tensor.shape:
            packed.shape = np.asarray(tensor.shape, np.int32)
        signature = tensor.shape_signature
        if signature is None:
            packed.shapeSignature = None
        elif old is None or tuple(_numbers(old.shapeSignature)) != signature:
            packed.shapeSignature = np.asarray(signature, np.int32)
        packed.buffer = 0 if tensor.buffer is None else self._buffers[tensor.buffer]
        packed.isVariable = tensor.is_variable
        packed.quantization = _quantization(tensor, None if old is None else old.quantization)
        return packed

    def _operator(self, operator: Operator, numbers: dict[Tensor, int]) -> Any:  # noqa: ANN401 - likewise
        old = operator.raw
        packed = schema.generated().OperatorT() if old is None else copy.copy(old)
        packed.opcodeIndex = self._code(operator)
        if old is None or old.inputs is not None or operator.inputs:
            packed.inputs = _indices(operator.inputs, numbers)
        if old is None or old.outputs is not None or operator.outputs:
            packed.outputs = _indices(operator.outputs, numbers)
        if operator.intermediates:
            packed.intermediates = _indices(operator.intermediates, numbers)
        _set_options(packed, operator.options)
        return packed

    def _code(self, operator: Operator) -> int:
        """Number of an operator's code: its own, else one that is as new, else a new one."""
        kind = (operator.name, operator.custom)
        versions = [(i, c.version) for i, c in enumerate(self._codes)
                    if schema.operator_name(c) == kind]  # fmt: skip
        for index, version in versions:
            if self._codes[index] is operator.code and version == operator.version:
                return index
        for index, version in versions:
            if version >= operator.version:
                return index
        name, custom = kind
        self._codes.append(schema.operator_code(name, operator.version, custom=custom))
        return len(self._codes) - 1


def _used_codes(codes: Sequence[Any], subgraphs: Iterable[Any]) -> list[Any]:
    """The codes that operators use, whose numbers are set anew.

    TFLiteConverter's calibrator refuses a file with a code that no operator has any more.
    """
    operators = [operator for subgraph in subgraphs for operator in subgraph.operators]
    used = sorted({operator.opcodeIndex for operator in operators})
    numbers = {old: new for new, old in enumerate(used)}
    for operator in operators:
        operator.opcodeIndex = numbers[operator.opcodeIndex]
    return [codes[index] for index in used]


def _named(subgraph: Subgraph, signatures: Iterable[Signature]) -> list[Tensor]:
    """The tensors that are written; those a signature names too, so that it keeps its sense."""
    named = subgraph.named_tensors()
    known = set(named)
    for signature in signatures:
        if signature.subgraph is subgraph:
            for _, tensor in (*signature.inputs, *signature.outputs):
                if tensor not in known:
                    named.append(tensor)
                    known.add(tensor)
    return named


def _packed_buffer(buffer: Buffer) -> Any:  # noqa: ANN401 - a generated class
    packed = schema.generated().BufferT()
    packed.data = buffer.data
    return packed


def _indices(tensors: Iterable[Tensor | None], numbers: dict[Tensor, int]) -> NDArray[np.int32]:
    return np.asarray([_NO_TENSOR if t is None else numbers[t] for t in tensors], np.int32)


def _quantization(tensor: Tensor, old: Any) -> Any:  # noqa: ANN401 - a generated class
    """As the file has it, where the tensor is quantized as it was there."""
    quantization = tensor.quantization
    if quantization is None:
        return None if old is None or _read_quantization(old) is not None else old
    if old is not None and _read_quantization(old) == quantization:
        return old
    packed = schema.generated().QuantizationParametersT() if old is None else copy.copy(old)
    packed.scale, packed.zeroPoint = quantization.scale, quantization.zero_point
    packed.quantizedDimension = quantization.axis
    return packed


def _set_options(packed: Any, options: Any) -> None:  # noqa: ANN401 - generated classes
    if options is packed.builtinOptions or (options is packed.builtinOptions2 is not None):
        return
    packed.builtinOptionsType = packed.builtinOptions2Type = 0
    packed.builtinOptions = packed.builtinOptions2 = None
    if options is None:
        return
    slot, number = schema.options_slot(options)
    if slot == 1:
        packed.builtinOptionsType, packed.builtinOptions = number, options
    else:
        packed.builtinOptions2Type, packed.builtinOptions2 = number, options
