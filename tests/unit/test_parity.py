"""Closeness of logits: known cases, ties, and what cannot be compared."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from onnx_nets import classifier, images, run
from tiny_tflite import float_net

from edgecnn import parity
from edgecnn.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    Array = NDArray[np.float32]

LOGITS = hnp.arrays(
    np.float32,
    st.tuples(st.integers(1, 5), st.integers(1, 7)),
    elements=st.floats(-1e4, 1e4, width=32, allow_subnormal=False),
)


def rows(*values: list[float]) -> Array:
    return np.array(values, np.float32)


def test_identical_logits_have_no_error_to_put_in_decibels() -> None:
    logits = rows([1, 2, 3], [3, 2, 1])
    found = parity.compare(logits, logits.copy())
    assert (found.snr_db, found.max_abs_error, found.top1_agreement, found.samples) == (
        None,
        0.0,
        1.0,
        2,
    )
    assert found.cosine == pytest.approx(1.0)


@pytest.mark.parametrize("decibels", [-10, 0, 20, 60])
def test_a_known_signal_to_noise_ratio(decibels: int) -> None:
    random = np.random.default_rng(0)
    signal, noise = random.normal(size=(2, 50, 10))
    noise *= np.sqrt((signal**2).sum() / (noise**2).sum() / 10 ** (decibels / 10))
    found = parity.snr_db(signal.astype(np.float32), (signal + noise).astype(np.float32))
    assert found == pytest.approx(decibels, abs=1e-3)


def test_the_largest_error_and_the_angle() -> None:
    found = parity.compare(rows([1, 0], [0, 0]), rows([0, 0], [0, -2]))
    assert found.max_abs_error == 2.0
    assert found.cosine == 0.0
    assert parity.compare(rows([1, 2]), rows([-1, -2])).cosine == pytest.approx(-1.0)


def test_a_silent_reference_gives_no_division_by_zero() -> None:
    zeros = np.zeros((2, 3), np.float32)
    assert parity.compare(zeros, zeros).cosine == 1.0
    assert parity.compare(zeros, zeros).snr_db is None
    assert parity.snr_db(zeros, zeros + 1) == -math.inf
    with pytest.raises(InputError, match="all zero"):
        parity.compare(zeros, zeros + 1)


@pytest.mark.parametrize(
    ("found", "credit"),
    [
        ([9.0, 1.0, 1.0, 1.0], 1.0),
        ([1.0, 9.0, 1.0, 1.0], 0.0),
        ([9.0, 9.0, 1.0, 1.0], 1 / 2),
        ([9.0, 9.0, 9.0, 1.0], 1 / 3),
        ([9.0, 9.0, 9.0, 9.0], 1 / 4),
        ([1.0, 9.0, 9.0, 1.0], 0.0),
    ],
)
def test_a_tie_counts_as_drawing_lots_would(found: list[float], credit: float) -> None:
    reference = rows([4, 3, 2, 1])
    assert parity.top1_agreement(reference, rows(found)) == pytest.approx(credit)


def test_agreement_is_a_share_of_samples() -> None:
    reference = rows([1, 0], [1, 0], [1, 0], [0, 1])
    assert parity.top1_agreement(reference, rows([1, 0], [0, 1], [2, 2], [0, 3])) == 2.5 / 4


def test_other_shapes_are_refused_and_named() -> None:
    with pytest.raises(InputError, match=r"\(2, 4\).*\(2, 3\)"):
        parity.compare(np.zeros((2, 3), np.float32), np.zeros((2, 4), np.float32))


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_logits_that_are_no_numbers_are_refused(bad: float) -> None:
    with pytest.raises(InputError, match="not finite"):
        parity.compare(rows([1, 2]), rows([1, bad]))
    with pytest.raises(InputError, match="float model's own logits are not finite"):
        parity.compare(rows([1, bad]), rows([1, 2]))


@given(LOGITS)
def test_every_logits_agree_with_themselves(logits: Array) -> None:
    found = parity.compare(logits, logits)
    assert found.snr_db is None
    assert found.max_abs_error == 0
    assert found.cosine == pytest.approx(1.0)
    assert 0 < found.top1_agreement <= 1


@given(LOGITS, st.integers(0, 2**32 - 1))
def test_measures_stay_in_their_ranges(logits: Array, seed: int) -> None:
    noise = np.random.default_rng(seed).normal(size=logits.shape).astype(np.float32)
    assume(logits.any())
    found = parity.compare(logits, logits + noise)
    assert found.snr_db is None or not math.isnan(found.snr_db)
    assert -1.000001 <= found.cosine <= 1.000001
    assert 0 <= found.top1_agreement <= 1
    assert found.max_abs_error >= 0


def test_a_tflite_files_logits_come_from_bytes_and_from_a_path(tmp_path: Path) -> None:
    data = float_net().to_bytes()
    (tmp_path / "model.tflite").write_bytes(data)
    feeds: list[Any] = images(3)
    of_bytes, of_path = parity.logits(data, feeds), parity.logits(tmp_path / "model.tflite", feeds)
    assert of_bytes.shape == (3, 5)
    assert of_bytes.dtype == np.float32
    np.testing.assert_array_equal(of_bytes, of_path)


def test_an_onnx_files_logits_are_what_enters_its_softmax(tmp_path: Path) -> None:
    model = classifier()
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    feeds: list[Any] = images(3)
    logits = parity.logits(str(tmp_path / "model.onnx"), feeds)
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    softmax = powers / powers.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(softmax, run(model, feeds), atol=1e-6)
    assert np.abs(logits.sum(axis=1) - 1).min() > 1e-3  # not the softmax itself
