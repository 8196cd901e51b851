"""Reads anybody's .tflite FlatBuffer into plain records, and refuses what is damaged.

The layout is TensorFlow Lite's schema.fbs, through the accessors flatc generated for it. They
check nothing: every length and index is checked here against the file, and the total work is
bounded, since a hostile file can make tables share vectors and grow without end when read.
"""

from __future__ import annotations

import importlib
import importlib.util
import struct
from typing import TYPE_CHECKING, Any

from edgecnn.errors import InputError, MissingPartError
from edgecnn.inspection.record import MOST_ELEMENTS
from edgecnn.inspection.tflite_graph import Graph, Model, Node, Tensor

if TYPE_CHECKING:
    from collections.abc import Callable

_IDENTIFIER = b"TFL3"
_HEADER_BYTES = 8
_MAX_RANK = 16
# Entries and name bytes read in all, a table counting as several: far above the largest real
# graphs, and seconds of work; of a small file no more than its bytes can hold, some shared.
_MAX_ENTRIES = 5_000_000
_ENTRIES_PER_TABLE = 10
_ENTRIES_PER_BYTE = 4
_FEWEST_ENTRIES = 10_000
# Writers store a constant once and let tensors share its number; no writer lets thousands of
# buffers share bytes, which every program that unpacks the file would copy.
_BUFFERS_PER_FILE = 2
_OFFSET_BYTES = 4
_MAX_METADATA_TEXT = 200
# Bits of one element, for the dtypes whose constants can be measured.
_BITS = {
    "float32": 32, "float16": 16, "bfloat16": 16, "float64": 64, "int2": 2, "int4": 4, "int8": 8,
    "uint8": 8, "int16": 16, "uint16": 16, "int32": 32, "uint32": 32, "int64": 64, "uint64": 64,
    "bool": 8,
}  # fmt: skip
# What the generated accessors and flatbuffers raise when an offset leads astray.
_ASTRAY = (struct.error, ValueError, TypeError, IndexError, OverflowError)


def is_tflite(head: bytes) -> bool:
    """Whether a file that starts with `head` (at least 8 bytes of it) calls itself TFLite."""
    return head[4:_HEADER_BYTES] == _IDENTIFIER


def parse(data: bytes, name: str) -> Model:
    """Read a .tflite file's bytes.

    Args:
        data: the whole file.
        name: what errors call it.

    Raises:
        InputError: the bytes are not a TFLite model, or a damaged one.
        MissingPartError: neither ai-edge-litert nor tflite, which hold the schema, is installed.
    """
    if len(data) < _HEADER_BYTES or not is_tflite(data):
        raise InputError(
            f"{name} is not a TFLite model: it lacks the identifier TFL3.",
            hint="Name a .tflite file; this may be a Git LFS pointer or an error page.",
        )
    reader = _Reader(data, name, _schema())
    try:
        return reader.model()
    except _ASTRAY as error:
        raise reader.damaged(f"an offset leads outside the file ({error})") from error


def _schema() -> Any:  # noqa: ANN401 - a generated module without types
    if importlib.util.find_spec("ai_edge_litert") is not None:
        return importlib.import_module("ai_edge_litert.schema_py_generated")
    if importlib.util.find_spec("tflite") is not None:  # beside tflite-runtime, on a 32-bit Pi
        return importlib.import_module("tflite")
    raise MissingPartError(
        "The TFLite schema is not installed: neither ai-edge-litert nor tflite.",
        hint="pip install edgecnn",
    )


def _names(enum: type) -> dict[int, str]:
    return {value: name for name, value in vars(enum).items() if isinstance(value, int)}


