"""The Pareto front against one found by comparing all with all, and the point to take."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecnn.sweeping.front import Fronts
from edgecnn.sweeping.records import Accuracy, Budget, Front, Place, Point, PointRecord, Timing

PI = Place("raspberry-pi-5", 4)
Scores = tuple[float, int, float]  # latency, size, accuracy


def record(number: int, scores: Scores) -> PointRecord:
    latency, size, accuracy = scores
    return PointRecord(
        f"{number:04}",
        Point("vgg"),
        "done",
        size_bytes=size,
        accuracy=Accuracy("top1", accuracy, None, None, 10, "x"),
        timings=(Timing(PI, latency, latency, latency),),
    )


def front_of(scores: list[Scores], budget: Budget | None = None) -> Front:
    fronts = Fronts((PI,))
    for number, each in enumerate(scores):
        fronts.add(record(number, each))
    return fronts.under(budget or Budget())[0]


def scores_of(found: PointRecord | None) -> Scores | None:
    if found is None:
        return None
    assert found.accuracy is not None
    return found.timings[0].latency_ms, found.size_bytes or 0, found.accuracy.value


def beats(one: Scores, other: Scores) -> bool:
    better = one[0] <= other[0] and one[1] <= other[1] and one[2] >= other[2]
    return better and one != other


SCORES = st.tuples(st.integers(1, 5), st.integers(1, 5), st.sampled_from([0.1, 0.5, 0.9]))


@given(st.lists(SCORES, max_size=12), st.randoms(use_true_random=False))
def test_the_front_is_what_nothing_beats_in_whatever_order_it_comes(
    scores: list[Scores], random: object
) -> None:
    expected = sorted(each for each in scores if not any(beats(o, each) for o in scores))
    found = [scores_of(each) for each in front_of(scores).records]
    assert sorted(found, key=str) == sorted(expected, key=str)
    random.shuffle(scores)  # type: ignore[attr-defined] # hypothesis's Random
    assert sorted(map(scores_of, front_of(scores).records), key=str) == sorted(expected, key=str)


FOUR: list[Scores] = [(10, 1000, 0.80), (20, 2000, 0.90), (40, 4000, 0.91), (50, 900, 0.70)]


@pytest.mark.parametrize(
    ("budget", "taken"),
    [
        (Budget(), (40, 4000, 0.91)),
        (Budget(latency_ms=30), (20, 2000, 0.90)),
        (Budget(size_bytes=1999), (10, 1000, 0.80)),
        (Budget(max_drop=1), (20, 2000, 0.90)),
        (Budget(max_drop=0.9), (40, 4000, 0.91)),
        (Budget(max_drop=11), (10, 1000, 0.80)),
        (Budget(latency_ms=15, max_drop=1), None),
        (Budget(latency_ms=5), None),
    ],
)
def test_the_point_to_take(budget: Budget, taken: Scores | None) -> None:
    front = front_of(FOUR, budget)
    assert len(front.records) == 4
    assert scores_of(front.taken) == taken
    assert front.reason.startswith("No point" if taken is None else "It is the")


def test_the_faster_of_two_that_are_as_accurate_is_taken() -> None:
    assert scores_of(front_of([(30, 1000, 0.9), (20, 2000, 0.9)]).taken) == (20, 2000, 0.9)


def test_without_accuracy_the_fastest_is_taken_and_without_latency_the_smallest() -> None:
    fronts, sizes = Fronts((PI,)), Fronts(())
    for number, (latency, size) in enumerate([(20.0, 10), (10.0, 20)]):
        made = PointRecord(str(number), Point("vgg"), "done", size_bytes=size,
                           timings=(Timing(PI, latency, latency, latency),))  # fmt: skip
        fronts.add(made)
        sizes.add(made)
    (fastest,), (smallest,) = fronts.under(Budget()), sizes.under(Budget())
    assert (fastest.taken is not None, fastest.reason) == (True, "It is the fastest.")
    assert fastest.taken is not None
    assert fastest.taken.size_bytes == 20
    assert smallest.reason == "It is the smallest."
    assert [each.size_bytes for each in smallest.records] == [10]


def test_what_is_not_done_or_has_no_latency_is_on_no_front() -> None:
    fronts = Fronts((PI,))
    fronts.add(PointRecord("a", Point("vgg"), "failed", size_bytes=1))
    fronts.add(PointRecord("b", Point("vgg"), "done", size_bytes=1))
    (front,) = fronts.under(Budget())
    assert front == Front(PI, (), None, "No point has a latency there.")
