"""Whether budgets hold: noise, void measurements, emulators."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sample_benches import EMULATED, TRUSTED, result
from sample_results import PARITY

from edgecnn.benchmark.budgets import Budgets, check_files, check_result, p90_interval
from edgecnn.benchmark.files import BenchFile
from edgecnn.benchmark.report import BudgetCheck, CheckReport
from edgecnn.measurements import BenchResult, DeviceFailure, Trust

FILE = BenchFile(Path("model.tflite"), "model.tflite", "tflite", "ab" * 32, 6_000_000, "x", "int8",
                 PARITY)  # fmt: skip
VOID = Trust("void", ("other programs took 40% of the CPU",))


def of_files(file: BenchFile = FILE, **budgets: Any) -> BudgetCheck:  # noqa: ANN401 - any budget
    (check,) = check_files(Budgets(**budgets), [file])
    return check


def of_result(measured: BenchResult, **budgets: Any) -> BudgetCheck:  # noqa: ANN401 - likewise
    return next(check_result(Budgets(**budgets), measured))


@pytest.mark.parametrize(("limit", "outcome"), [(6_000_000, "holds"), (5_999_999, "broken")])
def test_size(limit: int, outcome: str) -> None:
    assert of_files(size_bytes=limit).outcome == outcome


@pytest.mark.parametrize(("limit", "outcome"), [(24.31, "holds"), (24.32, "broken")])
def test_snr(limit: float, outcome: str) -> None:
    assert of_files(snr_db=limit).outcome == outcome


def test_identical_logits_keep_any_snr() -> None:
    exact = replace(FILE, parity=replace(PARITY, snr_db=None))
    assert of_files(exact, snr_db=500.0).outcome == "holds"


def test_a_file_without_a_manifest_leaves_snr_undecided() -> None:
    assert of_files(replace(FILE, parity=None), snr_db=20.0).outcome == "undecided"


def test_nothing_is_checked_that_is_not_asked() -> None:
    assert list(check_files(Budgets(), [FILE])) == []
    assert not Budgets().any
    assert Budgets(snr_db=1.0).any
    assert not Budgets(snr_db=1.0).measured
    assert list(check_result(Budgets(), result(outputs_match=None))) == []


# TRUSTED has samples of 38.00 to 38.09 ms; a process more or less is 1%.
@pytest.mark.parametrize(("limit", "outcome"), [(40.0, "holds"), (36.0, "broken")])
def test_latency_outside_the_noise(limit: float, outcome: str) -> None:
    check = of_result(TRUSTED, p90_ms=limit)
    assert (check.outcome, check.warning) == (outcome, "")
    assert (check.target, check.threads, check.found) == (TRUSTED.target, 4, 38.09)


@pytest.mark.parametrize("limit", [38.3, 37.9])
def test_a_latency_budget_within_the_noise_holds_with_a_warning(limit: float) -> None:
    check = of_result(TRUSTED, p90_ms=limit)
    assert check.outcome == "holds"
    assert "within the noise" in check.warning


def test_a_void_measurement_cannot_break_a_budget_by_its_slow_runs() -> None:
    slow = (*TRUSTED.samples_ms[:50], *(each * 3 for each in TRUSTED.samples_ms[50:]))
    latency = replace(TRUSTED.latency_ms, p90=114.0)
    check = of_result(result(samples_ms=slow, latency_ms=latency, trust=VOID), p90_ms=40.0)
    assert check.outcome == "undecided"
    assert "other programs" in check.reason


def test_a_void_measurement_breaks_a_budget_that_even_the_fastest_run_breaks() -> None:
    check = of_result(result(trust=VOID), p90_ms=30.0)
    assert check.outcome == "broken"
    assert "fastest run took 38" in check.reason


def test_a_void_measurement_that_keeps_the_budget_holds_with_a_warning() -> None:
    check = of_result(result(trust=VOID), p90_ms=50.0)
    assert check.outcome == "holds"
    assert "invalid" in check.warning


@pytest.mark.parametrize("limit", [0.001, 1e6])
def test_an_emulated_device_never_decides_a_latency(limit: float) -> None:
    check = of_result(EMULATED, p90_ms=limit)
    assert (check.outcome, check.found) == ("undecided", None)


@pytest.mark.parametrize(("limit", "outcome"), [(71_000_000, "holds"), (70_999_999, "broken")])
def test_memory(limit: int, outcome: str) -> None:
    assert of_result(TRUSTED, memory_bytes=limit).outcome == outcome


@pytest.mark.parametrize(("limit", "outcome"), [(71_000_000, "holds"), (70_999_999, "undecided")])
def test_memory_of_an_emulated_device_is_an_upper_bound(limit: int, outcome: str) -> None:
    check = of_result(EMULATED, memory_bytes=limit)
    assert check.outcome == outcome
    assert "emulator's own memory" in check.warning


@pytest.mark.parametrize(("match", "outcome"), [(True, "holds"), (False, "broken")])
def test_a_device_must_compute_what_this_machine_computes(match: bool, outcome: str) -> None:  # noqa: FBT001 - a parameter
    *_, check = check_result(Budgets(size_bytes=1), result(outputs_match=match))
    assert (check.budget, check.outcome) == ("outputs", outcome)


def test_a_runtime_without_samples_tells_between_what_p90_lies() -> None:
    latency = replace(TRUSTED.latency_ms, p50=30.0, p90=40.0)
    bare = result(samples_ms=(), latency_ms=latency)
    outcomes = [of_result(bare, p90_ms=limit).outcome for limit in (41.0, 35.0, 29.0)]
    assert outcomes == ["holds", "holds", "broken"]


def test_a_report_is_broken_or_undecided_by_its_worst_part() -> None:
    holds = of_files(size_bytes=10**9)
    broken = of_files(size_bytes=1)
    unknown = of_result(EMULATED, p90_ms=1.0)
    assert not CheckReport((holds,)).broken
    assert not CheckReport((holds,)).undecided
    assert CheckReport((holds, broken)).broken
    assert CheckReport((holds, unknown)).undecided
    assert CheckReport((holds,), failures=(DeviceFailure("local", "gone", ""),)).undecided


@given(st.lists(st.floats(min_value=0.01, max_value=1e5), min_size=1, max_size=300))
def test_the_interval_holds_the_p90_it_is_of(samples: list[float]) -> None:
    low, high = p90_interval(samples)
    assert low <= np.percentile(samples, 90) * (1 + 1e-9)
    assert high >= np.percentile(samples, 90) * (1 - 1e-9)


def test_more_samples_narrow_the_interval_and_slow_stretches_widen_it() -> None:
    random = np.random.default_rng(0)
    few = list(random.lognormal(0, 0.3, 64))
    many = list(random.lognormal(0, 0.3, 6400))
    stretches = [each * (2 if i // 640 % 2 else 1) for i, each in enumerate(many)]

    def width(samples: list[float]) -> float:
        low, high = p90_interval(samples)
        return high / low

    assert width(many) < width(few)
    assert width(many) < width(stretches)


def test_the_interval_covers_the_true_p90_of_dependent_samples() -> None:
    # A first-order autoregressive series of known distribution: N(0, 1), correlation 0.9.
    random = np.random.default_rng(1)
    covered = 0
    for _ in range(200):
        series = np.empty(2000)
        series[0] = random.standard_normal()
        noise = random.standard_normal(2000) * np.sqrt(1 - 0.9**2)
        for i in range(1, len(series)):
            series[i] = 0.9 * series[i - 1] + noise[i]
        low, high = p90_interval(list(np.exp(series)), repeats=3)
        covered += low <= np.exp(1.2815515655446004) <= high
    assert covered >= 175  # 95% of 200 is 190
