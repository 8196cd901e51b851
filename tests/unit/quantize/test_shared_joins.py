"""One range for joins of the same tensors, where none loses."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from edgecnn.quantize.shared_joins import Source, common_ranges


def source(name: str, width: float, *, is_free: bool = True) -> Source:
    return Source(name, 100, width, is_free=is_free)


def test_joins_a_few_percent_apart_get_the_wider_range() -> None:
    a, b, c = source("a", 2.0), source("b", 1.9), source("c", 2.1)
    ranges = {"two": (0.0, 2.0), "three": (0.0, 2.1)}
    assert common_ranges({"two": [a, b], "three": [a, b, c]}, ranges) == dict.fromkeys(
        ranges, (0.0, 2.1)
    )


def test_a_join_that_would_lose_keeps_its_own() -> None:
    a, b, c = source("a", 1.0), source("b", 1.0), source("c", 8.0)
    ranges = {"two": (0.0, 1.0), "three": (0.0, 8.0)}
    assert common_ranges({"two": [a, b], "three": [a, b, c]}, ranges) == {}


def test_what_cannot_take_another_scale_holds_no_joins_together() -> None:
    fixed, own = source("pool", 1.0, is_free=False), source("a", 1.0)
    ranges = {"one": (0.0, 1.0), "other": (0.0, 1.1)}
    joins = {"one": [fixed, own], "other": [fixed, source("b", 1.0)]}
    assert common_ranges(joins, ranges) == {}


def test_joins_of_one_range_are_left_alone() -> None:
    a, b = source("a", 1.0), source("b", 1.0)
    ranges = dict.fromkeys(["one", "other"], (0.0, 1.0))
    assert common_ranges({"one": [a, b], "other": [a, b]}, ranges) == {}


@given(st.lists(st.floats(0.1, 10), min_size=3, max_size=3), st.floats(0.1, 10))
def test_no_join_rounds_worse_than_before(widths: list[float], wider: float) -> None:
    a, b, c = (source(name, width) for name, width in zip("abc", widths, strict=True))
    sources = {"two": [a, b], "three": [a, b, c]}
    ranges = {"two": (-1.0, 1.0), "three": (-1.0, wider)}
    common = common_ranges(sources, ranges)
    for join, limits in common.items():
        own, new = (math.dist([low], [high]) for low, high in (ranges[join], limits))
        twice = [s for s in sources[join] if s.name in {"a", "b"}]
        before = sum(s.width**2 for s in twice) + len(sources[join]) * own**2
        assert len(sources[join]) * new**2 <= before * (1 + 1e-9)
