"""What the comparisons conclude from what they measured."""

from __future__ import annotations

import pytest
from compare_latency import BLOCK_RUNS, SITTINGS, Latencies, rounds_within, target


def latencies(model: str, threads: int, ours: float, theirs: float) -> Latencies:
    blocks = {
        "edgecnn": [[ours] * 8] * 3,
        "TFLiteConverter": [[theirs] * 8] * 3,
        "TFLiteConverter again": [[theirs * 1.05] * 8] * 3,
    }
    return Latencies(model, threads, blocks)


@pytest.mark.parametrize(
    ("model", "threads", "ratio", "met"),
    [
        ("xception", 1, 0.70, True),
        ("xception", 1, 0.71, False),
        ("xception", 2, 0.65, False),
        ("vgg", 1, 1.0, True),
        ("vgg", 2, 1.1, False),
    ],
)
def test_xception_must_be_faster_and_the_others_no_slower(
    model: str, threads: int, ratio: float, *, met: bool
) -> None:
    assert target(latencies(model, threads, ratio * 10, 10.0)).met is met


def test_the_same_file_timed_twice_gives_the_noise() -> None:
    assert latencies("vgg", 1, 7.0, 10.0).noise == pytest.approx(1.05)


def test_a_slow_network_still_gets_sixty_four_runs() -> None:
    rounds = rounds_within([1000.0, 1000.0], budget_seconds=1.0)
    assert rounds * BLOCK_RUNS * SITTINGS == 64


def test_a_budget_buys_rounds() -> None:
    assert rounds_within([1.0, 2.0, 7.0], budget_seconds=9.0) == 100
