"""The greedy plan: what lives together lies apart, and no more is taken than must be."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecnn.tflm.planner import Buffer, aligned, planned_bytes

buffers = st.lists(
    st.tuples(st.integers(1, 500), st.integers(0, 9), st.integers(0, 9)).map(
        lambda each: Buffer(each[0], min(each[1:]), max(each[1:]))
    ),
    max_size=12,
)


@pytest.mark.parametrize(
    ("held", "expected"),
    [
        ([], 0),
        ([Buffer(1, 0, 0)], 16),
        ([Buffer(64, 0, 1), Buffer(64, 1, 2)], 128),
        ([Buffer(64, 0, 1), Buffer(64, 1, 2), Buffer(64, 2, 3)], 128),
        # The small one finds the gap that the middle one leaves behind.
        ([Buffer(96, 0, 1), Buffer(48, 1, 2), Buffer(32, 2, 3)], 144),
    ],
)
def test_plans_worked_out_by_hand(held: list[Buffer], expected: int) -> None:
    assert planned_bytes(held) == expected


@given(buffers)
def test_a_plan_is_between_the_fullest_step_and_all_at_once(held: list[Buffer]) -> None:
    planned = planned_bytes(held)
    steps = [
        sum(aligned(each.size_bytes) for each in held if each.first <= step <= each.last)
        for step in range(10)
    ]
    assert max(steps) <= planned <= sum(aligned(each.size_bytes) for each in held)
    assert planned % 16 == 0
