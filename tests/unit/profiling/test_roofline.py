"""The roofline: which of two ceilings binds, and the file that measures one of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecnn import inspection
from edgecnn.profiling import roofline
from edgecnn.profiling.operator_matrix import matrix_product
from edgecnn.profiling.operator_record import Ceilings
from edgecnn.runtime.litert import LiteRTSession

if TYPE_CHECKING:
    from pathlib import Path

MEASURED = ((1_000, 8e9), (1_000_000, 2e9))
CEILINGS = Ceilings(1, {"int8": 1e9, "float32": 1e8, "dynamic": 5e8}, MEASURED)


def test_much_computing_on_few_bytes_is_bound_by_computing() -> None:
    assert roofline.ceiling_ms(1_000_000, 1_000, "int8", CEILINGS) == (1.0, "compute")


def test_few_computing_on_many_bytes_is_bound_by_memory() -> None:
    assert roofline.ceiling_ms(10, 1_000_000, "int8", CEILINGS) == (0.5, "memory")


def test_an_addition_is_bound_by_memory_in_any_dtype() -> None:
    assert roofline.ceiling_ms(0, 1_000_000, "int16", CEILINGS) == (0.5, "memory")


def test_products_in_a_dtype_that_was_not_measured_have_no_ceiling() -> None:
    assert roofline.ceiling_ms(10, 1_000, "int16", CEILINGS) == (None, None)


def test_unsigned_bytes_are_held_against_signed_ones() -> None:
    assert roofline.ceiling_ms(1_000_000, 1, "uint8", CEILINGS) == (1.0, "compute")


@pytest.mark.parametrize(
    ("working_set", "rate"),
    [(1, 8e9), (1_000, 8e9), (31_623, 5e9), (1_000_000, 2e9), (10**9, 2e9)],
)
def test_bandwidth_lies_between_the_measured_ones(working_set: int, rate: float) -> None:
    assert roofline.bandwidth(working_set, MEASURED) == pytest.approx(rate, rel=1e-4)


@given(st.integers(0, 10**12), st.integers(0, 10**10), st.sampled_from(["int8", "float32"]))
def test_more_work_never_has_a_lower_ceiling(macs: int, moved: int, dtype: str) -> None:
    least, _ = roofline.ceiling_ms(macs, moved, dtype, CEILINGS)
    more, _ = roofline.ceiling_ms(2 * macs, 2 * moved, dtype, CEILINGS)
    assert least is not None
    assert more is not None
    assert more >= least


@pytest.mark.parametrize("dtype", ["float32", "int8", "dynamic"])
def test_the_matrix_product_computes_in_its_dtype_inside_xnnpack(
    dtype: str, tmp_path: Path
) -> None:
    path = tmp_path / "product.tflite"
    path.write_bytes(matrix_product(dtype, side=2, channels=8))
    graph = inspection.inspect(path).graph
    assert graph.macs_by_dtype == {dtype: 2 * 2 * 8 * 8}
    assert graph.delegate_partitions == 1
    assert graph.undelegated_ops == {}


def test_the_matrix_product_is_one() -> None:
    session = LiteRTSession(matrix_product("float32", side=1, channels=8))
    columns = [session.run([row.reshape(1, 1, 1, 8)])[0] for row in np.eye(8, dtype=np.float32)]
    weights = np.random.default_rng(0).integers(-127, 128, (8, 1, 1, 8)).reshape(8, 8)
    assert np.array_equal(np.concatenate(columns).reshape(8, 8), weights.T)


def test_copying_counts_what_is_read_and_what_is_written() -> None:
    assert roofline.copy_bytes_per_s(1 << 16, threads=2, seconds=0.05) > 0
