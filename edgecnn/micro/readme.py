"""README.md beside the C++: what it is, and three lines for each of three systems."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecnn.micro.naming import camel
from edgecnn.text import size_text

if TYPE_CHECKING:
    from edgecnn.micro.record import MicroReport

_TEXT = """\
# {name} for TensorFlow Lite Micro

Written by `edgecnn mcu`. The network takes {flash} of flash (`model.cc`) and an arena of {arena}
({how}, with TensorFlow Lite Micro's reference kernels on a 64-bit machine; kernels of CMSIS-NN and
ESP-NN need scratch memory on top).

| file | what is in it |
|---|---|
| `model.cc`, `model.h` | the network as an aligned array; sizes, scales and zero points |
| `operators.h` | the operators it needs, for `MicroMutableOpResolver` |
| `selftest.cc`, `selftest.h` | an input, and what LiteRT's reference kernels compute for it |
| `mcu.json` | what edgecnn wrote; without it the folder is not replaced |

## In a program

```cpp
#include "model.h"
#include "operators.h"
#include "selftest.h"
#include "tensorflow/lite/micro/micro_interpreter.h"

alignas(16) static uint8_t arena[k{camel}ArenaBytes];

bool SelfTest() {{
  static tflite::MicroMutableOpResolver<k{camel}Operators> resolver;
  if (Add{camel}Operators(resolver) != kTfLiteOk) return false;
  static tflite::MicroInterpreter interpreter(tflite::GetModel(g_{name}_model), resolver, arena,
                                              sizeof(arena));
  if (interpreter.AllocateTensors() != kTfLiteOk) return false;  // mostly: the arena is too small
  memcpy(interpreter.input(0)->data.raw, g_{name}_test_input0, interpreter.input(0)->bytes);
  if (interpreter.Invoke() != kTfLiteOk) return false;
  return {name}_difference0(interpreter.output(0)->data.{field}) <= {steps};
}}
```

The kernels of a microcontroller may round differently from LiteRT's: {rounding}.

## Arduino

1. Install a library that brings TensorFlow Lite Micro for your board, from the Library Manager.
2. Copy these files beside your sketch; rename the `.cc` files to `.cpp`.
3. Include `model.h`, `operators.h` and `selftest.h` and call `SelfTest()` in `setup()`.

## ESP-IDF

1. `idf.py add-dependency "espressif/esp-tflite-micro"`
2. Copy these files into `main/` and add `model.cc selftest.cc` to `SRCS` in its CMakeLists.txt.
3. Call `SelfTest()` in `app_main`, then `idf.py build flash monitor`.

## Zephyr

1. `west config manifest.project-filter -- +tflite-micro && west update`
2. In `prj.conf`: `CONFIG_CPP=y`, `CONFIG_STD_CPP17=y`, `CONFIG_TENSORFLOW_LITE_MICRO=y`.
3. `target_sources(app PRIVATE src/model.cc src/selftest.cc)`; `west build -b BOARD -t flash`.
"""
_FIELDS = {"int8": "int8", "uint8": "uint8", "int16": "i16", "int32": "i32", "int64": "i64",
           "float32": "f", "bool": "b"}  # fmt: skip


def text(report: MicroReport) -> str:
    """The README of one network."""
    output = report.outputs[0]
    steps = 1 if report.measured is None else _allowed(report)
    return _TEXT.format(
        name=report.name,
        camel=camel(report.name),
        flash=size_text(report.size_bytes),
        arena=size_text(report.arena_bytes or 0),
        how="measured" if report.measured is not None else "estimated",
        field=_FIELDS.get(output.dtype, "raw"),
        steps="1e-4" if output.dtype == "float32" else steps,
        rounding=_rounding(report),
    )


def _allowed(report: MicroReport) -> int:
    assert report.measured is not None  # noqa: S101 - the caller looked
    return max(1, *(output.max_steps or 0 for output in report.measured.outputs), 0)


def _rounding(report: MicroReport) -> str:
    measured = report.measured
    if measured is None:
        return "it was not tried on this machine"
    if measured.bit_identical:
        return "on this machine its reference kernels gave the same bits"
    worst = max(measured.outputs, key=lambda output: output.max_difference)
    return f"on this machine its reference kernels differed by {worst.max_difference:g}"
