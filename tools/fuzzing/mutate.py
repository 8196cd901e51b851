"""Seeded mutations: of bytes, of JSON, of FlatBuffer and protobuf objects, and of .npz arrays."""

from __future__ import annotations

import copy
import io
import json
import math
import struct
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np

from fuzzing import pictures, wire

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    Mutation = Callable[[bytes, random.Random], bytes]

_INTEGERS = (0, 1, 2, 7, 127, 128, 255, 256, 32767, 65535, 65536, 2**31 - 1, 2**32 - 1)
_SMALL = (0, 1, -1, 2, 3, 5, 1000, 65536, 2**20, 2**31 - 1, -(2**31))
_NUMBERS = (0.0, -0.0, 1e-45, 1e38, math.inf, -math.inf, math.nan, -1.0)
_TEXTS = ("", "\0", "\x1b[2J", "x" * 5000, "../../x", "\u2028", "\ud800", "名前", "-1", "NaN")
_MOST_EDITS = 4
_BYTES = (b"", b"\xff\xfe", b"x" * 1000, b"\x1b[2J")
_DTYPES = ("float16", "float64", "int64", "U4", "complex64")
_SHAPES = (f"({2**40},)", "(100000, 100000, 3)", "(-1,)", "()", "(1,2", "[3]", "(1e9,)")
_DESCRIPTIONS = ("<f4", "|O", "<U99999", "<f4,<i8", "<M8")


def of_bytes(data: bytes, chance: random.Random) -> bytes:
    """Some bytes, or numbers of 2 to 8 bytes, set to others; pieces cut, doubled or moved."""
    edited = bytearray(data)
    for _ in range(chance.randint(1, _MOST_EDITS)):
        if edited:
            chance.choice((_flip, _number, _cut, _double, _fill))(edited, chance)
    return bytes(edited)


def _flip(data: bytearray, chance: random.Random) -> None:
    data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def _number(data: bytearray, chance: random.Random) -> None:
    """An aligned little-endian number: FlatBuffers' offsets, lengths and indices are such."""
    width = chance.choice((2, 4, 4, 4, 8))
    place = chance.randrange(max(1, len(data) - width)) // width * width
    value = chance.choice((*_INTEGERS, chance.randrange(2**32), len(data)))
    data[place : place + width] = (value % 2 ** (8 * width)).to_bytes(width, "little")


def _cut(data: bytearray, chance: random.Random) -> None:
    if chance.random() < 0.5:  # noqa: PLR2004 - as often the end as something inside
        del data[chance.randrange(len(data)) :]
        return
    start = chance.randrange(len(data))
    del data[start : start + chance.randint(1, 64)]


def _double(data: bytearray, chance: random.Random) -> None:
    start = chance.randrange(len(data))
    piece = data[start : start + chance.randint(1, 256)]
    place = chance.randrange(len(data))
    data[place:place] = piece


def _fill(data: bytearray, chance: random.Random) -> None:
    start = chance.randrange(len(data))
    size = min(chance.randint(1, 64), len(data) - start)
    data[start : start + size] = bytes([chance.choice((0, 255, chance.randrange(256)))]) * size


def of_json(data: bytes, chance: random.Random) -> bytes:
    """Values of a JSON text replaced, left out, doubled or nested."""
    content = json.loads(data)
    for _ in range(chance.randint(1, _MOST_EDITS)):
        holders = [filled for filled in _holders(content) if len(filled)]
        if not holders:
            break
        holder = chance.choice(holders)
        key = chance.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
        if chance.random() < 0.15:  # noqa: PLR2004 - mostly values change
            del holder[key]
        else:
            holder[key] = _other(holder[key], chance)
    return json.dumps(content).encode()


def _holders(content: Any) -> list[Any]:  # noqa: ANN401 - JSON
    if not isinstance(content, dict | list):
        return []
    inner = content.values() if isinstance(content, dict) else content
    return [content, *(deeper for entry in inner for deeper in _holders(entry))]


def _other(value: Any, chance: random.Random) -> Any:  # noqa: ANN401 - JSON
    """Another value, mostly of the same kind."""
    if chance.random() < 0.2:  # noqa: PLR2004 - a value of another kind
        return chance.choice((None, True, [], {}, "", 1.5, [[[[]]]], 10**400))
    choices: dict[type, tuple[Any, ...]] = {
        bool: (not value,),
        int: (*_SMALL, 2**63, -1),
        float: _NUMBERS,
        str: (*_TEXTS, f"{value}x", f"{value}"[:-1]),
    }
    if isinstance(value, list):
        return chance.choice((value * 2, value[:-1], value * 50, [copy.deepcopy(value)]))
    return chance.choice(choices.get(type(value), ({},)))


