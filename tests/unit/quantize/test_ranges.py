"""Ranges: zero inside, nothing invented, and mse the best it can find under its own metric."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edgecnn.calibration.statistics import TensorStatistics
from edgecnn.quantize.ranges import METHODS, Chooser, choose, of_vector, reached, with_margin

CLIPPING_WEIGHT = 32


def statistics_of(sample: np.ndarray[tuple[int, int], np.dtype[np.float32]]) -> TensorStatistics:
    return TensorStatistics(sample.min(axis=0)[None], sample.max(axis=0)[None], sample)


samples = hnp.arrays(
    np.float32,
    st.tuples(st.integers(1, 40), st.integers(1, 4)),
    elements=st.one_of(
        st.floats(-10, 10, width=32),
        st.floats(width=32, allow_nan=False, allow_infinity=False),
        st.just(0.0),
    ),
).map(statistics_of)


@given(samples, st.sampled_from(sorted(METHODS)))
def test_zero_is_inside_and_nothing_beyond_what_was_seen(
    found: TensorStatistics, method: str
) -> None:
    low, high = METHODS[method](found)
    assert low <= 0 <= high
    seen_low, seen_high = METHODS["minmax"](found)
    # What is no power of two cannot be halved between bins without a rounding in the last digit.
    assert low >= seen_low * (1 + 1e-6)
    assert high <= seen_high * (1 + 1e-6)


@given(samples)
def test_minmax_holds_every_value(found: TensorStatistics) -> None:
    low, high = METHODS["minmax"](found)
    assert (found.sample >= low).all()
    assert (found.sample <= high).all()


def measured_error(found: TensorStatistics, low: float, high: float) -> float:
    """What `mse` says it minimizes, on the values themselves rather than a histogram."""
    values = found.sample[found.sample != 0].astype(np.float64)
    beyond = values - np.clip(values, low, high)
    inside = ((high - low) / 255) ** 2 / 12
    return float(np.where(beyond == 0, inside, CLIPPING_WEIGHT * beyond**2).sum())


@given(st.integers(0, 2**16), st.sampled_from(["normal", "laplace", "relu", "outlier"]))
def test_mse_is_no_worse_than_minmax_under_its_own_metric(seed: int, shape: str) -> None:
    random = np.random.default_rng(seed)
    values = random.standard_normal((500, 4)).astype(np.float32)
    if shape == "laplace":
        values = random.laplace(size=(500, 4)).astype(np.float32)
    if shape == "relu":
        values = np.maximum(values, 0)
    if shape == "outlier":
        values[7, 2] = 300
    found = statistics_of(values)
    mse, minmax = METHODS["mse"](found), METHODS["minmax"](found)
    # A histogram's bins are a 2048th of the range wide.
    assert measured_error(found, *mse) <= measured_error(found, *minmax) * 1.01
    assert mse[1] <= minmax[1]


@pytest.mark.parametrize(("count", "cut"), [(10_000, False), (3_000_000, True)])
def test_mse_cuts_off_a_lonely_outlier_only_where_that_pays(count: int, cut: bool) -> None:  # noqa: FBT001 - a parameter
    values = np.random.default_rng(0).uniform(-3, 3, (count, 1)).astype(np.float32)
    values[0, 0] = 12
    low, high = METHODS["mse"](statistics_of(values))
    assert low == pytest.approx(-3, abs=0.2)
    assert (high < 11) == cut


def test_percentile_leaves_out_one_value_in_ten_thousand_at_each_end() -> None:
    values = np.linspace(-1, 1, 100_001, dtype=np.float32).reshape(-1, 1)
    low, high = METHODS["percentile"](statistics_of(values))
    assert low == pytest.approx(-0.9998, abs=1e-6)
    assert high == pytest.approx(0.9998, abs=1e-6)


@pytest.mark.parametrize("method", sorted(METHODS))
@pytest.mark.parametrize("value", [0.0, 1e-42, -1e-42])
def test_a_tensor_without_width_gets_a_range_that_has_a_scale(method: str, value: float) -> None:
    found = statistics_of(np.full((10, 2), value, np.float32))
    assert choose({"a": found}, method) == {"a": (0.0, 1.0)}
    assert with_margin(found) == (0.0, 1.0)


@pytest.mark.parametrize(("method", "outside"), [("minmax", 0.0), ("percentile", 1e-4)])
def test_choose_gives_every_tensor_its_own_range(method: str, outside: float) -> None:
    """And positive numbers one that begins at zero, which every scale must be able to say."""
    evenly = {"a": (-1.0, 1.0), "b": (-3.0, 6.0), "c": (1.0, 2.0)}
    known = {name: statistics_of(np.linspace(*ends, 100_001, dtype=np.float32).reshape(-1, 1))
             for name, ends in evenly.items()}  # fmt: skip
    found = choose(known, method)
    assert list(found) == list(evenly)
    for name, (low, high) in evenly.items():
        cut = outside * (high - low)
        assert found[name] == pytest.approx((min(low + cut, 0), high - cut), abs=1e-5)


def test_the_logits_get_a_margin_on_both_sides() -> None:
    found = statistics_of(np.array([[-2, 1], [4, 0]], np.float32))
    assert with_margin(found) == pytest.approx((-2.1, 4.2))


def test_few_images_tell_how_far_others_reach() -> None:
    rng = np.random.default_rng(0)
    highs = rng.gumbel(5.0, 1.0, 1000).astype(np.float32)
    few = TensorStatistics(np.zeros((8, 1), np.float32), highs[:8, None], highs[:8, None])
    low, high = reached(few)
    assert low == 0
    assert high > few.maximum
    assert (highs > high).mean() < 0.02
    assert (highs > few.maximum).mean() > 4 * (highs > high).mean()
    assert with_margin(few) == (0, high)


def test_what_is_always_the_same_is_not_stretched() -> None:
    full = np.full((8, 1), 6, np.float32)
    assert reached(TensorStatistics(full * 0, full, full)) == (0, 6)
    one = TensorStatistics(full[:1] * 0, full[:1], full)
    assert reached(one) == (0, 6)


def test_a_wide_range_ends_where_no_value_can_be() -> None:
    highs = np.array([[2], [4], [6]], np.float32)
    known = {"x": TensorStatistics(highs * 0, highs, highs)}
    assert choose(known, "minmax")["x"] == (0, 6)
    chooser = Chooser(known)
    assert chooser.choose("minmax", wide=True)["x"][1] > 7
    assert chooser.choose("minmax", wide=True, largest={"x": 6.0})["x"] == (0, 6)


def test_averages_get_the_tails_that_a_few_runs_do_not_show() -> None:
    rows = np.random.default_rng(0).normal(0, 1, (60, 8)).astype(np.float32)
    limits = float(rows.min()), float(rows.max())
    low, high = of_vector(limits, rows)
    assert -5 < low < limits[0]
    assert 5 > high > limits[1]
    gates = np.clip(rows, 0, 1)
    assert of_vector((0.0, 1.0), gates) == (0.0, 1.0)
    relu = np.maximum(rows, 0)
    assert of_vector((0.0, limits[1]), relu)[0] == 0
    assert of_vector((0.0, 1.0), rows[:1]) == (0.0, 1.0)
