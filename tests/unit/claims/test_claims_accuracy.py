"""Twins: Welch's interval against a margin of one point."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import sample_experiments as sample
from hypothesis import given
from hypothesis import strategies as st

from edgecnn.claims import accuracy, statistics
from edgecnn.evidence.files import Evidence
from edgecnn.evidence.records import RecipeRun, TwinRun, Twins

if TYPE_CHECKING:
    from edgecnn.evidence.records import Convolution, Match

SPREAD = (-0.001, 0.0, 0.001)


def runs(match: Match, centre: float, offsets: tuple[float, ...] = SPREAD) -> list[TwinRun]:
    return [
        TwinRun(
            "xception-mini", "separable" if match == "itself" else "normal", match, 0.5, 28, seed,
            100_000, 10_000_000, 12_000, 4, 10_000, centre + offset, 60.0,
        )
        for seed, offset in enumerate(offsets)
    ]  # fmt: skip


def evidence(*groups: list[TwinRun], recipes: tuple[RecipeRun, ...] = ()) -> Evidence:
    flat = tuple(each for group in groups for each in group)
    return Evidence(twins=Twins(sample.header("twins"), "Fashion-MNIST", flat, recipes))


def test_welch_is_the_textbooks() -> None:
    # (1, 2, 3) and (2, 4, 6): means 2 and 4, variances 1 and 4, so 2.94 degrees, taken as 2.
    found = statistics.welch((1, 2, 3), (2, 4, 6))
    half = 2.920 * math.sqrt(1 / 3 + 4 / 3)
    assert found.mean == pytest.approx(-2)
    assert (found.low, found.high) == pytest.approx((-2 - half, -2 + half))


@pytest.mark.parametrize(
    ("difference", "outcome"),
    [(0.0, "holds"), (-0.003, "holds"), (0.05, "holds"), (-0.05, "fails"),
     (-0.0099, "not testable here")],
)  # fmt: skip
def test_the_difference_decides(difference: float, outcome: str) -> None:
    found = accuracy.judge(evidence(runs("itself", 0.9 + difference), runs("equal widths", 0.9)))
    assert found.outcome == outcome


def test_one_twin_of_two_is_a_condition() -> None:
    found = accuracy.judge(
        evidence(runs("itself", 0.9), runs("equal widths", 0.95), runs("equal parameters", 0.9))
    )
    assert found.outcome == "holds with conditions"
    assert "worse by more than 1 point" in found.conditions[0]
    assert "equal widths" in found.conditions[0]


def test_what_is_not_decided_says_what_is_ruled_out_and_what_would_decide() -> None:
    ours, normal = runs("itself", 0.8905, (-0.004, 0.0, 0.004)), runs("equal widths", 0.9)
    found = accuracy.judge(evidence(ours, normal, runs("equal parameters", 0.85)))
    one, other = ([run.accuracy for run in group] for group in (ours, normal))
    low = -100 * statistics.welch(one, other).low
    ten = -100 * statistics.foreseen(one, other, 10).low
    assert 0.95 < ten < low
    (condition,) = found.conditions
    assert f"a loss of more than {low:.2f} points is ruled out" in condition
    assert f"10 seeds of this spread would rule out more than {ten:.2f}" in condition
    assert found.headline == (
        "Partly: with separable convolutions it is as accurate as xception-mini's twin of equal"
        " parameters; not decided against xception-mini's twin of equal widths."
    )
    assert any("has 90.0% in float" in each for each in found.caveats)


@given(
    gap=st.floats(-0.03, 0.03), spread=st.floats(0.0005, 0.02), seeds=st.integers(2, 60)
)  # fmt: skip
def test_the_seeds_that_decide_are_the_fewest(gap: float, spread: float, seeds: int) -> None:
    ours = [0.9 + gap + offset for offset in (-spread, 0, spread)]
    theirs = [0.9 + offset for offset in (-spread, 0, spread)]
    fewest = statistics.seeds_to_decide(ours, theirs, 0.01)
    standing = statistics.foreseen(ours, theirs, seeds).standing(0.01)
    decided = standing not in {"undecided", "no better"}
    if fewest is None or seeds < fewest:
        assert not decided
    elif seeds == fewest:
        assert decided


def test_as_many_seeds_foreseen_as_there_are_is_the_difference_itself() -> None:
    ours, theirs = (0.80, 0.81, 0.805), (0.82, 0.81, 0.83)
    assert statistics.foreseen(ours, theirs, 3) == statistics.welch(ours, theirs)


@given(low=st.floats(-0.2, 0.2), more=st.floats(0, 0.2))
def test_more_accuracy_is_never_judged_worse(low: float, more: float) -> None:
    goodness = {"fails": 0, "not testable here": 1, "holds with conditions": 2, "holds": 3}
    normal = runs("equal widths", 0.5)
    before = accuracy.judge(evidence(runs("itself", 0.5 + low), normal))
    after = accuracy.judge(evidence(runs("itself", 0.5 + low + more), normal))
    assert goodness[after.outcome] >= goodness[before.outcome]


def test_a_wide_spread_decides_nothing() -> None:
    wide = (-0.05, 0.0, 0.05)
    found = accuracy.judge(evidence(runs("itself", 0.9, wide), runs("equal widths", 0.9, wide)))
    assert found.outcome == "not testable here"
    assert any("More seeds" in each for each in found.caveats)


def test_one_seed_is_not_enough() -> None:
    found = accuracy.judge(evidence(runs("itself", 0.9)[:1], runs("equal widths", 0.9)))
    assert found.outcome == "not testable here"
    assert accuracy.judge(Evidence()).outcome == "not testable here"


def recipe(match: Match, name: str, loss: float) -> RecipeRun:
    convolution: Convolution = "separable" if match == "itself" else "normal"
    return RecipeRun("xception-mini", convolution, match, 0, name, 0.9 - loss, 0.9, 10_000, 20.0,
                     100_000, 1.0)  # fmt: skip


def test_what_quantization_costs_is_told_and_counts() -> None:
    twins = (runs("itself", 0.9), runs("equal widths", 0.9))
    alike = (recipe("itself", "int8", 0.004), recipe("equal widths", "int8", 0.002))
    found = accuracy.judge(evidence(*twins, recipes=alike))
    assert found.outcome == "holds"
    costs = {detail.label: detail.value for detail in found.details}
    assert costs["xception-mini, separable, int8"] == pytest.approx(-0.4)
    worse = (replace(alike[0], accuracy=0.85), alike[1])
    found = accuracy.judge(evidence(*twins, recipes=worse))
    assert found.outcome == "holds with conditions"
    assert "not in int8" in found.conditions[-1]
