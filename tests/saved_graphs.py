"""The bytes of a saved_model.pb with the operators one asks for; no TensorFlow is needed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Op:
    """A node: its operator, its name, what it takes from, and the function it calls."""

    op: str
    name: str = "node"
    inputs: tuple[str, ...] = ()
    calls: str = ""
    stream: str = ""


def saved_model(
    *nodes: Op,
    functions: Mapping[str, tuple[Op, ...]] | None = None,
    ends: tuple[str, ...] = (),
    restores: str = "",
    called: tuple[str, ...] = (),
) -> bytes:
    """A SavedModel of one graph.

    Args:
        *nodes: of the graph itself.
        functions: of its library.
        ends: tensors that a signature gives.
        restores: the node that the saver restores with.
        called: functions that the model's objects name.
    """
    library = b"".join(
        _field(1, _field(1, _text(1, name)) + b"".join(_field(3, _node(op)) for op in ops))
        for name, ops in (functions or {}).items()
    )
    graph = b"".join(_field(1, _node(node)) for node in nodes) + _field(2, library)
    outputs = b"".join(
        _field(2, _text(1, str(place)) + _field(2, _text(1, end))) for place, end in enumerate(ends)
    )
    signatures = _field(5, _text(1, "serving_default") + _field(2, outputs))
    objects = b"".join(_field(2, _text(1, name)) for name in called)
    saver = _text(3, restores) if restores else b""
    content = _field(2, graph) + _field(3, saver) + signatures + _field(7, objects)
    return b"\x08\x01" + _field(2, content)


def _node(node: Op) -> bytes:
    message = _text(1, node.name) + _text(2, node.op)
    message += b"".join(_text(3, name) for name in node.inputs)
    if node.calls:
        message += _field(5, _text(1, "f") + _field(2, _field(10, _text(1, node.calls))))
    if node.stream:
        message += _field(5, _text(1, "output_stream") + _field(2, _text(2, node.stream)))
    return message


def _text(number: int, text: str) -> bytes:
    return _field(number, text.encode())


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    digits = []
    while value > 0x7F:
        digits.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*digits, value])
