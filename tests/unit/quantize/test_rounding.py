"""Adaptive rounding: never worse than nearest on the whole, and always int8."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecnn.quantize.rounding import gptq, gptq_by_row, nearest, symmetric_scale

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.floating]


def covariance_of(random: np.random.Generator, inputs: int, mixing: float = 1.0) -> Floats:
    """Of correlated inputs, some much louder than others."""
    mixed = np.eye(inputs) + mixing * random.standard_normal((inputs, inputs))
    loudness = np.exp(random.standard_normal(inputs))
    samples = random.standard_normal((4 * inputs, inputs)) @ mixed * loudness
    return np.cov(samples, rowvar=False).reshape(inputs, inputs).astype(np.float32)


def layer_error(
    weights: Floats, scale: Floats, chosen: NDArray[np.int8], covariance: Floats
) -> Floats:
    """Each output's dW C dW^T."""
    wrong = chosen * scale[:, None] - weights
    error: Floats = np.einsum("oi,ij,oj->o", wrong, covariance.astype(np.float64), wrong)
    return error


def draw_weights(random: np.random.Generator, outputs: int, inputs: int) -> Floats:
    return random.standard_normal((outputs, inputs)).astype(np.float32)


@given(st.integers(0, 2**16), st.integers(1, 6), st.integers(1, 90))
@settings(max_examples=60)
def test_nearest_is_within_half_a_step_and_uses_the_whole_range(
    seed: int, outputs: int, inputs: int
) -> None:
    weights = draw_weights(np.random.default_rng(seed), outputs, inputs)
    scale = symmetric_scale(weights)
    chosen = nearest(weights, scale)
    assert chosen.dtype == np.int8
    assert (np.abs(chosen.astype(int)).max(axis=1) == 127).all()
    assert (np.abs(chosen * scale[:, None] - weights) <= scale[:, None] * 0.5001).all()


def test_a_row_of_zeros_has_a_scale_and_stays_zero() -> None:
    weights = np.zeros((2, 3), np.float32)
    weights[1] = [1, -2, 0.5]
    scale = symmetric_scale(weights)
    np.testing.assert_allclose(scale, [1, 2 / 127])
    assert not gptq(weights, scale, np.eye(3, dtype=np.float32))[0].any()


@given(st.integers(0, 2**16), st.integers(1, 6), st.integers(1, 90), st.floats(1e-6, 1e6))
@settings(max_examples=60)
def test_adaptive_is_int8_and_does_not_care_for_units(
    seed: int, outputs: int, inputs: int, loudness: float
) -> None:
    random = np.random.default_rng(seed)
    weights = draw_weights(random, outputs, inputs)
    scale = symmetric_scale(weights)
    covariance = covariance_of(random, inputs)
    chosen = gptq(weights, scale, covariance)
    assert chosen.shape == weights.shape
    assert chosen.dtype == np.int8
    assert chosen.min() >= -127
    louder = gptq(weights, scale, covariance * np.float32(loudness))
    # Another unit rounds differently in single precision, and a tie may fall the other way.
    assert (louder == chosen).mean() > 0.5
    assert np.abs(louder.astype(int) - chosen).max() < 30


def test_what_does_not_fit_is_cut_off_and_does_not_wrap_around() -> None:
    weights = draw_weights(np.random.default_rng(0), 4, 40)
    scale = symmetric_scale(weights) * 0.3
    chosen = gptq(weights, scale, np.eye(40, dtype=np.float32))
    np.testing.assert_array_equal(chosen, nearest(weights, scale))
    each = gptq_by_row(weights, scale, np.tile(np.eye(40), (4, 1, 1)))
    np.testing.assert_array_equal(each, nearest(weights, scale))
    assert (np.abs(chosen.astype(int)) == 127).sum() > 4


@pytest.mark.parametrize("inputs", [4, 31, 32, 33, 100])
def test_adaptive_is_better_than_nearest_on_correlated_inputs(inputs: int) -> None:
    random = np.random.default_rng(inputs)
    weights = draw_weights(random, 64, inputs)
    scale = symmetric_scale(weights)
    covariance = covariance_of(random, inputs)
    better = layer_error(weights, scale, gptq(weights, scale, covariance), covariance)
    worse = layer_error(weights, scale, nearest(weights, scale), covariance)
    assert better.mean() < worse.mean() * (0.97 if inputs == 4 else 0.8)


