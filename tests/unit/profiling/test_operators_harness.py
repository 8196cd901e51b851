"""What the comparison with litert-benchmark concludes from what it measured."""

from __future__ import annotations

import math

import pytest
from compare_harness import CONTROL, RUNNER, SAME_API, THEIRS, Result, Run, targets, watched


def result(ours: float, *, quiet: bool = True) -> Result:
    others = 0.0 if quiet else 0.5
    runs = [Run(ours, others), Run(ours * 2, 0.4), Run(ours, others)]
    theirs = [Run(10.0, 0.0), Run(40.0, 0.3), Run(10.0, 0.01)]
    return Result(
        "a/net.tflite", 2, {RUNNER: runs, THEIRS: theirs, SAME_API: theirs, CONTROL: theirs}
    )


@pytest.mark.parametrize(
    ("ours", "met"), [(10.0, True), (10.19, True), (10.21, False), (9.81, True), (9.79, False)]
)
def test_the_runner_must_be_within_two_percent_on_either_side(ours: float, *, met: bool) -> None:
    mine, same_api = targets(result(ours))
    assert mine.met is met
    assert same_api.met


def test_disturbed_runs_do_not_count() -> None:
    found = result(10.0)
    assert found.median_ms(RUNNER) == 10.0
    assert found.least_runs() == 2


def test_a_machine_that_is_never_quiet_meets_no_target() -> None:
    found = result(10.0, quiet=False)
    assert math.isnan(found.ratio(RUNNER))
    assert not targets(found)[0].met


def test_what_we_take_ourselves_disturbs_nobody() -> None:
    run = watched(lambda: float(sum(range(300_000))))
    assert run.median_ms == sum(range(300_000))
    assert 0 <= run.others_share <= 1
