"""The named plans are what the documents promise, and what the runner does by hand."""

from __future__ import annotations

import pytest

from edgecnn.benchmark.plans import PLANS, plan
from edgecnn.errors import InputError
from edgecnn.runtime import runner


def test_quick() -> None:
    quick = plan("quick")
    assert quick.warmup_s >= 0.5
    assert (quick.min_runs, quick.min_s, quick.repeats) == (64, 1.0, 1)
    assert quick.interval_s is None


def test_publish() -> None:
    publish = plan("publish")
    assert (publish.min_runs, publish.min_s) == (1024, 60.0)
    assert (publish.repeats, publish.agree_within) == (5, 0.05)


def test_sustained() -> None:
    sustained = plan("sustained")
    assert (sustained.min_s, sustained.interval_s, sustained.repeats) == (1800.0, 60.0, 1)


def test_the_runner_by_hand_has_the_same_plans() -> None:
    defaults = {"repeats": 1, "interval_s": None}
    for name, by_hand in runner.PLANS.items():
        for key, value in {**defaults, **by_hand}.items():
            assert getattr(PLANS[name], key) == value
    assert runner.PLANS.keys() == PLANS.keys()


def test_an_unknown_plan_names_those_that_are() -> None:
    with pytest.raises(InputError) as caught:
        plan("fast")
    assert "quick, publish, sustained" in caught.value.hint
