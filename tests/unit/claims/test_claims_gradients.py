"""Gradients by depth: vanished, cured, or nothing to cure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import sample_experiments as sample
from hypothesis import given
from hypothesis import strategies as st

from edgecnn.claims import gradients
from edgecnn.evidence.files import Evidence
from edgecnn.evidence.records import GradientRun, Gradients

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgecnn.claims.record import Verdict
    from edgecnn.evidence.records import GradientKind


def runs(
    kind: GradientKind, change: float, initializer: str = "glorot_uniform", **more: float
) -> list[GradientRun]:
    return [
        GradientRun(kind, depth, initializer, seed, (norm, 1.0), more.get("accuracy"))
        for depth, norm in ((8, 2.0), (20, 2.0), (56, 2.0 * change))
        for seed in (0, 1)
    ]


def evidence(*groups: list[GradientRun]) -> Evidence:
    flat = tuple(each for group in groups for each in group)
    return Evidence(gradients=Gradients(sample.header("gradients"), flat))


def test_gradients_that_vanish_in_every_plain_network() -> None:
    found = gradients.judge_vanishing(evidence(runs("plain", 1e-6)))
    assert found.outcome == "holds"
    assert "a factor of 1e-06 from 8 to 56 layers" in found.summary


def test_an_initializer_can_be_a_condition() -> None:
    found = gradients.judge_vanishing(
        evidence(runs("plain", 1e-6), runs("plain", 0.5, "he_normal"))
    )
    assert found.outcome == "holds with conditions"
    assert found.conditions == ("with kernels from glorot_uniform; not from he_normal",)


@given(change=st.floats(0, 1e6))
def test_the_threshold_decides(change: float) -> None:
    found = gradients.judge_vanishing(evidence(runs("plain", change)))
    # Geometric means round in the last digit.
    if change < gradients.VANISHED * 0.999:
        assert found.outcome == "holds"
    elif change > gradients.VANISHED * 1.001:
        assert found.outcome == "fails"


@given(change=st.floats(0, 1e6))
def test_a_cure_does_not_vanish_and_an_explosion_is_a_condition(change: float) -> None:
    found = gradients.judge_residual(evidence(runs("plain", 1e-9), runs("residual", change)))
    if gradients.VANISHED * 1.001 < change < gradients.EXPLODED * 0.999:
        assert found.outcome == "holds"
    elif change < gradients.VANISHED * 0.999:
        assert found.outcome == "fails"
    elif change > gradients.EXPLODED * 1.001:
        assert found.outcome == "holds with conditions"


def test_where_nothing_vanishes_there_is_nothing_to_cure() -> None:
    found = gradients.judge_residual(evidence(runs("plain", 0.9), runs("residual", 0.9)))
    assert found.outcome == "not testable here"
    assert "nothing to cure" in found.summary


def test_a_cure_that_learns_no_better_is_one_with_conditions() -> None:
    plain, same = runs("plain", 1e-6, accuracy=0.3), runs("residual", 1.0, accuracy=0.3)
    found = gradients.judge_residual(evidence(plain, same))
    assert found.outcome == "holds with conditions"
    assert "learn no better" in found.conditions[0]
    better = gradients.judge_residual(evidence(plain, runs("residual", 1.0, accuracy=0.8)))
    assert better.outcome == "holds"
    assert "30.0%" in better.summary
    assert "80.0%" in better.summary


def test_batch_normalization_is_judged_by_its_own_networks() -> None:
    plain = runs("plain", 1e-6)
    only = evidence(plain, runs("residual", 1.0))
    assert gradients.judge_batch_norm(only).outcome == "not testable here"
    grown = gradients.judge_batch_norm(evidence(plain, runs("plain + batch norm", 1e4)))
    assert grown.conditions == ("with kernels from glorot_uniform it grows 10,000-fold instead",)
    gone = gradients.judge_batch_norm(evidence(plain, runs("plain + batch norm", 1e-4)))
    assert gone.outcome == "fails"
    kept = gradients.judge_batch_norm(evidence(plain, runs("plain + batch norm", 3.0)))
    assert kept.outcome == "holds"


@pytest.mark.parametrize(
    "judge", [gradients.judge_vanishing, gradients.judge_residual, gradients.judge_batch_norm]
)
def test_one_depth_or_no_record_is_not_testable(
    judge: Callable[[Evidence], Verdict],
) -> None:
    one_depth = [GradientRun("plain", 8, "he_normal", 0, (1.0,))]
    for lacking in (Evidence(), evidence(), evidence(one_depth)):
        found = judge(lacking)
        assert found.outcome == "not testable here"
        assert "tools/experiment_gradients.py" in found.summary
