"""`mcu` on tiny files, with the real interpreter and a real compiler for Cortex-M."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tiny_artifact
from ai_edge_litert import schema_py_generated as schema
from tiny_tflite import TinyModel, conv_options, float_net, int8_net
from without_packages import run_without

import edgecnn
from edgecnn.cli.app import run
from edgecnn.errors import InputError
from edgecnn.micro import interpreter
from edgecnn.tflm import operators

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("warm_children")
needs_tflm = pytest.mark.skipif(
    not interpreter.is_installed(), reason="tflite-micro is not installed"
)
_GCC = "arm-none-eabi-g++"
needs_gcc = pytest.mark.skipif(shutil.which(_GCC) is None, reason=f"{_GCC} is not installed")
_FLAGS = ["-mcpu=cortex-m4", "-mthumb", "-std=c++17", "-Os", "-Wall", "-Wextra", "-Werror"]
_STUB = """\
#ifndef STUB_H_
#define STUB_H_
enum TfLiteStatus { kTfLiteOk, kTfLiteError };
namespace tflite {
template <unsigned int kCount>
struct MicroMutableOpResolver {
  METHODS
};
}  // namespace tflite
#endif
"""


@pytest.fixture
def int8_file(tmp_path: Path) -> Path:
    path = tmp_path / "tiny net.tflite"
    path.write_bytes(int8_net().to_bytes())
    return path


def custom_net() -> TinyModel:
    net = TinyModel()
    x = net.tensor("int8", (1, 4), quantization=(0.1, 0))
    y = net.tensor("int8", (1, 4), quantization=(0.1, 0))
    net.operator("MyOwnOp", [x], [y], custom=True)
    net.border([x], [y])
    return net


def hybrid_net() -> TinyModel:
    net = TinyModel()
    x = net.tensor("float32", (1, 8, 8, 3))
    kernel = np.ones((4, 3, 3, 3), np.int8)
    weights = net.tensor("int8", kernel.shape, values=kernel, quantization=(0.1, 0))
    bias = net.tensor("float32", (4,), values=np.zeros(4, np.float32))
    y = net.tensor("float32", (1, 8, 8, 4))
    net.operator("CONV_2D", [x, weights, bias], [y], conv_options())
    net.border([x], [y])
    return net


@needs_tflm
def test_a_tiny_int8_network_runs_as_litert_does(int8_file: Path) -> None:
    report = edgecnn.mcu(int8_file)
    assert report.ok
    assert report.measured is not None
    assert report.measured.bit_identical
    assert report.measured.outputs[0].runs == 4
    assert all(board.fits for board in report.boards)


@needs_tflm
def test_the_measured_arena_is_the_smallest_that_is_enough(int8_file: Path) -> None:
    report = edgecnn.mcu(int8_file)
    assert report.measured is not None
    size = report.measured.arena_bytes
    assert interpreter.allocates(str(int8_file), size)
    assert not interpreter.allocates(str(int8_file), size - 64)


@needs_tflm
def test_an_arena_too_small_is_a_sentence(int8_file: Path) -> None:
    with pytest.raises(InputError, match="in an arena of 2,000 bytes"):
        interpreter.run(str(int8_file), [], 1, 2000)


@needs_tflm
def test_the_estimate_is_near_what_tflm_takes(int8_file: Path) -> None:
    report = edgecnn.mcu(int8_file)
    assert report.measured is not None
    assert report.estimate is not None
    assert report.estimate.planned_bytes == report.measured.planned_bytes
    assert abs(report.estimate.arena_bytes - report.measured.arena_bytes) < 600


@needs_tflm
def test_an_artifacts_reference_inputs_are_what_is_compared_on(tmp_path: Path) -> None:
    folder = tiny_artifact.write_artifact(tmp_path / "a", ("tflite",))
    report = edgecnn.mcu(folder, output=tmp_path / "out")
    assert report.name == "tiny"
    assert report.measured is not None
    assert report.measured.outputs[0].max_difference < 1e-4
    assert any("float32" in note for note in report.notes)
    assert "const float g_tiny_test_input0[]" in (tmp_path / "out/selftest.cc").read_text()


def test_an_operator_that_tflm_lacks_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "own.tflite"
    path.write_bytes(custom_net().to_bytes())
    assert run(["mcu", str(path), "--output", str(tmp_path / "out")]) == 1
    shown = capsys.readouterr()
    assert "TensorFlow Lite Micro has no MyOwnOp." in shown.err
    assert not (tmp_path / "out").exists()


def test_float_activations_with_integer_weights_are_not_for_tflm(tmp_path: Path) -> None:
    path = tmp_path / "dynamic.tflite"
    path.write_bytes(hybrid_net().to_bytes())
    report = edgecnn.mcu(path)
    assert not report.ok
    assert "export with --int8" in report.problems[0]
    assert report.boards == ()


def softmax_of_equals(classes: int) -> TinyModel:
    net = TinyModel()
    x = net.tensor("int8", (1, classes), quantization=(1e-6, 0))
    y = net.tensor("int8", (1, classes), quantization=(1 / 256, -128))
    options = schema.SoftmaxOptionsT()
    options.beta = 1.0
    net.operator("SOFTMAX", [x], [y], options)
    net.border([x], [y])
    return net


def test_what_crashes_the_reference_kernels_alone_is_a_problem(tmp_path: Path) -> None:
    for classes, problems in ((250, 0), (1000, 1)):
        path = tmp_path / f"{classes}.tflite"
        path.write_bytes(softmax_of_equals(classes).to_bytes())
        report = edgecnn.mcu(path, output=tmp_path / f"out-{classes}")
        assert len(report.problems) == problems
        assert (tmp_path / f"out-{classes}").exists() == (problems == 0)
    assert "SOFTMAX of 1000 classes" in report.problems[0]
    assert report.measured is None


def test_constants_behind_the_flatbuffer_are_not_for_tflm(tmp_path: Path) -> None:
    path = tmp_path / "behind.tflite"
    path.write_bytes(int8_net().to_bytes(buffers_behind=True))
    report = edgecnn.mcu(path)
    assert any("behind the FlatBuffer" in problem for problem in report.problems)


@pytest.mark.parametrize("content", [b"", b"no model at all", int8_net().to_bytes()[:900]])
def test_a_broken_file_is_a_sentence(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.tflite"
    path.write_bytes(content)
    with pytest.raises(InputError):
        edgecnn.mcu(path)


def test_what_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        edgecnn.mcu(tmp_path / "missing.tflite")
    with pytest.raises(InputError, match=r"holds no manifest\.json"):
        edgecnn.mcu(tmp_path)


def test_a_folder_of_the_users_is_never_replaced(int8_file: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "sketch.ino").write_text("mine")
    with pytest.raises(InputError, match=r"it holds sketch\.ino"):
        edgecnn.mcu(int8_file, output=mine)
    assert [each.name for each in mine.iterdir()] == ["sketch.ino"]


def test_ones_own_folder_is_replaced_until_a_file_is_added(int8_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    edgecnn.mcu(int8_file, output=out)
    edgecnn.mcu(int8_file, output=out)
    (out / "main.cc").write_text("mine")
    with pytest.raises(InputError, match=r"main\.cc, which edgecnn did not write"):
        edgecnn.mcu(int8_file, output=out)
    assert (out / "main.cc").read_text() == "mine"


def test_a_place_that_cannot_be_written_is_a_sentence(int8_file: Path) -> None:
    with pytest.raises(InputError, match="cannot be written"):
        edgecnn.mcu(int8_file, output="/sys/edgecnn-mcu")


def test_hostile_names_become_plain_identifiers(tmp_path: Path) -> None:
    path = tmp_path / '9"; system(x) \u202e*\u2215é.tflite'
    path.write_bytes(int8_net().to_bytes())
    edgecnn.mcu(path, output=tmp_path / "out")
    text = (tmp_path / "out/model.h").read_text()
    assert "g_net_9_system_x_model" in text
    assert text.isascii()


@needs_gcc
@pytest.mark.parametrize("make", [int8_net, float_net])
def test_the_code_compiles_and_the_array_has_the_files_size(
    make: Callable[[], TinyModel], tmp_path: Path
) -> None:
    data = make().to_bytes()
    path = tmp_path / "net.tflite"
    path.write_bytes(data)
    out = tmp_path / "out"
    edgecnn.mcu(path, output=out)
    for name in ("model", "selftest"):
        compiled([_GCC, *_FLAGS, "-c", f"{name}.cc", "-o", f"{name}.o"], out)
    symbols = compiled(["arm-none-eabi-nm", "-S", "model.o"], out).split()
    assert symbols[3] == "g_net_model"
    said = json.loads((out / "mcu.json").read_text())
    assert int(symbols[1], 16) == len(data) == said["model_bytes"]
    assert symbols[2] == "R"  # read-only: it stays in flash
    sections = compiled(["arm-none-eabi-objdump", "-h", "model.o"], out)
    assert re.search(r"\.rodata\S*\s+\S+\s+\S+\s+\S+\s+\S+\s+2\*\*4", sections)


@needs_gcc
def test_the_operators_are_code_that_a_resolver_takes(int8_file: Path, tmp_path: Path) -> None:
    """Only the syntax: TFLM's headers are not here, and a stub has its methods' names."""
    out = tmp_path / "out"
    edgecnn.mcu(int8_file, output=out)
    header = tmp_path / "stub/tensorflow/lite/micro/micro_mutable_op_resolver.h"
    header.parent.mkdir(parents=True)
    methods = (f"TfLiteStatus {each}();" for each in operators.METHODS.values())
    header.write_text(_STUB.replace("METHODS", "\n  ".join(methods)))
    (out / "use.cc").write_text('#include "operators.h"\n')
    compiled([_GCC, *_FLAGS, "-fsyntax-only", f"-I{tmp_path / 'stub'}", "use.cc"], out)
    text = (out / "operators.h").read_text()
    assert re.findall(r"resolver\.(\w+)\(\)", text) == ["AddConv2D", "AddRelu"]


@needs_gcc
def test_the_self_test_finds_what_differs(int8_file: Path, tmp_path: Path) -> None:
    """Compiled for this machine, where it can run: the array itself is 0 steps away, another 3."""
    out = tmp_path / "out"
    edgecnn.mcu(int8_file, output=out)
    (out / "main.cc").write_text(
        '#include "model.h"\n#include "selftest.h"\n#include <cstdio>\n#include <cstring>\n'
        "int main() { int8_t y[kTinyNetOutput0Elements];\n"
        " std::memcpy(y, g_tiny_net_test_output0, sizeof y);\n"
        ' std::printf("%g ", tiny_net_difference0(y)); y[5] ^= 3;\n'
        ' std::printf("%g", tiny_net_difference0(y)); }\n'
    )
    compiled(["g++", "-std=c++17", "main.cc", "selftest.cc", "model.cc", "-o", "test"], out)
    zero, other = map(float, compiled(["./test"], out).split())
    assert zero == 0
    assert other in {1, 2, 3}


def compiled(command: list[str], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_without_the_extra_the_arena_is_estimated_and_the_user_told(
    int8_file: Path, tmp_path: Path
) -> None:
    (tmp_path / "site").mkdir()
    command = ["-m", "edgecnn", "mcu", str(int8_file)]
    done = run_without(["tflite_micro"], tmp_path / "site", command)
    assert done.returncode == 0, done.stderr
    assert "estimated" in done.stdout
    assert "pip install 'edgecnn[mcu]'" in done.stderr


def test_json_has_units_and_plain_values(
    int8_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["mcu", str(int8_file), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["mcu"]
    assert told["size_bytes"] == int8_file.stat().st_size
    assert told["arena_bytes"] > 0
    assert told["operators"] == {"CONV_2D": 2, "RELU": 1}
    assert [board["flash_bytes"] > 0 for board in told["boards"]] == [True] * 5
