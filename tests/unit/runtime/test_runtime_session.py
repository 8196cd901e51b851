"""Opening sessions, feeding them, and the arithmetic of quantized inputs and outputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_tflite import float_net

from edgecnn import isolation
from edgecnn.errors import InputError
from edgecnn.progress import Silent
from edgecnn.records import TensorInfo
from edgecnn.runtime.session import dequantize_output, infer, open_session, quantize_input

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

finite = st.floats(-1e6, 1e6, width=32)


def info(dtype: str, scale: float | None = 0.5, zero_point: int | None = 3) -> TensorInfo:
    return TensorInfo("x", dtype, (1,), scale, zero_point)


def floats(*values: float) -> NDArray[np.float32]:
    return np.array(values, np.float32)


@pytest.mark.parametrize(
    ("dtype", "low", "high"),
    [("int8", -128, 127), ("uint8", 0, 255), ("int16", -32768, 32767)],
)
def test_quantizing_rounds_to_even_and_saturates(dtype: str, low: int, high: int) -> None:
    values = floats(0, 0.5, 0.25, 0.75, -0.25, 1e9, -1e9, np.inf)
    got = quantize_input(values, info(dtype))
    assert got.dtype == np.dtype(dtype)
    assert got.tolist() == [3, 4, 3, 5, 3, high, low, high]


@given(
    st.lists(finite, min_size=1, max_size=20),
    st.floats(1e-4, 10),
    st.integers(-128, 127),
)
def test_a_round_trip_errs_by_half_a_step(
    values: list[float], scale: float, zero_point: int
) -> None:
    there = info("int8", scale, zero_point)
    low, high = (-128 - zero_point) * scale, (127 - zero_point) * scale
    inside = np.clip(floats(*values), low, high).astype(np.float32)
    back = dequantize_output(quantize_input(inside, there), there)
    assert back.dtype == np.float32
    tolerance = scale / 2 + 1e-6 * max(abs(low), abs(high))
    assert np.abs(back.astype(np.float64) - inside).max() <= tolerance


@given(st.integers(-128, 127))
def test_every_step_survives_the_round_trip(step: int) -> None:
    there = info("int8", 0.037, -5)
    steps = np.array([step], np.int8)
    assert quantize_input(dequantize_output(steps, there), there) == steps


def test_float_tensors_pass_as_they_are() -> None:
    values = floats(0.1, -7)
    assert quantize_input(values, info("float32", None, None)).tolist() == values.tolist()
    half = quantize_input(values, info("float16", None, None))
    assert half.dtype == np.float16
    assert dequantize_output(half, info("float16", None, None)).dtype == np.float32


@pytest.mark.parametrize("wrong", [info("int8", None, None), info("int64"), info("uint8", 0.0)])
def test_inputs_without_a_unit_are_refused(wrong: TensorInfo) -> None:
    with pytest.raises(InputError, match="'x'"):
        quantize_input(floats(1), wrong)


def test_a_nan_cannot_be_quantized() -> None:
    with pytest.raises(InputError, match="NaN"):
        quantize_input(floats(1, np.nan), info("int8"))


@pytest.mark.parametrize(
    ("name", "said"),
    [("model.h5", "neither a .tflite nor a .onnx"), ("model.tflite", "does not exist")],
)
def test_paths_that_cannot_be_opened(tmp_path: Path, name: str, said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        open_session(tmp_path / name)
    assert caught.value.hint


@pytest.fixture
def net(tmp_path: Path) -> Path:
    path = tmp_path / "net.tflite"
    path.write_bytes(float_net().to_bytes())
    return path


def batches(count: int) -> list[list[NDArray[Any]]]:
    random = np.random.default_rng(1)
    return [[random.random((1, 8, 8, 3), np.float32)] for _ in range(count)]


def test_inference_in_a_child_is_inference_here(net: Path) -> None:
    images = batches(3)
    here = infer(net, images)
    there = isolation.run("edgecnn.runtime.session:infer", net, images, what="running net")
    assert len(there) == 3
    for one, other in zip(here, there, strict=True):
        assert one[0].tobytes() == other[0].tobytes()
    assert here[0][0].tobytes() != here[1][0].tobytes()


def test_inference_reports_each_batch(net: Path) -> None:
    class Counting(Silent):
        steps = 0

        def advance(self, steps: int = 1) -> None:
            self.steps += steps

    counting = Counting()
    infer(net, batches(2), threads=2, progress=counting)
    assert counting.steps == 2
