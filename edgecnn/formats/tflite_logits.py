"""Finds the logits in front of a .tflite's softmaxes, and makes them further outputs of a copy.

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
_GRAPH_TENSORS, _GRAPH_OUTPUTS, _GRAPH_OPERATORS = 4, 8, 10
_TENSOR_NAME = 10
_OP_CODE, _OP_INPUTS, _OP_OUTPUTS = 4, 6, 8
# Numbers of schema.fbs's BuiltinOperator.
_SOFTMAX, _LOGISTIC, _DEQUANTIZE, _QUANTIZE, _RESHAPE, _CAST = 25, 14, 6, 114, 22, 53
_ARG_MAX = 56
_SEEN_THROUGH = {_DEQUANTIZE, _QUANTIZE, _RESHAPE, _CAST}


@dataclass(frozen=True)
class Logits:
    """What an output of a file ends in.

    Attributes:
        tensor: index of the tensor that enters the final SOFTMAX or ARG_MAX; the output itself
            without one.
        name: of that tensor.
        has_softmax: whether there is one.
        has_sigmoid: whether the output ends in a LOGISTIC.
    """

    tensor: int
    name: str
    has_softmax: bool
    has_sigmoid: bool


def find(data: bytes) -> tuple[Logits, ...]:
    """Look behind every output for a SOFTMAX, through QUANTIZE, DEQUANTIZE and RESHAPE.

    Raises:
        InputError: the file is damaged.
    """
    try:
        graph, codes = _graph(data), _codes(data)
        made_by = _makers(data, graph)
        names = [_text(tensor, _TENSOR_NAME) for tensor in _tables(graph, _GRAPH_TENSORS)]
        outputs = _integers(graph, _GRAPH_OUTPUTS)
        return tuple(_behind(output, made_by, codes, names) for output in outputs)
    except (struct.error, IndexError, TypeError) as error:
        raise InputError(f"Not a whole TFLite file: {error}.", hint="Export it again.") from error


def tap(data: bytes) -> tuple[bytes, tuple[int, ...]]:
    """A copy of the file that gives its logits as further outputs.

    The longer list of outputs is put behind the file, and the graph pointed to it.

    Returns:
        The copy, and for each further output the place of the output that it belongs to.
    """
    ends = find(data)
    taps = tuple(place for place, end in enumerate(ends) if end.has_softmax)
    if not taps:
        return data, ()
    graph = _graph(data)
    outputs = [*_integers(graph, _GRAPH_OUTPUTS), *(ends[place].tensor for place in taps)]
    changed = bytearray(data) + bytes(-len(data) % 4)
    field = graph.Pos + graph.Offset(_GRAPH_OUTPUTS)
    struct.pack_into("<I", changed, field, len(changed) - field)
    changed += struct.pack(f"<I{len(outputs)}i", len(outputs), *outputs)
    return bytes(changed), taps


def _behind(output: int, made_by: dict[int, Any], codes: list[int], names: list[str]) -> Logits:
    tensor, seen = output, set[int]()
    has_sigmoid = False
    while tensor in made_by and tensor not in seen:
        seen.add(tensor)
        operator = made_by[tensor]
        code = codes[_number(operator, _OP_CODE, "I")]
        tensor = _integers(operator, _OP_INPUTS)[0]
        if code in {_SOFTMAX, _ARG_MAX}:
            is_softmax = code == _SOFTMAX
            return Logits(tensor, names[tensor], has_softmax=is_softmax, has_sigmoid=False)
        if code not in _SEEN_THROUGH:
            has_sigmoid = code == _LOGISTIC
            break
    return Logits(output, names[output], has_softmax=False, has_sigmoid=has_sigmoid)


def _text(table: Any, field: int) -> str:  # noqa: ANN401 - likewise
    offset = table.Offset(field)
    if not offset:
        return ""
    data: bytes = table.String(table.Pos + offset)
    return data.decode(errors="replace")


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
