"""The whole way of `bench --operators`: a file, child processes, a record."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from onnx_nets import classifier
from tiny_tflite import float_net, int8_net
from without_packages import run_without

from edgecnn import inspection
from edgecnn.errors import InputError
from edgecnn.profiling import operators, roofline
from edgecnn.profiling.operator_litert import ProfilerFailedError
from edgecnn.profiling.operator_matrix import matrix_product
from edgecnn.profiling.operator_record import Ceilings
from edgecnn.progress import Silent
from edgecnn.reporting import operators as reporting

if TYPE_CHECKING:
    from pathlib import Path

    from edgecnn.profiling.operator_record import Method, OperatorProfile

CEILINGS = Ceilings(1, {"int8": 1e11, "float32": 1e10, "dynamic": 1e11}, ((1000, 1e10),))
SECONDS = 0.4


def profile(path: Path, method: Method | None = None) -> OperatorProfile:
    return operators.profile_operators(path, seconds=SECONDS, method=method, ceilings=CEILINGS)


@pytest.fixture
def tflite(tmp_path: Path) -> Path:
    path = tmp_path / "a net.tflite"
    path.write_bytes(float_net().to_bytes())
    return path


def test_a_tflite_file_by_the_runtimes_own_profiler(tmp_path: Path) -> None:
    path = tmp_path / "a net.tflite"
    path.write_bytes(matrix_product("float32", side=16, channels=512))
    found = profile(path)
    inspected = inspection.inspect(path)
    assert found.method == "profiler"
    assert found.file_sha256 == inspected.sha256
    assert found.runtime.startswith("ai-edge-litert ")
    assert sum(layer.macs for layer in found.layers) == sum(inspected.graph.macs_by_dtype.values())
    assert sum(kind.time_share for kind in found.kinds) == pytest.approx(1.0)
    whole = sum(layer.time_ms for layer in found.layers) + found.outside_ms
    assert whole == pytest.approx(found.profiled_ms)
    assert "profiler" in found.how


def test_a_net_of_microseconds_is_too_short_for_the_profilers_clock(tflite: Path) -> None:
    found = profile(tflite)
    assert found.method == "alone"
    assert "accounts for" in found.notes[0]


def test_a_tflite_file_by_each_operator_alone(tflite: Path) -> None:
    found = profile(tflite, "alone")
    assert found.method == "alone"
    assert [layer.kind for layer in found.layers] == [
        "CONV_2D", "RELU", "RESHAPE", "FULLY_CONNECTED",
    ]  # fmt: skip
    assert sum(layer.time_ms for layer in found.layers) == pytest.approx(found.latency_ms)
    assert "estimates" in found.how


def test_an_onnx_file_by_the_runtimes_own_profiler(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(classifier().SerializeToString())
    found = profile(path)
    whole = sum(inspection.inspect(path).graph.macs_by_dtype.values())
    assert found.runtime.startswith("onnxruntime ")
    assert sum(layer.macs for layer in found.layers) == whole
    assert found.profiled_ms >= sum(layer.time_ms for layer in found.layers) > 0
    assert reporting.bottleneck(found).endswith(".")


def test_where_the_profiler_fails_the_record_says_why() -> None:
    def fails(_job: operators.Job) -> operators.Measured:
        raise ProfilerFailedError("No profile here.")

    def works(_job: operators.Job) -> operators.Measured:
        return operators.Measured("alone", "one by one", [], 1.0, 1, ("Another note.",))

    job = operators.Job("net.tflite", b"", 1, 0.1)
    found = operators.first_that_works((fails, works), job)
    assert found.notes == ("Not by the runtime's own profiler: No profile here.", "Another note.")
    with pytest.raises(ProfilerFailedError):
        operators.first_that_works((fails,), job)


def test_the_stages_are_told(tflite: Path) -> None:
    class Listening(Silent):
        stages: list[str] = []  # noqa: RUF012 - one use

        def stage(self, name: str, total: int | None = None) -> None:
            del total
            self.stages.append(name)

    told = Listening()
    operators.profile_operators(tflite, seconds=SECONDS, ceilings=CEILINGS, progress=told)
    assert [*dict.fromkeys(told.stages)] == ["measuring the latency", "profiling operators"]


def test_ceilings_are_measured_for_every_dtype_and_fall_with_the_working_set() -> None:
    found = roofline.measure(1, seconds=0.3)
    assert found.threads == 1
    assert found.macs_per_s.keys() == {"float32", "int8", "dynamic"}
    assert min(found.macs_per_s.values()) > 0
    sizes, rates = zip(*found.bandwidth, strict=True)
    assert list(sizes) == sorted(sizes)
    assert list(rates) == sorted(rates, reverse=True)


def test_int8_operators_outside_xnnpack_are_there_too(tmp_path: Path) -> None:
    path = tmp_path / "net.tflite"
    path.write_bytes(int8_net().to_bytes())
    assert [layer.kind for layer in profile(path).layers] == ["CONV_2D", "RELU", "CONV_2D"]


@pytest.mark.parametrize("function", ["roofline:measure_here", "operator_alone:profile"])
def test_without_litert_the_missing_part_is_named(
    function: str, tflite: Path, tmp_path: Path
) -> None:
    module, _, name = function.partition(":")
    args = (1, 0.1) if name == "measure_here" else (str(tflite), 1, 0.1)
    code = f"from edgecnn.profiling import {module}; {module}.{name}(*{args!r})"
    packages = tmp_path / "packages"
    packages.mkdir()
    done = run_without(("ai_edge_litert",), packages, ["-c", code])
    assert "MissingPartError: .tflite files are read and written with ai-edge-litert" in done.stderr


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("missing.tflite", None, "cannot be read"),
        ("photo.jpg", b"JFIF", "neither a .tflite nor a .onnx"),
        ("broken.tflite", b"\x1c\0\0\0TFL3" + bytes(64), "broken.tflite"),
        ("broken.onnx", b"no model", "broken.onnx"),
    ],
)
def test_what_is_no_model_is_refused(
    name: str, content: bytes | None, words: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=words):
        profile(path)