def of_tflite(data: bytes, chance: random.Random) -> bytes:
    """Fields of the unpacked FlatBuffer's objects changed, and all packed again."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(data, 0)
    for _ in range(chance.randint(1, _MOST_EDITS)):
        target = chance.choice(_objects(model))
        fields = [name for name in vars(target) if getattr(target, name) is not None]
        if fields:
            name = chance.choice(fields)
            setattr(target, name, _field(getattr(target, name), chance))
    builder = flatbuffers.Builder(len(data))
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _objects(root: Any) -> list[Any]:  # noqa: ANN401 - generated classes
    inner: list[Any] = []
    for value in vars(root).values():
        children = value if isinstance(value, list) else [value]
        inner += [child for child in children if hasattr(child, "Pack")]
    return [root, *(deeper for child in inner for deeper in _objects(child))]


def _field(value: Any, chance: random.Random) -> Any:  # noqa: ANN401 - likewise
    choices: dict[type, tuple[Any, ...]] = {
        bool: (not isinstance(value, bool) or not value,),
        int: (0, 1, 2, 3, chance.randrange(128), chance.randrange(2**16)),
        float: _NUMBERS,
        bytes: _BYTES,
        str: _BYTES,
    }
    if isinstance(value, np.ndarray):
        return _array(value, chance) if value.size else value
    if isinstance(value, list):
        return _list(value, chance) if value else value
    return chance.choice(choices.get(type(value), (value,)))


def _list(value: list[Any], chance: random.Random) -> list[Any]:
    if isinstance(value[0], int | float):
        changed = list(value)
        changed[chance.randrange(len(changed))] = chance.choice(
            _SMALL if isinstance(value[0], int) else _NUMBERS
        )
        return changed
    return chance.choice((value[:-1], [*value, chance.choice(value)], value[::-1]))


def _array(values: Any, chance: random.Random) -> Any:  # noqa: ANN401 - arrays of any dtype
    changed = values.copy()
    kind = chance.randrange(3)
    if kind == 0:
        return changed[: chance.randrange(changed.size)]
    flat = changed.reshape(-1)
    if changed.dtype.kind == "f":
        flat[chance.randrange(flat.size)] = chance.choice(_NUMBERS)
    else:
        limits = np.iinfo(changed.dtype)
        flat[chance.randrange(flat.size)] = chance.choice((limits.min, limits.max, 0))
    return changed


def of_onnx(data: bytes, chance: random.Random) -> bytes:
    """Fields of the protobuf messages changed, left out or doubled."""
    import onnx

    model = onnx.load_model_from_string(data)
    for _ in range(chance.randint(1, _MOST_EDITS)):
        message = chance.choice(_messages(model))
        fields = message.ListFields()
        if fields:
            descriptor, value = chance.choice(fields)
            _edit(message, descriptor, value, chance)
    mutated_model: bytes = model.SerializeToString()
    return mutated_model


def _messages(root: Any) -> list[Any]:  # noqa: ANN401 - protobuf
    inner: list[Any] = []
    for descriptor, value in root.ListFields():
        if descriptor.type == descriptor.TYPE_MESSAGE:
            inner += list(value) if _repeated(value) else [value]
    return [root, *(deeper for message in inner for deeper in _messages(message))]


def _repeated(value: Any) -> bool:  # noqa: ANN401 - likewise
    return hasattr(value, "append") or hasattr(value, "add")


def _edit(message: Any, descriptor: Any, value: Any, chance: random.Random) -> None:  # noqa: ANN401 - likewise
    name = descriptor.name
    if chance.random() < 0.2:  # noqa: PLR2004 - mostly values change
        message.ClearField(name)
    elif descriptor.type == descriptor.TYPE_MESSAGE:
        if _repeated(value):
            value.add().CopyFrom(chance.choice(list(value)))
    elif _repeated(value):
        place = chance.randrange(len(value))
        value[place] = _scalar(value[place], chance)
    else:
        setattr(message, name, _scalar(value, chance))


def _scalar(value: Any, chance: random.Random) -> Any:  # noqa: ANN401 - likewise
    if isinstance(value, int):
        return chance.choice((0, 1, 2, 3, 7, 11, value + 1, max(0, value - 1), 2**20, 2**31 - 1))
    if isinstance(value, float):
        return chance.choice(_NUMBERS)
    if isinstance(value, bytes):
        return chance.choice((b"", value[:-1], value * 2, of_bytes(value, chance) or b"x"))
    return chance.choice(("", "x", "\x1b[2J", "x" * 1000, value + "_"))


def of_npz(data: bytes, chance: random.Random) -> bytes:
    """An array of another shape or dtype, or a header that promises what is not there."""
    with np.load(io.BytesIO(data), allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in stored.files}
    name = chance.choice(list(arrays))
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", chance.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))) as to:
        for key, values in arrays.items():
            to.writestr(f"{key}.npy", _member(values, chance) if key == name else _npy(values))
    return out.getvalue()


def _member(values: Any, chance: random.Random) -> bytes:  # noqa: ANN401 - an array
    kind = chance.randrange(5)
    if kind == 0:
        return _npy(
            values.astype(chance.choice(("float16", "float64", "int64", "U4", "complex64")))
        )
    if kind == 1:
        return _npy(values[: chance.randrange(len(values) + 1)] if values.ndim else values)
    if kind == 2:  # noqa: PLR2004 - the third of five
        changed = values.copy()
        if changed.size:
            changed.reshape(-1)[chance.randrange(changed.size)] = 0
        return _npy(changed.T if chance.random() < 0.5 else changed)  # noqa: PLR2004 - as often
    if kind == 3:  # noqa: PLR2004 - the fourth
        promised = _header(chance)
        return promised + bytes(values)
    return of_bytes(_npy(values), chance)


def _header(chance: random.Random) -> bytes:
    shape = chance.choice(
        ("(2**40,)", "(100000, 100000, 3)", "(-1,)", "()", "(1,2", "[3]", "(1e9,)")
    )
    shape = shape.replace("2**40", str(2**40))
    dtype = chance.choice(("<f4", "|O", "<U99999", "<f4,<i8", "<M8"))
    text = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}"
    text += " " * (-(10 + len(text) + 1) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode()


def of_npy(data: bytes, chance: random.Random) -> bytes:
    """An array alone, as `of_npz` has it among others."""
    return _member(np.load(io.BytesIO(data), allow_pickle=False), chance)


def _npy(values: Any) -> bytes:  # noqa: ANN401 - an array
    out = io.BytesIO()
    np.save(out, values, allow_pickle=False)
    return out.getvalue()


def of_text(data: bytes, chance: random.Random) -> bytes:
    """Lines of a text left out, doubled, or made odd."""
    lines = data.decode().split("\n")
    place = chance.randrange(len(lines))
    lines[place] = chance.choice((*_TEXTS, lines[place] * 2))
    return "\n".join(lines).encode("utf-8", "surrogatepass")


def of_keras(data: bytes, chance: random.Random) -> bytes:
    """A .keras with another configuration or other weights."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(out, "w") as target:
        chosen = chance.choice(["config.json", "config.json", *source.namelist()])
        for member in source.infolist():
            content = source.read(member)
            if member.filename == chosen:
                content = (of_json if chosen.endswith(".json") else of_bytes)(content, chance)
            target.writestr(member.filename, content)
    return out.getvalue()


