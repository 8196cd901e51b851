"""The C++ of a network for TensorFlow Lite Micro: array, constants, operators, self-test."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgecnn.errors import InputError
from edgecnn.micro.naming import camel
from edgecnn.text import shape_text
from edgecnn.tflm.operators import METHODS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from edgecnn.records import TensorInfo

MOST_ARRAY_BYTES = 32 << 20
_TYPES = {
    "int8": "int8_t", "uint8": "uint8_t", "int16": "int16_t", "uint16": "uint16_t",
    "int32": "int32_t", "uint32": "uint32_t", "int64": "int64_t", "float32": "float",
    "bool": "bool",
}  # fmt: skip
_IN_A_LINE = 20


@dataclass(frozen=True, eq=False)
class Source:
    """What the files are made of.

    Attributes:
        name: an identifier.
        data: the .tflite file.
        inputs: of the file.
        outputs: likewise.
        operators: names of TFLite, each once.
        arena_bytes: that it needs on a 64-bit machine.
        sample_inputs: an array for each input, of the file's dtype and shape.
        sample_outputs: what LiteRT gives for them.
    """

    name: str
    data: bytes
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    operators: tuple[str, ...]
    arena_bytes: int
    sample_inputs: tuple[NDArray[Any], ...]
    sample_outputs: tuple[NDArray[Any], ...]


def files(source: Source) -> dict[str, str]:
    """Name to content of every C++ file.

    Raises:
        InputError: the network is too large for an array, or has a dtype that C++ has no name for.
    """
    if len(source.data) > MOST_ARRAY_BYTES:
        raise InputError(
            f"The file has {len(source.data):,} bytes, and {MOST_ARRAY_BYTES:,} are the most that"
            " are written as C++: no microcontroller has so much flash.",
            hint="Export a smaller network (--width, --input-size).",
        )
    return {
        "model.h": _header(source),
        "model.cc": _array(source),
        "operators.h": _operators(source),
        "selftest.h": _selftest_header(source),
        "selftest.cc": _selftest(source),
    }


def _guard(source: Source, what: str, body: Iterable[str]) -> str:
    name = f"EDGECNN_{source.name.upper()}_{what}_H_"
    return _text([f"#ifndef {name}", f"#define {name}", "", *body, "", f"#endif  // {name}"])


def _text(lines: Iterable[str]) -> str:
    return "\n".join(
        ("// Written by edgecnn mcu; changes are lost when it is written again.", *lines, "")
    )


def _header(source: Source) -> str:
    name = source.name
    ends = [
        *_constants("Input", source.inputs, source),
        *_constants("Output", source.outputs, source),
    ]
    return _guard(source, "MODEL", [
        "#include <cstddef>", "#include <cstdint>", "",
        "// The .tflite file, aligned as tflite::GetModel() needs it; it lies in flash.",
        f"extern const unsigned char g_{name}_model[];",
        f"constexpr std::size_t k{camel(name)}ModelBytes = {len(source.data)};", "",
        "// Of the arena, with TensorFlow Lite Micro's reference kernels on a 64-bit machine. A",
        "// 32-bit one needs less; CMSIS-NN and ESP-NN kernels need scratch memory on top.",
        f"constexpr std::size_t k{camel(name)}ArenaBytes = {source.arena_bytes};", "",
        "// real = (integer - zero point) * scale", *ends,
    ])  # fmt: skip


def _constants(side: str, tensors: Sequence[TensorInfo], source: Source) -> list[str]:
    lines = []
    for index, tensor in enumerate(tensors):
        start = f"k{camel(source.name)}{side}{index}"
        count = math.prod(tensor.shape)
        lines += [
            f"// {side.lower()} {index}: {_c_type(tensor)}, shape {shape_text(tensor.shape)}",
            f"constexpr std::size_t {start}Elements = {count};",
        ]
        if tensor.scale is not None:
            lines += [
                f"constexpr float {start}Scale = {_float(tensor.scale)};",
                f"constexpr int {start}ZeroPoint = {tensor.zero_point or 0};",
            ]
    return lines


def _c_type(tensor: TensorInfo) -> str:
    if tensor.dtype not in _TYPES:
        raise InputError(f"{tensor.name!r} is {tensor.dtype}, which C++ has no type for.")
    return _TYPES[tensor.dtype]


def _float(value: float) -> str:
    text = repr(float(value))
    return f"{text}f" if "." in text or "e" in text else f"{text}.0f"


def _array(source: Source) -> str:
    numbers = _numbers(map(str, source.data))
    return _text([
        '#include "model.h"', "",
        f"alignas(16) const unsigned char g_{source.name}_model[] = {{", *numbers, "};",
        f"static_assert(sizeof(g_{source.name}_model) == k{camel(source.name)}ModelBytes);",
    ])  # fmt: skip


def _numbers(values: Iterable[str]) -> list[str]:
    texts = list(values)
    return [
        "  " + ",".join(texts[start : start + _IN_A_LINE]) + ","
        for start in range(0, len(texts), _IN_A_LINE)
    ]


def _operators(source: Source) -> str:
    count, name = len(source.operators), camel(source.name)
    adds = [f"  if (resolver.{METHODS[operator]}() != kTfLiteOk) return kTfLiteError;"
            for operator in source.operators]  # fmt: skip
    return _guard(source, "OPERATORS", [
        '#include "tensorflow/lite/micro/micro_mutable_op_resolver.h"', "",
        f"constexpr unsigned int k{name}Operators = {count};", "",
        "// All operators of the network, and no others: each costs flash.",
        f"inline TfLiteStatus Add{name}Operators(",
        f"    tflite::MicroMutableOpResolver<k{name}Operators>& resolver) {{",
        *adds, "  return kTfLiteOk;", "}",
    ])  # fmt: skip


def _selftest_header(source: Source) -> str:
    name = source.name
    inputs = [f"extern const {_c_type(tensor)} g_{name}_test_input{index}[];"
              for index, tensor in enumerate(source.inputs)]  # fmt: skip
    outputs = [line for index, tensor in enumerate(source.outputs) for line in (
        f"extern const {_c_type(tensor)} g_{name}_test_output{index}[];",
        f"// The largest difference of an output from LiteRT's{_unit(tensor)}.",
        f"double {name}_difference{index}(const {_c_type(tensor)}* output);",
    )]  # fmt: skip
    return _guard(source, "SELFTEST", [
        "#include <cstdint>", "",
        "// One input, and what LiteRT computes for it on a computer.", *inputs, *outputs,
    ])  # fmt: skip


def _unit(tensor: TensorInfo) -> str:
    return "" if tensor.dtype == "float32" else ", in steps"


def _selftest(source: Source) -> str:
    name, lines = source.name, ['#include "selftest.h"', "", '#include "model.h"', ""]
    sides = (("input", source.inputs, source.sample_inputs),
             ("output", source.outputs, source.sample_outputs))  # fmt: skip
    for side, tensors, samples in sides:
        for index, (tensor, values) in enumerate(zip(tensors, samples, strict=True)):
            written = _numbers(_literal(value, tensor.dtype) for value in values.ravel().tolist())
            declared = f"alignas(16) const {_c_type(tensor)} g_{name}_test_{side}{index}[]"
            lines += [f"{declared} = {{", *written, "};", ""]
    for index, tensor in enumerate(source.outputs):
        lines += _difference(source, index, _c_type(tensor))
    return _text(lines)


def _literal(value: float, dtype: str) -> str:
    if dtype == "float32":
        return _float(value)
    if dtype == "int64":
        return f"INT64_C({value})" if value > -(1 << 63) else "INT64_MIN"
    return str(int(value))


def _difference(source: Source, index: int, c_type: str) -> list[str]:
    count = f"k{camel(source.name)}Output{index}Elements"
    return [
        f"double {source.name}_difference{index}(const {c_type}* output) {{",
        "  double largest = 0;",
        f"  for (std::size_t i = 0; i < {count}; ++i) {{",
        "    const double found = static_cast<double>(output[i]);",
        f"    const double wanted = static_cast<double>(g_{source.name}_test_output{index}[i]);",
        "    const double away = found > wanted ? found - wanted : wanted - found;",
        "    if (!(away <= largest)) largest = away;  // NaN too",
        "  }", "  return largest;", "}", "",
    ]  # fmt: skip
