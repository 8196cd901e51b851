"""Whether a device computes what this machine does: exact where it can be, close where it must."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tiny_tflite import float_net, int8_net

from edgecnn.benchmark.files import collect
from edgecnn.benchmark.outputs import Outputs, agree, compute_here, read
from edgecnn.errors import EdgeCnnError

if TYPE_CHECKING:
    from pathlib import Path

LITERT, TFLITE = "ai-edge-litert 2.3.0", "tflite-runtime 2.14.0"
FLOATS = np.linspace(-1, 1, 1000, dtype=np.float32).reshape(2, 500)
STEPS = np.arange(-100, 100, dtype=np.int8).reshape(2, 100)


def outputs(values: Any, runtime: str = LITERT, sha256: str = "") -> Outputs:  # noqa: ANN401 - an array
    return Outputs(sha256 or str(hash(values.tobytes())), runtime, (values,))


def test_the_same_hash_is_the_same() -> None:
    assert agree(Outputs("ab", LITERT), Outputs("ab", TFLITE), "int8") is True


def test_another_hash_without_values_cannot_be_told() -> None:
    assert agree(outputs(STEPS), Outputs("ab", LITERT), "int8") is None


def test_integers_of_the_same_runtime_are_the_same_bits() -> None:
    assert agree(outputs(STEPS), outputs(STEPS + np.int8(1)), "int8") is False


@pytest.mark.parametrize(("steps", "same"), [(3, True), (4, False)])
def test_integers_of_another_runtime_may_differ_by_its_rounding(steps: int, same: bool) -> None:  # noqa: FBT001 - a parameter
    there = outputs(STEPS + np.int8(steps), TFLITE)
    assert agree(outputs(STEPS), there, "int8") is same


@pytest.mark.parametrize(("steps", "same"), [(1, True), (4, False)])
def test_integers_behind_float_operators_may_differ_by_a_rounding(steps: int, same: bool) -> None:  # noqa: FBT001 - a parameter
    there = outputs(STEPS + np.int8(steps))
    assert agree(outputs(STEPS), there, "int8", mixed=True) is same


@pytest.mark.parametrize(("recipe", "error", "same"), [
    ("float32", 1e-6, True), ("float32", 2e-3, False), ("float16", 1e-5, True),
    ("dynamic", 2e-3, True), ("int8", 1e-2, True), ("int8", 0.2, False), ("", 2e-3, True),
])  # fmt: skip
def test_floats_may_differ_as_their_recipe_rounds(recipe: str, error: float, same: bool) -> None:  # noqa: FBT001 - a parameter
    noise = np.random.default_rng(0).standard_normal(FLOATS.shape).astype(np.float32)
    assert agree(outputs(FLOATS), outputs(FLOATS + error * noise), recipe) is same


@pytest.mark.parametrize(("recipe", "kept_db", "same"), [
    ("int8", None, False), ("int8", 25.0, False), ("int8", 12.0, True), ("int8", -7.0, True),
    ("float32", 12.0, False),
])  # fmt: skip
def test_what_quantization_spoiled_may_be_spoiled_otherwise(
    recipe: str,
    kept_db: float | None,
    same: bool,  # noqa: FBT001 - a parameter
) -> None:
    noise = np.random.default_rng(0).standard_normal(FLOATS.shape).astype(np.float32)
    there = outputs(FLOATS + 0.1 * noise)  # 15 dB
    assert agree(outputs(FLOATS), there, recipe, kept_db=kept_db) is same
    assert agree(outputs(FLOATS), outputs(-FLOATS), recipe, kept_db=kept_db) is False


@pytest.mark.parametrize("there", [
    np.full_like(FLOATS, np.nan), np.zeros_like(FLOATS), FLOATS[:1], FLOATS.astype(np.float64),
    np.full_like(FLOATS, np.inf),
])  # fmt: skip
def test_what_is_no_answer_is_another_one(there: Any) -> None:  # noqa: ANN401 - an array
    assert agree(outputs(FLOATS), outputs(there, sha256="x"), "float32") is False


def test_zeros_are_only_like_zeros() -> None:
    assert agree(outputs(np.zeros_like(FLOATS)), outputs(FLOATS), "float32") is False


def test_a_file_is_run_here_on_its_seeded_inputs(tmp_path: Path) -> None:
    path = tmp_path / "net.tflite"
    path.write_bytes(int8_net().to_bytes())
    (file,) = collect([path])
    once, again = compute_here(file), compute_here(file)
    assert once == again
    assert len(once.sha256) == 64
    assert once.values is not None
    assert [values.dtype for values in once.values] == [np.int8]


def test_a_file_that_does_not_run_here_is_told(tmp_path: Path) -> None:
    path = tmp_path / "net.tflite"
    path.write_bytes(float_net().to_bytes()[:200])
    (file,) = collect([path])
    with pytest.raises(EdgeCnnError):
        compute_here(file)


def test_damaged_outputs_are_told_and_missing_ones_are_none(tmp_path: Path) -> None:
    assert read(tmp_path / "none.npz") is None
    np.savez(tmp_path / "whole.npz", y0=FLOATS)
    whole = (tmp_path / "whole.npz").read_bytes()
    (tmp_path / "half.npz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(EdgeCnnError, match="cannot be read"):
        read(tmp_path / "half.npz")


def test_every_output_must_agree() -> None:
    here = Outputs("a", LITERT, (FLOATS, STEPS))
    assert agree(here, Outputs("b", LITERT, (FLOATS + np.float32(1e-6), STEPS)), "float32") is True
    assert agree(here, Outputs("b", LITERT, (FLOATS, STEPS + np.int8(1))), "float32") is False
    assert agree(here, Outputs("b", LITERT, (FLOATS,)), "float32") is False
