"""Whether two groups of accuracies differ: Welch's interval against a margin."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

_T_95 = (
    6.314, 2.920, 2.353, 2.132, 2.015, 1.943, 1.895, 1.860, 1.833, 1.812,
    1.796, 1.782, 1.771, 1.761, 1.753, 1.746, 1.740, 1.734, 1.729, 1.725,
)  # fmt: skip
"""Student's t at 95 %, one-sided, for 1 to 20 degrees of freedom (any table of it). An interval of
90 % made with it, held against a margin on both sides, is two one-sided tests at 5 % each
(Schuirmann 1987, J. Pharmacokinet. Biopharm. 15, 657)."""

_MOST_SEEDS = 1_000

Standing = Literal["similar", "better", "worse", "no worse", "no better", "undecided"]


@dataclass(frozen=True)
class Difference:
    """The difference of two means and its 90 % interval."""

    mean: float
    low: float
    high: float

    def standing(self, margin: float) -> Standing:
        """Where the whole interval lies; `margin` is what counts as no difference."""
        if self.low >= -margin and self.high <= margin:
            return "similar"
        if self.low > margin:
            return "better"
        if self.high < -margin:
            return "worse"
        if self.low >= -margin:
            return "no worse"
        return "no better" if self.high <= margin else "undecided"


def mean(values: Sequence[float]) -> float:
    """The arithmetic mean of one value or more."""
    return math.fsum(values) / len(values)


def spread(values: Sequence[float]) -> float:
    """The sample's standard deviation, of two values or more."""
    centre = mean(values)
    return math.sqrt(math.fsum((value - centre) ** 2 for value in values) / (len(values) - 1))


def welch(first: Sequence[float], second: Sequence[float]) -> Difference:
    """The difference of means, first less second, without assuming equal spreads.

    Args:
        first: two values or more, such as accuracies of several seeds.
        second: likewise.
    """
    return _interval(Group.of(first), Group.of(second))


def foreseen(first: Sequence[float], second: Sequence[float], seeds: int) -> Difference:
    """The difference that so many seeds each would show, were means and spreads those of today."""
    groups = (replace(Group.of(values), size=seeds) for values in (first, second))
    return _interval(*groups)


def seeds_to_decide(first: Sequence[float], second: Sequence[float], margin: float) -> int | None:
    """The fewest seeds each that would rule a loss of the margin in or out; None: over 1,000.

    Means and spreads are taken to stay what they are, which of few seeds is a guess.
    """
    for seeds in range(2, _MOST_SEEDS + 1):
        if foreseen(first, second, seeds).standing(margin) not in {"undecided", "no better"}:
            return seeds
    return None


@dataclass(frozen=True)
class Group:
    """What Welch's interval needs of some values."""

    mean: float
    spread: float
    size: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Group:
        """Of two values or more."""
        return cls(mean(values), spread(values), len(values))


def _interval(first: Group, second: Group) -> Difference:
    a, b = first.spread**2 / first.size, second.spread**2 / second.size
    centre = first.mean - second.mean
    if a + b == 0:
        return Difference(centre, centre, centre)
    freedom = (a + b) ** 2 / (a**2 / (first.size - 1) + b**2 / (second.size - 1))
    # Rounded down: a wider interval than need be, never a narrower one.
    half = _T_95[min(max(int(freedom), 1), len(_T_95)) - 1] * math.sqrt(a + b)
    return Difference(centre, centre - half, centre + half)
