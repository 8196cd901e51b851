"""Percentiles, ratios whose interval keeps its promise, and throttling in a timeline."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecnn.benchmark import statistics
from edgecnn.errors import InputError
from edgecnn.measurements import DeviceState, Interval

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

MILLISECONDS = st.floats(1e-3, 1e5)
SAMPLES = st.lists(MILLISECONDS, min_size=1, max_size=60)
LONG = st.lists(MILLISECONDS, min_size=20, max_size=60)


# --- Percentiles --------------------------------------------------------------


@given(SAMPLES)
def test_percentiles_are_in_order(samples: list[float]) -> None:
    found = statistics.latency(samples)
    assert found.min <= found.p50 <= found.p90 <= found.p99 <= max(samples)
    assert found.min <= found.mean <= max(samples)


@given(SAMPLES, st.randoms(use_true_random=False))
def test_latency_does_not_depend_on_the_order(samples: list[float], random: Any) -> None:  # noqa: ANN401 - hypothesis's Random
    shuffled = list(samples)
    random.shuffle(shuffled)
    assert statistics.latency(shuffled) == statistics.latency(samples)


@given(SAMPLES)
def test_a_slow_run_is_not_left_out(samples: list[float]) -> None:
    slow = [*samples, 1e7]
    assert statistics.latency(slow).mean >= 1e7 / len(slow)
    assert statistics.latency(slow).p99 >= statistics.latency(samples).p99


def test_known_percentiles() -> None:
    found = statistics.latency([float(value) for value in range(101)])
    assert (found.min, found.mean, found.p50, found.p90, found.p99) == (0, 50, 50, 90, 99)


def test_no_samples_are_an_error() -> None:
    with pytest.raises(InputError):
        statistics.latency([])


def test_spread_of_repeats() -> None:
    assert statistics.spread([10.0, 10.4, 10.2]) == pytest.approx(0.04)
    assert statistics.spread([7.0]) == 0
    assert statistics.spread([0.0, 1.0]) == math.inf


# --- Ratios -------------------------------------------------------------------


@given(LONG, LONG)
def test_the_ratio_turns_round(a: list[float], b: list[float]) -> None:
    there, back = statistics.ratio(a, b), statistics.ratio(b, a)
    assert there.value == pytest.approx(1 / back.value)
    assert there.low == pytest.approx(1 / back.high)
    assert there.differ == back.differ


@given(LONG, st.floats(0.5, 2))
def test_a_set_scaled_has_that_ratio(samples: list[float], factor: float) -> None:
    found = statistics.ratio(samples, [factor * sample for sample in samples], process_effect=0)
    assert found.value == pytest.approx(factor)
    assert found.low <= found.value <= found.high


@given(LONG)
def test_a_set_does_not_differ_from_itself(samples: list[float]) -> None:
    found = statistics.ratio(samples, samples)
    assert found.value == pytest.approx(1)
    assert not found.differ


@given(LONG, LONG)
def test_the_interval_is_finite_and_holds_the_ratio(a: list[float], b: list[float]) -> None:
    found = statistics.ratio(a, b)
    assert 0 < found.low <= found.value <= found.high < math.inf


def test_a_difference_two_processes_of_one_file_have_is_none() -> None:
    samples = [10.0, 10.01] * 100
    slower = [1.007 * sample for sample in samples]
    assert statistics.ratio(samples, slower, process_effect=0).differ
    assert not statistics.ratio(samples, slower).differ


@pytest.mark.parametrize("count", [0, 1, 5])
def test_too_few_samples_give_no_interval(count: int) -> None:
    with pytest.raises(InputError, match="Too few"):
        statistics.ratio([1.0] * count, [1.0] * 100)


def test_times_that_are_none_give_no_interval() -> None:
    with pytest.raises(InputError, match="0 ms"):
        statistics.ratio([0.0] * 10, [1.0] * 10)


def test_repeats_of_unequal_number_give_no_interval() -> None:
    with pytest.raises(InputError):
        statistics.ratio_of_repeats([1.0] * 5, [1.0] * 4)


# --- What the interval promises, on data whose truth is known -----------------

TRIALS = 400
RUNS = 1000
_NOISE = 0.03


def autocorrelated(random: np.random.Generator, correlation: float, count: int) -> NDArray[Any]:
    """A first-order autoregression of standard deviation 1."""
    steps = random.normal(0, math.sqrt(1 - correlation**2), count)
    values = np.empty(count)
    values[0] = random.normal()
    for index in range(1, count):
        values[index] = correlation * values[index - 1] + steps[index]
    return values


def in_turns(random: np.random.Generator, correlation: float, factor: float = 1.0) -> Any:  # noqa: ANN401 - two arrays
    """Two sets that share a drift, each with noise of its own and rare slow runs."""
    drift = 0.1 * np.linspace(0, random.normal(), RUNS)
    sets = []
    for scale in (1.0, factor):
        noise = _NOISE * autocorrelated(random, correlation, RUNS)
        slow = np.where(random.random(RUNS) < 0.02, random.exponential(0.5, RUNS), 0.0)
        sets.append(10 * scale * np.exp(drift + noise + slow))
    return sets


def coverage(make: Callable[[np.random.Generator], tuple[Any, Any]]) -> float:
    """The share of intervals that hold 1, of sets that do not differ."""
    random = np.random.default_rng(0)
    ratios = [statistics.ratio(*make(random), process_effect=0) for _ in range(TRIALS)]
    return sum(not each.differ for each in ratios) / TRIALS


@pytest.mark.parametrize("correlation", [0.0, 0.7, 0.95])
def test_95_of_100_intervals_hold_1_where_nothing_differs(correlation: float) -> None:
    # Three standard errors of a share of 0.95 over 400 trials are 0.033.
    assert coverage(lambda random: in_turns(random, correlation)) == pytest.approx(0.95, abs=0.033)


def test_intervals_that_take_runs_as_independent_break_that_promise() -> None:
    """Why batches are needed: the same data, each run taken as a batch of its own."""
    random = np.random.default_rng(0)
    held = 0
    for _ in range(100):
        a, b = in_turns(random, 0.95)
        logs = np.log(b / a)
        held += abs(logs.mean()) <= 1.96 * logs.std(ddof=1) / math.sqrt(RUNS)
    assert held < 80


def test_sets_of_unequal_number_keep_the_promise() -> None:
    def unequal(random: np.random.Generator) -> tuple[Any, Any]:
        a, b = in_turns(random, 0.7)
        return a, b[::3]

    assert coverage(unequal) == pytest.approx(0.95, abs=0.04)


def test_repeats_keep_the_promise_where_each_process_has_a_pace_of_its_own() -> None:
    random = np.random.default_rng(0)
    draws = np.exp(random.normal(0, 0.01, (TRIALS, 2, 5)))
    held = sum(not statistics.ratio_of_repeats(a, b).differ for a, b in draws)
    assert held / TRIALS == pytest.approx(0.95, abs=0.033)


def test_a_real_difference_is_found() -> None:
    random = np.random.default_rng(0)
    ratios = [statistics.ratio(*in_turns(random, 0.7, factor=1.05)) for _ in range(50)]
    assert sum(each.differ and each.value > 1 for each in ratios) >= 48


# --- Throttling ---------------------------------------------------------------


def timeline(paces: list[float], **states: list[Any]) -> list[Interval]:
    """Intervals of a minute with these medians, and these fields of their states."""
    return [
        Interval(60.0 * i, 100, p50, 1.1 * p50, DeviceState(**{k: v[i] for k, v in states.items()}))
        for i, p50 in enumerate(paces)
    ]


def sustained(paces: list[float], **states: list[Any]) -> statistics.Sustained:
    found = statistics.sustained(timeline(paces, **states))
    assert found is not None
    return found


def test_an_even_pace() -> None:
    found = sustained([10.0, 10.1, 9.9, 10.0, 10.2, 10.1])
    assert (found.onset_s, found.steady_from_s) == (None, 0.0)
    assert found.slowdown == pytest.approx(10.05 / 9.9)


def test_onset_and_the_pace_that_remains() -> None:
    found = sustained([10.0] * 4 + [12.0, 14.0] + [15.0] * 8)
    assert found.onset_s == 240.0
    assert found.steady_from_s == 360.0
    assert found.steady_p50_ms == 15.0
    assert found.steady_p90_ms == pytest.approx(16.5)
    assert found.slowdown == 1.5


def test_one_slow_minute_is_no_throttling() -> None:
    assert sustained([10.0, 10.0, 13.0, 10.0, 10.0, 10.0, 10.0, 10.0]).onset_s is None


def test_slow_growth_is_found_against_the_fastest() -> None:
    assert sustained([10.0 * 1.02**i for i in range(10)]).onset_s == 180.0


def test_no_steady_state_while_it_still_changes() -> None:
    found = sustained([10.0, 12.0, 14.0, 16.0, 18.0, 20.0])
    assert (found.steady_from_s, found.steady_p50_ms, found.slowdown) == (None, None, None)


def test_a_throttle_bit_is_an_onset() -> None:
    assert sustained([10.0] * 6, throttled=[0, 0, 0x60006, 0, 0, 0]).onset_s == 120.0
    assert sustained([10.0] * 6, throttled=[0x50000] * 6).onset_s is None


def test_a_clock_that_falls_is_an_onset() -> None:
    assert sustained([10.0] * 6, clock_mhz=[1800.0] * 3 + [1500.0] * 3).onset_s == 180.0
    assert sustained([10.0] * 6, clock_mhz=[1800.0, 1790.0, 1780.0, None, 0.0, 1800.0]).onset_s in (
        None,
        240.0,
    )


def test_no_timeline_shows_nothing() -> None:
    assert statistics.sustained([]) is None


@given(st.lists(st.floats(1, 100), min_size=1, max_size=40))
def test_any_timeline_has_an_answer(paces: list[float]) -> None:
    found = sustained(paces)
    assert found.onset_s != 0.0
    if found.steady_p50_ms is not None:
        assert found.slowdown is not None
        assert min(paces) <= found.steady_p50_ms <= max(paces)
        assert found.slowdown >= 1
