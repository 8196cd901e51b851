"""Protobuf messages of any kind edited without their schema, as the wire format has them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random

_VARINT, _EIGHT, _LENGTH, _FOUR = 0, 1, 2, 5
_WIDTHS = {_EIGHT: 8, _FOUR: 4}
_INTEGERS = (0, 1, 2, 7, 127, 128, 2**20, 2**31 - 1, 2**32, 2**63, 2**64 - 1)
_BYTES = (b"", b"\xff\xfe", b"x" * 1000, b"../../x", b"\x1b[2J", b"/etc/passwd")
_MOST_EDITS = 4
_MANY, _MOST_BYTES = 200, 100_000  # a small file is to stay one
_DEEPER = 0.8  # of a field that may be a message: how often an edit goes into it


@dataclass(frozen=True)
class _Field:
    number: int
    kind: int
    value: int | bytes


def of_message(data: bytes, chance: random.Random) -> bytes:
    """Fields at any depth changed, left out, doubled or moved.

    Raises:
        ValueError: it is no message.
    """
    for _ in range(chance.randint(1, _MOST_EDITS)):
        data = _edited(data, chance)
    return data


def _edited(data: bytes, chance: random.Random) -> bytes:
    fields = _fields(data)
    if not fields:
        return data
    place = chance.randrange(len(fields))
    chosen = fields[place]
    if isinstance(chosen.value, bytes) and chance.random() < _DEEPER and _is_message(chosen.value):
        fields[place] = replace(chosen, value=_edited(chosen.value, chance))
    else:
        fields[place : place + 1] = _instead(chosen, fields, chance)
    return b"".join(map(_packed, fields))


def _instead(chosen: _Field, fields: list[_Field], chance: random.Random) -> list[_Field]:
    return chance.choice(
        (
            [],
            [chosen, chosen],
            [chosen] * min(_MANY, 1 + _MOST_BYTES // len(_packed(chosen))),
            [chance.choice(fields)],
            [replace(chosen, number=chance.randint(1, 20))],
            [replace(chosen, value=_other(chosen, chance))],
            [replace(chosen, value=_other(chosen, chance))],
        )
    )


def _other(chosen: _Field, chance: random.Random) -> int | bytes:
    if chosen.kind == _VARINT:
        return chance.choice(_INTEGERS)
    if chosen.kind == _LENGTH:
        return chance.choice(_BYTES)
    return chance.randbytes(_WIDTHS[chosen.kind])


def _is_message(data: bytes) -> bool:
    try:
        return bool(_fields(data))
    except ValueError:
        return False


def _fields(data: bytes) -> list[_Field]:
    fields, place = [], 0
    while place < len(data):
        key, place = _varint(data, place)
        number, kind = key >> 3, key & 7
        if number == 0:
            raise ValueError("no field has the number 0")
        value: int | bytes
        if kind == _VARINT:
            value, place = _varint(data, place)
        else:
            length, place = _varint(data, place) if kind == _LENGTH else (_width(kind), place)
            value, place = data[place : place + length], place + length
        fields.append(_Field(number, kind, value))
    if place != len(data):
        raise ValueError("the last field is cut")
    return fields


def _width(kind: int) -> int:
    if kind not in _WIDTHS:
        raise ValueError(f"no field is of kind {kind}")
    return _WIDTHS[kind]


def _varint(data: bytes, place: int) -> tuple[int, int]:
    value = 0
    for digit, byte in enumerate(data[place : place + 10]):
        value |= (byte & 0x7F) << 7 * digit
        if byte < 0x80:  # noqa: PLR2004 - the highest bit says that more follow
            return value, place + digit + 1
    raise ValueError("a number without end")


def _packed(field: _Field) -> bytes:
    key = _digits(field.number << 3 | field.kind)
    if isinstance(field.value, int):
        return key + _digits(field.value)
    return key + (_digits(len(field.value)) if field.kind == _LENGTH else b"") + field.value


def _digits(value: int) -> bytes:
    digits = []
    while value > 0x7F:  # noqa: PLR2004 - likewise
        digits.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*digits, value])