def of_json_lines(data: bytes, chance: random.Random) -> bytes:
    """One of some JSON texts changed, each on a line of its own."""
    lines = data.splitlines()
    place = chance.randrange(len(lines))
    lines[place] = of_json(lines[place], chance)
    return b"\n".join(lines) + b"\n"


_TOML_VALUES = (
    '""', "0", "-1", "1e400", "nan", "[]", "[[]]", "{}", "true", "2026-11-28", '"\\u001b[2J"',
    "9223372036854775808", "[1, 'x']", '["int8", "int8"]', f"[{'1, ' * 5000}]", "'../../x'",
)  # fmt: skip


def of_toml(data: bytes, chance: random.Random) -> bytes:
    """Values of a TOML text replaced, keys renamed, lines moved into another table."""
    lines = data.decode().split("\n")
    for _ in range(chance.randint(1, _MOST_EDITS)):
        place = chance.choice([k for k, line in enumerate(lines) if "=" in line] or [0])
        key, _, value = lines[place].partition("=")
        instead = chance.choice(_TOML_VALUES)
        lines[place] = chance.choice(
            (f"{key}= {instead}", f"{key}= {instead}", f"{key}= [{value}, {value}]",
             f"x{key}={value}", f"{key}.a ={value}")
        )  # fmt: skip
        if chance.random() < 0.2:  # noqa: PLR2004 - mostly they stay
            lines.insert(chance.randrange(len(lines)), lines.pop(place))
    return "\n".join(lines).encode()


BY_SUFFIX: dict[str, tuple[Mutation, ...]] = {
    ".tflite": (of_bytes, of_tflite),
    ".onnx": (of_bytes, of_onnx),
    ".npz": (of_bytes, of_npz),
    ".npy": (of_bytes, of_npy),
    ".json": (of_bytes, of_json),
    ".jsonl": (of_bytes, of_json_lines, of_json_lines),
    ".pb": (of_bytes, wire.of_message, wire.of_message),
    ".png": (of_bytes, pictures.of_png),
    ".jpg": (of_bytes, pictures.of_jpeg),
    ".txt": (of_bytes, of_text),
    ".toml": (of_bytes, of_text, of_toml, of_toml),
    ".keras": (of_bytes, of_keras, of_keras),
}


def mutated(data: bytes, suffix: str, chance: random.Random) -> bytes:
    """One mutation of a file of this kind; of its bytes where its parts cannot be packed again."""
    mutation = chance.choice(BY_SUFFIX.get(suffix, (of_bytes,)))
    try:
        return mutation(data, chance)
    except Exception:  # noqa: BLE001 - a value that the format's own writer refuses
        return of_bytes(data, chance)