@given(st.integers(0, 2**16), st.integers(2, 70), st.sampled_from([0.0, 0.3, 1.0]))
@settings(max_examples=40)
def test_adaptive_is_no_worse_than_nearest_on_average(
    seed: int, inputs: int, mixing: float
) -> None:
    random = np.random.default_rng(seed)
    weights = draw_weights(random, 128, inputs)
    scale = symmetric_scale(weights)
    covariance = covariance_of(random, inputs, mixing)
    better = layer_error(weights, scale, gptq(weights, scale, covariance), covariance)
    worse = layer_error(weights, scale, nearest(weights, scale), covariance)
    assert better.mean() <= worse.mean() * 1.02


def test_independent_inputs_are_rounded_to_nearest() -> None:
    random = np.random.default_rng(0)
    weights = draw_weights(random, 5, 40)
    scale = symmetric_scale(weights)
    covariance = np.diag(random.uniform(0.5, 2, 40)).astype(np.float32)
    np.testing.assert_array_equal(gptq(weights, scale, covariance), nearest(weights, scale))


def test_inputs_that_never_vary_are_rounded_to_nearest() -> None:
    weights = draw_weights(np.random.default_rng(0), 5, 8)
    scale = symmetric_scale(weights)
    still = np.zeros((8, 8), np.float32)
    np.testing.assert_array_equal(gptq(weights, scale, still), nearest(weights, scale))
    each = gptq_by_row(weights, scale, np.zeros((5, 8, 8), np.float32))
    np.testing.assert_array_equal(each, nearest(weights, scale))


def test_fewer_images_than_inputs_leave_a_singular_covariance_that_is_taken() -> None:
    random = np.random.default_rng(0)
    samples = random.standard_normal((3, 60))
    covariance = (samples.T @ samples / 3).astype(np.float32)
    weights = draw_weights(random, 32, 60)
    scale = symmetric_scale(weights)
    better = layer_error(weights, scale, gptq(weights, scale, covariance), covariance)
    worse = layer_error(weights, scale, nearest(weights, scale), covariance)
    assert better.mean() < worse.mean() / 2


@given(st.integers(0, 2**16), st.integers(2, 9))
@settings(max_examples=30)
def test_each_row_with_its_own_covariance_is_no_worse_than_nearest(seed: int, taps: int) -> None:
    random = np.random.default_rng(seed)
    channels = 128
    weights = draw_weights(random, channels, taps)
    scale = symmetric_scale(weights)
    covariances = np.stack([covariance_of(random, taps) for _ in range(channels)])
    chosen = gptq_by_row(weights, scale, covariances)
    assert chosen.dtype == np.int8
    assert chosen.min() >= -127
    errors = {
        name: np.mean([
            layer_error(weights[i : i + 1], scale[i : i + 1], rows[i : i + 1], covariances[i])
            for i in range(channels)
        ])
        for name, rows in (("adaptive", chosen), ("nearest", nearest(weights, scale)))
    }  # fmt: skip
    assert errors["adaptive"] <= errors["nearest"] * 1.02


def test_each_row_equals_adaptive_of_that_row_where_the_order_is_the_same() -> None:
    random = np.random.default_rng(3)
    weights = draw_weights(random, 40, 9)
    scale = symmetric_scale(weights)
    covariances = []
    for _ in range(40):  # loudest tap first: the order `gptq` would take
        found = covariance_of(random, 9)
        order = np.argsort(-np.diag(found), kind="stable")
        covariances.append(found[np.ix_(order, order)])
    each = gptq_by_row(weights, scale, np.stack(covariances))
    rows = [
        gptq(weights[i : i + 1], scale[i : i + 1], found)[0] for i, found in enumerate(covariances)
    ]
    # One computes in double precision, the other in single: a tie may fall either way.
    assert (each == np.stack(rows)).mean() > 0.99
