"""Hits, ties and intervals."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecnn import parity
from edgecnn.evaluating import scores

LEVELS = st.lists(st.integers(-3, 3), min_size=2, max_size=12)


@given(LEVELS, st.integers(1, 12))
def test_the_hits_of_all_classes_are_the_places_there_are(levels: list[int], best: int) -> None:
    logits = np.array(levels, np.float32)
    hits = [scores.hit(logits, label, best) for label in range(len(levels))]
    assert math.isclose(sum(hits), min(best, len(levels)))
    assert all(0 <= each <= 1 for each in hits)


@given(st.lists(LEVELS.map(lambda each: each[:2] * 3), min_size=1, max_size=9))
def test_a_tie_counts_as_parity_counts_it(rows: list[list[int]]) -> None:
    logits = np.array(rows, np.float32)
    right = np.roll(logits, 1, axis=1)
    ours = [
        scores.hit(row, int(best), 1) for row, best in zip(logits, right.argmax(1), strict=True)
    ]
    assert math.isclose(sum(ours) / len(ours), parity.top1_agreement(right, logits))


@pytest.mark.parametrize(
    ("label", "best", "expected"), [(0, 1, 0.5), (2, 1, 0.0), (2, 3, 0.5), (2, 4, 1.0), (4, 5, 1.0)]
)
def test_where_a_tie_is_cut(label: int, best: int, expected: float) -> None:
    assert scores.hit(np.array([9, 9, 5, 5, 1], np.float32), label, best) == expected


def test_wilson_as_published() -> None:
    # Newcombe, Statistics in Medicine 17 (1998), table I, method 3: 81/263, 15/148, 0/20, 1/29.
    for right, count, low, high in (
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ):
        found = scores.wilson(right / count, count)
        assert found == pytest.approx((low, high), abs=5e-5)


@given(st.integers(1, 10_000), st.floats(0, 1))
def test_wilson_holds_the_share(count: int, share: float) -> None:
    low, high = scores.wilson(share, count)
    assert 0 <= low <= share <= high <= 1
    assert low < high


def test_what_is_lost_and_gained() -> None:
    nan = math.nan
    base = np.array([1, 1, 1, 0, 0, 1, nan, 0], np.float32)
    hits = np.array([1, 0, 0.5, 1, 0, 1, 1, nan], np.float32)
    found = scores.paired(base, hits)
    assert (found.images, found.lost, found.gained) == (6, 1.5, 1)
    assert found.difference == pytest.approx(-0.5 / 6)
    assert found.low < found.difference < found.high


def test_no_difference_is_not_taken_for_certain() -> None:
    same = np.ones(1000, np.float32)
    found = scores.paired(same, same)
    assert (found.difference, found.lost, found.gained) == (0, 0, 0)
    assert math.copysign(1, found.lost) == 1
    assert found.low == -found.high
    assert 0.001 < found.high < 0.005


def test_paired_interval_as_the_formula_gives_it() -> None:
    # 8 lost and 1 gained of 50: p~ = 9/52 and 2/52, worked out by hand.
    low, high = scores.paired_interval(8, 1, 50)
    middle, spread = -7 / 52, 1.959964 * math.sqrt((11 / 52 - (7 / 52) ** 2) / 52)
    assert (low, high) == pytest.approx((middle - spread, middle + spread), abs=1e-6)


@given(st.integers(0, 50), st.integers(0, 50), st.integers(0, 300))
def test_the_interval_mirrors_its_sides_and_narrows(lost: int, gained: int, agreed: int) -> None:
    count = lost + gained + agreed + 1
    low, high = scores.paired_interval(lost, gained, count)
    assert scores.paired_interval(gained, lost, count) == pytest.approx((-high, -low))
    assert -1 <= low < high <= 1
    narrow = scores.paired_interval(lost, gained, count + 1000)
    assert narrow[1] - narrow[0] < high - low


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    random = np.random.default_rng(0)
    truth = {(0.02, 0.01): 0, (0.1, 0.05): 0}
    for lost, gained in truth:
        drawn = random.multinomial(500, [lost, gained, 1 - lost - gained], size=2000)
        ends = [scores.paired_interval(a, b, 500) for a, b, _ in drawn]
        covered = np.mean([low <= gained - lost <= high for low, high in ends])
        assert 0.93 < covered < 0.985
