"""Overlap and suppression, by their properties; and where a picture lies in an input."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecnn.tasks import boxes
from edgecnn.tasks.boxes import Detections, corners, detections, overlaps, suppressed
from edgecnn.tasks.placing import FITS, letterbox, place

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIDES = st.integers(1, 500)


@st.composite
def some_detections(draw: st.DrawFn) -> Detections:
    count = draw(st.integers(0, 30))
    random = np.random.default_rng(draw(st.integers(0, 1000)))
    low = random.uniform(0, 60, (count, 2))
    sides = random.uniform(0, 40, (count, 2))
    return detections(
        np.concatenate([low, low + sides], axis=1),
        random.choice([0.1, 0.5, 0.9, *random.uniform(0, 1, 4)], count),
        random.integers(0, 3, count),
        random.uniform(0, 60, (count, 2, 2)),
    )


def overlap(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    return float(overlaps(one, other[np.newaxis])[0])


@given(found=some_detections(), limit=st.floats(0.1, 1.0))
def test_what_stays_overlaps_nothing_better_of_its_class_and_what_goes_does(
    found: Detections, limit: float
) -> None:
    kept = suppressed(found, limit, most=1000)
    assert (np.diff(kept.scores) <= 0).all()
    for i in range(len(kept)):
        for j in range(i):
            if kept.classes[i] == kept.classes[j]:
                assert overlap(kept.boxes[i], kept.boxes[j]) <= limit
    stayed = {tuple(box) for box in kept.boxes.tolist()}
    for box, score, index in zip(found.boxes, found.scores, found.classes, strict=True):
        better = (kept.classes == index) & (kept.scores >= score)
        covered = overlaps(box, kept.boxes[better]) > limit
        assert tuple(box.tolist()) in stayed or covered.any()


@given(found=some_detections(), limit=st.floats(0.1, 0.9))
def test_suppressing_again_changes_nothing(found: Detections, limit: float) -> None:
    once = suppressed(found, limit, most=1000)
    again = suppressed(once, limit, most=1000)
    np.testing.assert_array_equal(again.boxes, once.boxes)
    np.testing.assert_array_equal(again.landmarks, once.landmarks)


@given(found=some_detections(), most=st.integers(1, 5))
def test_no_more_than_asked_for_and_the_best_of_them(found: Detections, most: int) -> None:
    all_of_them, some = suppressed(found, 0.5, most=1000), suppressed(found, 0.5, most=most)
    assert len(some) == min(most, len(all_of_them))
    np.testing.assert_array_equal(some.boxes, all_of_them.boxes[:most])


def test_an_overlap_of_one_suppresses_nothing() -> None:
    same = detections(np.array([[0, 0, 9, 9]] * 3), np.array([0.5, 0.6, 0.7]))
    assert len(suppressed(same, 1.0, most=10)) == 3
    assert len(suppressed(same, 0.9, most=10)) == 1


def test_overlaps_that_are_known() -> None:
    box = np.array([0.0, 0.0, 2.0, 2.0])
    others = np.array([[0, 0, 2, 2], [1, 0, 3, 2], [2, 2, 3, 3], [5, 5, 5, 5], [1, 1, 0, 0]])
    assert overlaps(box, others).tolist() == pytest.approx([1, 1 / 3, 0, 0, 0])
    assert overlaps(others[3].astype(float), others[3:4])[0] == 0
    assert corners(np.array([[5, 5, 4, 2]])).tolist() == [[3, 4, 7, 6]]


def test_the_number_of_candidates_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boxes, "_MOST_CANDIDATES", 10)
    corner = np.arange(40)[:, np.newaxis] * 10.0
    many = detections(np.concatenate([corner, corner, corner + 5, corner + 5], 1), np.arange(40.0))
    assert suppressed(many, 0.5, most=1000).scores.tolist() == list(range(39, 29, -1))


@given(height=SIDES, width=SIDES, rows=SIDES, columns=SIDES, fit=st.sampled_from(FITS))
def test_the_picture_comes_back_from_the_input(
    height: int, width: int, rows: int, columns: int, fit: str
) -> None:
    placement = place((height, width), (rows, columns), fit)
    random = np.random.default_rng(0)
    points = random.uniform(0, 1, (5, 2)) * [width, height]
    scale = np.array([placement.scale_x, placement.scale_y])
    there = points * scale + np.array([placement.left, placement.top])
    np.testing.assert_allclose(placement.to_picture(there), points, rtol=1e-3, atol=1e-3)
    middle = np.array([[columns / 2, rows / 2]])
    off = np.abs(placement.to_picture(middle) - [[width / 2, height / 2]])
    assert (off <= 1 / scale + 1e-3).all()  # a letterbox begins at a whole pixel


@given(height=SIDES, width=SIDES, rows=SIDES, columns=SIDES)
def test_a_letterbox_lies_inside_and_touches_two_sides(
    height: int, width: int, rows: int, columns: int
) -> None:
    left, top, inner_width, inner_height = letterbox((height, width), (rows, columns))
    assert 0 <= left <= columns - inner_width
    assert 0 <= top <= rows - inner_height
    assert inner_width == columns or inner_height == rows


def test_what_lies_outside_is_moved_to_the_edge() -> None:
    placement = place((100, 200), (50, 50), "letterbox")
    box = np.array([[-10.0, 0.0, 60.0, 50.0]], np.float32)
    assert placement.to_picture(box).tolist() == [[0, 0, 200, 100]]