class _Reader:
    """One reading of one file; `_where` says what is being read, for the error's sentence."""

    def __init__(self, data: bytes, name: str, schema: Any) -> None:  # noqa: ANN401 - no types
        self._data = data
        self._name = name
        self._schema = schema
        self._most = min(_MAX_ENTRIES, _FEWEST_ENTRIES + _ENTRIES_PER_BYTE * len(data))
        self._left = self._most
        self._where = "the header"
        self._dtypes = {code: text.lower() for code, text in _names(schema.TensorType).items()}
        self._builtins = _names(schema.BuiltinOperator)
        self._buffers: list[int] = []
        self._buffers_behind = False
        self._opcodes: list[tuple[str, bool]] = []

    def damaged(self, what: str) -> InputError:
        return InputError(
            f"{self._name} is damaged at {self._where}: {what}.", hint="Get or make the file again."
        )

    def model(self) -> Model:
        root = self._schema.Model.GetRootAs(self._data, 0)
        self._buffers = [
            self._buffer_bytes(buffer)
            for buffer in self._tables("buffers", root.BuffersLength(), root.Buffers)
        ]
        if sum(self._buffers) > _BUFFERS_PER_FILE * len(self._data):
            raise self.damaged(f"they share bytes, {sum(self._buffers):,} in all")
        self._opcodes = [
            self._opcode(code)
            for code in self._tables(
                "operator codes", root.OperatorCodesLength(), root.OperatorCodes
            )
        ]
        graphs = tuple(
            self._graph(graph)
            for graph in self._tables("subgraphs", root.SubgraphsLength(), root.Subgraphs)
        )
        self._where = "subgraphs"
        if not graphs:
            raise self.damaged("there are none")
        self._where = "the description"
        description = self._text(root.Description())
        metadata = self._metadata(root)
        return Model(int(root.Version()), description, graphs, metadata, self._buffers_behind)

    def _tables(self, where: str, length: int, get: Callable[[int], Any]) -> list[Any]:
        self._where = where
        if length * _OFFSET_BYTES > len(self._data):
            raise self.damaged(f"{length} of them exceed the file")
        self._spend(length, entry_bytes=_ENTRIES_PER_TABLE)
        tables = [get(index) for index in range(length)]
        for table in tables:
            # Positions before the table's vtable or past the end would wrap round in Python.
            if not 0 < table._tab.Pos < len(self._data):  # noqa: SLF001 - the only way to see it
                raise self.damaged("a table lies outside the file")
        return tables

    def _spend(self, entries: int, entry_bytes: int = 1) -> None:
        """Refuse lengths the file cannot hold, and more work than any real model asks for."""
        self._left -= entries * entry_bytes
        if not 0 <= entries <= len(self._data):
            raise self.damaged(f"a length of {entries} exceeds the file")
        if self._left < 0:
            raise self.damaged(f"more than {self._most} entries in all")

    def _integers(self, length: int, read: Callable[[], Any]) -> tuple[int, ...]:
        self._spend(length)
        return tuple(int(value) for value in read()) if length else ()

    def _text(self, raw: bytes | None) -> str:
        self._spend(len(raw or b""))
        try:
            return (raw or b"").decode()
        except UnicodeDecodeError as error:
            raise self.damaged("a name or description is no text") from error

    def _buffer_bytes(self, buffer: Any) -> int:  # noqa: ANN401 - a generated class
        """Size of a buffer inside the FlatBuffer, or behind it where offset and size say so."""
        offset, size = int(buffer.Offset()), int(buffer.Size())
        if offset > 1:  # 0: inline or empty, 1: a placeholder (schema.fbs)
            if offset + size > len(self._data):
                raise self.damaged("a buffer lies beyond the end of the file")
            self._buffers_behind = True
            return size
        length = int(buffer.DataLength())
        if length > len(self._data):
            raise self.damaged("a buffer is longer than the file")
        if length:
            buffer.DataAsNumpy()  # raises when its end lies outside
        return length

    def _opcode(self, code: Any) -> tuple[str, bool]:  # noqa: ANN401 - a generated class
        # Codes above 127 stand in the newer field; the older one then holds a placeholder.
        number = max(int(code.DeprecatedBuiltinCode()), int(code.BuiltinCode()))
        name = self._builtins.get(number, f"BUILTIN_{number}")
        if name != "CUSTOM":
            return name, False
        return self._text(code.CustomCode()) or "CUSTOM", True

    def _graph(self, graph: Any) -> Graph:  # noqa: ANN401 - a generated class
        tensors = tuple(
            self._tensor(tensor)
            for tensor in self._tables("tensors", graph.TensorsLength(), graph.Tensors)
        )
        count = len(tensors)
        nodes = tuple(
            self._node(node, count)
            for node in self._tables("operators", graph.OperatorsLength(), graph.Operators)
        )
        self._where = "a subgraph's inputs and outputs"
        inputs = self._integers(graph.InputsLength(), graph.InputsAsNumpy)
        outputs = self._integers(graph.OutputsLength(), graph.OutputsAsNumpy)
        self._check_indices(inputs + outputs, count, lowest=0)
        return Graph(tensors, nodes, inputs, outputs)

    def _check_indices(self, indices: tuple[int, ...], count: int, lowest: int) -> None:
        for index in indices:
            if not lowest <= index < count:
                raise self.damaged(f"there is no tensor {index}")

    def _node(self, node: Any, tensors: int) -> Node:  # noqa: ANN401 - a generated class
        opcode = int(node.OpcodeIndex())
        if opcode >= len(self._opcodes):
            raise self.damaged(f"there is no operator code {opcode}")
        inputs = self._integers(node.InputsLength(), node.InputsAsNumpy)
        outputs = self._integers(node.OutputsLength(), node.OutputsAsNumpy)
        self._check_indices(inputs, tensors, lowest=-1)
        self._check_indices(outputs, tensors, lowest=0)
        name, is_custom = self._opcodes[opcode]
        return Node(name, is_custom, inputs, outputs, self._adjoint_lhs(node), self._window(node))

    def _adjoint_lhs(self, node: Any) -> bool:  # noqa: ANN401 - a generated class
        options = self._options(node, "BatchMatMulOptions")
        return options is not None and bool(options.AdjX())

    def _window(self, node: Any) -> tuple[int, ...]:  # noqa: ANN401 - a generated class
        options = self._options(node, "Pool2DOptions")
        if options is None:
            return ()
        return int(options.FilterHeight()), int(options.FilterWidth())

    def _options(self, node: Any, kind: str) -> Any:  # noqa: ANN401 - generated classes
        """An operator's options where they are of this kind, else None."""
        if node.BuiltinOptionsType() != getattr(self._schema.BuiltinOptions, kind):
            return None
        table = node.BuiltinOptions()
        if table is None:
            return None
        options = getattr(self._schema, kind)()
        options.Init(table.Bytes, table.Pos)
        return options

    def _tensor(self, tensor: Any) -> Tensor:  # noqa: ANN401 - a generated class
        shape = self._shape(tensor.ShapeLength(), tensor.ShapeAsNumpy)
        signature = self._shape(tensor.ShapeSignatureLength(), tensor.ShapeSignatureAsNumpy)
        scale, zero_point = self._quantization(tensor.Quantization())
        code = int(tensor.Type())
        dtype = self._dtypes.get(code, f"type{code}")
        result = Tensor(
            name=self._text(tensor.Name()),
            dtype=dtype,
            shape=shape,
            signature=signature if len(signature) == len(shape) else shape,
            ranked=bool(shape) or bool(tensor.HasRank()),
            scale=scale,
            zero_point=zero_point,
            buffer=self._constant(tensor),
        )
        self._check_size(result, is_sparse=tensor.Sparsity() is not None)
        return result

    def _shape(self, length: int, read: Callable[[], Any]) -> tuple[int, ...]:
        if length > _MAX_RANK:
            raise self.damaged(f"a tensor of {length} axes")
        shape = self._integers(length, read)
        if any(size < -1 for size in shape):
            raise self.damaged(f"a tensor of shape {shape}")
        return shape

    def _constant(self, tensor: Any) -> int | None:  # noqa: ANN401 - a generated class
        index = int(tensor.Buffer())
        if index >= len(self._buffers):
            raise self.damaged(f"there is no buffer {index}")
        return index if self._buffers[index] and not tensor.IsVariable() else None

    def _check_size(self, tensor: Tensor, *, is_sparse: bool) -> None:
        if tensor.elements > MOST_ELEMENTS:
            raise self.damaged(f"{tensor.name!r} has {tensor.elements:,} elements")
        bits = _BITS.get(tensor.dtype)
        if tensor.buffer is None or bits is None or is_sparse:
            return
        stored, needed = self._buffers[tensor.buffer], -(-tensor.elements * bits // 8)
        if stored < needed:
            raise self.damaged(f"{tensor.name!r} needs {needed} bytes and has {stored}")

    def _quantization(self, parameters: Any) -> tuple[float | None, int | None]:  # noqa: ANN401
        if parameters is None or parameters.ScaleLength() != 1:
            return None, None
        zero_point = int(parameters.ZeroPoint(0)) if parameters.ZeroPointLength() else 0
        return float(parameters.Scale(0)), zero_point

    def _metadata(self, root: Any) -> dict[str, str]:  # noqa: ANN401 - a generated class
        metadata = {}
        for entry in self._tables("metadata", root.MetadataLength(), root.Metadata):
            index = int(entry.Buffer())
            if index >= len(self._buffers):
                raise self.damaged(f"there is no buffer {index}")
            size = self._buffers[index]
            text = f"{size} bytes"
            if 0 < size <= _MAX_METADATA_TEXT and not root.Buffers(index).Offset():
                raw = bytes(root.Buffers(index).DataAsNumpy()).rstrip(b"\0")
                text = raw.decode() if raw.isascii() and raw.decode().isprintable() else text
            metadata[self._text(entry.Name())] = text
        return metadata
