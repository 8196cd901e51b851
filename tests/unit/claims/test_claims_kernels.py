"""Kernels and separable layers: what the counts and the clock decide."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import sample_experiments as sample
from hypothesis import given
from hypothesis import strategies as st

from edgecnn.claims import kernels, separable
from edgecnn.evidence.files import Evidence
from edgecnn.evidence.records import KernelPair, Kernels, Side

if TYPE_CHECKING:
    from edgecnn.claims.record import Outcome

GOODNESS: dict[Outcome, int] = {"fails": 0, "holds with conditions": 1, "holds": 2}


def pair(
    ratio: float,
    low: float | None = None,
    high: float | None = None,
    **more: Any,  # noqa: ANN401 - any field
) -> KernelPair:
    """A 3x3 (36 % of the multiplications) against a 5x5."""
    made = KernelPair(
        group="kernel-size", layer="", size=32, channels=64, filters=64, dtype="int8",
        target="local", threads=1, cheap=Side("3x3", 9_000, 900, ratio),
        costly=Side("5x5", 25_000, 2_500, 1.0), latency_ratio=ratio,
        low_ratio=ratio if low is None else low, high_ratio=ratio if high is None else high,
        provenance="measured",
    )  # fmt: skip
    return replace(made, **more)


def evidence(*pairs: KernelPair) -> Evidence:
    return Evidence(kernels=Kernels(sample.header("kernels"), pairs))


def test_a_kernel_that_is_faster_everywhere_is_cheaper() -> None:
    found = kernels.judge_kernel_size(evidence(pair(0.4), pair(0.5, dtype="float32")))
    assert found.outcome == "holds"
    assert "0.36 of the multiplications" in found.summary
    assert (
        "of the time 0.50 in float32 and 0.40 in int8 (measured; faster in 2 of 2)" in found.summary
    )


def test_a_slower_case_is_a_condition_and_only_slower_ones_are_a_failure() -> None:
    mixed = kernels.judge_kernel_size(evidence(pair(0.4), pair(1.2)))
    assert mixed.outcome == "holds with conditions"
    assert "slower in 1 of 2 measurements" in mixed.conditions[0]
    assert kernels.judge_kernel_size(evidence(pair(1.2))).outcome == "fails"


def test_an_interval_across_one_decides_nothing() -> None:
    found = kernels.judge_kernel_size(evidence(pair(0.98, 0.9, 1.1)))
    assert found.outcome == "holds with conditions"
    assert "no clear difference" in found.conditions[0]


def test_predictions_and_emulators_do_not_decide() -> None:
    predicted = pair(3.0, target="raspberry-pi-5", provenance="predicted")
    predicted = replace(predicted, low_ratio=None, high_ratio=None)
    emulated = pair(5.0, provenance="emulated", target="ssh://pi@localhost")
    found = kernels.judge_kernel_size(evidence(pair(0.4), predicted, emulated))
    assert found.outcome == "holds"
    assert any("Predicted, not measured: 3.00" in each for each in found.caveats)
    assert all(each.provenance != "emulated" for each in found.numbers)
    only = kernels.judge_kernel_size(evidence(predicted))
    assert only.outcome == "holds with conditions"
    assert only.conditions == ("counted only: no time was measured",)


def test_a_third_less_is_not_drastic() -> None:
    third = pair(0.7, group="factorized", cheap=Side("1x3 + 3x1", 6_000, 600, 0.7),
                 costly=Side("3x3", 9_000, 900, 1.0))  # fmt: skip
    assert kernels.judge_factorized(evidence(third)).outcome == "holds with conditions"
    half = replace(third, cheap=Side("1x3 + 3x1", 4_000, 400, 0.4), latency_ratio=0.4,
                   low_ratio=0.4, high_ratio=0.4)  # fmt: skip
    assert kernels.judge_factorized(evidence(half)).outcome == "holds"


def test_what_is_not_recorded_is_not_testable_and_says_the_command() -> None:
    for lacking in (Evidence(), evidence()):
        found = kernels.judge_two_3x3(lacking)
        assert found.outcome == "not testable here"
        assert "python tools/experiment_kernels.py" in found.summary


@given(
    ratios=st.lists(st.floats(0.01, 3), min_size=1, max_size=6),
    shrink=st.floats(0.01, 1),
)
def test_a_faster_kernel_is_never_judged_worse(ratios: list[float], shrink: float) -> None:
    before = kernels.judge_kernel_size(evidence(*map(pair, ratios)))
    after = kernels.judge_kernel_size(evidence(*(pair(each * shrink) for each in ratios)))
    assert GOODNESS[after.outcome] >= GOODNESS[before.outcome]


@given(macs=st.integers(1, 10**9))
def test_a_kernel_that_saves_no_multiplications_fails(macs: int) -> None:
    side = Side("x", macs, 1, 1.0)
    found = kernels.judge_kernel_size(evidence(pair(0.5, cheap=side, costly=side)))
    assert found.outcome == "fails"


def layer(filters: int, ratio: float, **more: Any) -> KernelPair:  # noqa: ANN401 - any field
    """A separable layer of xception whose count is the formula's."""
    channels, size = 128, 19
    separable_weights = channels * (9 + filters)
    normal_weights = 9 * channels * filters
    return pair(
        ratio, group="separable", layer="block4_sepconv1", channels=channels, filters=filters,
        size=size, cheap=Side("separable", size * size * separable_weights, separable_weights, 1.0),
        costly=Side("3x3", size * size * normal_weights, normal_weights, 1.0), **more,
    )  # fmt: skip


def test_count_and_clock_are_both_shown_and_both_decide() -> None:
    both = separable.judge_cost(evidence(layer(728, 0.11)))
    assert both.outcome == "holds"
    counted = separable.judge_cost(evidence(layer(728, 0.3), layer(256, 0.4, dtype="float32")))
    assert counted.outcome == "holds with conditions"
    assert "0.112-0.115" in counted.summary
    assert "0.40 in float32 and 0.30 in int8" in counted.summary
    assert "0.30-0.40, not 1/9, in 2 of 2" in counted.conditions[0]


@given(filters=st.integers(1, 4096))
def test_the_count_holds_from_90_filters_on(filters: int) -> None:
    found = separable.judge_cost(evidence(layer(filters, 0.1)))
    assert found.outcome == ("holds" if filters >= 90 else "fails")


def test_a_count_that_is_not_the_formulas_fails() -> None:
    wrong = layer(728, 0.11)
    wrong = replace(wrong, cheap=replace(wrong.cheap, macs=wrong.cheap.macs * 101 // 100))
    assert separable.judge_cost(evidence(wrong)).outcome == "fails"


def test_the_example_is_counted() -> None:
    example = pair(0.5, group="separable", channels=3, filters=64, cheap=Side("s", 1, 219, 1.0),
                   costly=Side("3x3", 1, 1728, 1.0))  # fmt: skip
    found = separable.judge_example(evidence(example))
    assert found.outcome == "holds"
    assert [each.value for each in found.numbers] == [219, 1728]
    other = replace(example, cheap=Side("s", 1, 283, 1.0))
    assert separable.judge_example(evidence(other)).outcome == "fails"
    assert separable.judge_cost(evidence(example)).outcome == "not testable here"


@pytest.mark.parametrize("judge", [kernels.judge_bottleneck, separable.judge_example])
def test_no_pair_of_the_group_is_not_testable(judge: Any) -> None:  # noqa: ANN401 - any judge
    assert judge(evidence(pair(0.4))).outcome == "not testable here"
