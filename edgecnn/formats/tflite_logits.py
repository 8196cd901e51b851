"""Finds a .tflite's logits and makes them its output, by changing one number of the file.

Only the `flatbuffers` package is needed, so that `verify` works where no schema is installed (the
32-bit Raspberry Pi), and nothing of the file is packed anew.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

from edgecnn.errors import InputError

# Fields of schema.fbs, as offsets into a table's vtable: 4 + 2 * field number.
_MODEL_CODES, _MODEL_SUBGRAPHS = 6, 8
_CODE_DEPRECATED, _CODE_BUILTIN = 4, 10
_GRAPH_OUTPUTS, _GRAPH_OPERATORS = 8, 10
_OP_CODE, _OP_INPUTS, _OP_OUTPUTS = 4, 6, 8
_SOFTMAX, _DEQUANTIZE, _QUANTIZE, _RESHAPE = 25, 6, 114, 22  # schema.fbs: BuiltinOperator
_SEEN_THROUGH = {_DEQUANTIZE, _QUANTIZE, _RESHAPE}


@dataclass(frozen=True)
class Logits:
    """Where a file's logits are.

    Attributes:
        tensor: index of the tensor that enters the final SOFTMAX; the output itself without one.
        has_softmax: whether there is one.
    """

    tensor: int
    has_softmax: bool


def find(data: bytes) -> Logits:
    """Look behind the first output for a SOFTMAX, through QUANTIZE, DEQUANTIZE and RESHAPE.

    Raises:
        InputError: the file is damaged.
    """
    try:
        return _find(data)
    except (struct.error, IndexError, TypeError) as error:
        raise InputError(f"Not a whole TFLite file: {error}.", hint="Export it again.") from error


def tap(data: bytes) -> bytes:
    """A copy of the file whose first output is its logits tensor."""
    found = find(data)
    graph = _graph(data)
    changed = bytearray(data)
    at = graph.Vector(graph.Offset(_GRAPH_OUTPUTS))
    struct.pack_into("<i", changed, at, found.tensor)
    return bytes(changed)


def _find(data: bytes) -> Logits:
    graph = _graph(data)
    codes = _codes(data)
    made_by = _makers(data, graph)
    output = _integers(graph, _GRAPH_OUTPUTS)[0]
    tensor, seen = output, set[int]()
    while tensor in made_by and tensor not in seen:
        seen.add(tensor)
        operator = made_by[tensor]
        code = codes[_number(operator, _OP_CODE, "I")]
        tensor = _integers(operator, _OP_INPUTS)[0]
        if code == _SOFTMAX:
            return Logits(tensor, has_softmax=True)
        if code not in _SEEN_THROUGH:
            break
    return Logits(output, has_softmax=False)


def _makers(data: bytes, graph: Any) -> dict[int, Any]:  # noqa: ANN401 - flatbuffers has no types
    """Tensor index to the operator that makes it."""
    made_by = {}
    room = len(data) // 4
    for operator in _tables(graph, _GRAPH_OPERATORS):
        outputs = _integers(operator, _OP_OUTPUTS)
        room -= len(outputs)
        if room < 0:  # a hostile file would have a million operators read one long vector
            raise IndexError("its operators have more outputs than the file has room for")
        made_by.update(dict.fromkeys(outputs, operator))
    return made_by


def _root(data: bytes) -> Any:  # noqa: ANN401 - flatbuffers has no types
    from flatbuffers.table import Table

    return Table(bytearray(data), struct.unpack_from("<I", data)[0])


def _graph(data: bytes) -> Any:  # noqa: ANN401 - likewise
    return _tables(_root(data), _MODEL_SUBGRAPHS)[0]


def _codes(data: bytes) -> list[int]:
    return [
        max(_number(code, _CODE_DEPRECATED, "b"), _number(code, _CODE_BUILTIN, "i"))
        for code in _tables(_root(data), _MODEL_CODES)
    ]


def _tables(table: Any, field: int) -> list[Any]:  # noqa: ANN401 - likewise
    from flatbuffers.table import Table

    offset = table.Offset(field)
    if offset == 0:
        return []
    start = table.Vector(offset)
    return [
        Table(table.Bytes, table.Indirect(start + 4 * index))
        for index in range(table.VectorLen(offset))
    ]


def _integers(table: Any, field: int) -> tuple[int, ...]:  # noqa: ANN401 - likewise
    offset = table.Offset(field)
    if offset == 0:
        return ()
    count = table.VectorLen(offset)
    return struct.unpack_from(f"<{count}i", table.Bytes, table.Vector(offset))


def _number(table: Any, field: int, kind: str) -> int:  # noqa: ANN401 - likewise
    offset = table.Offset(field)
    return int(struct.unpack_from(f"<{kind}", table.Bytes, table.Pos + offset)[0]) if offset else 0
