"""The Pareto front of accuracy, latency and size, and the one to take under a budget.

Records come one by one, and only the front is kept: a sweep of any length takes no more memory.
"""

from __future__ import annotations

import math
import operator
from typing import TYPE_CHECKING

from edgecnn.sweeping.records import Budget, Front, Place, PointRecord

if TYPE_CHECKING:
    from collections.abc import Iterable

_POINTS = 100  # percentage points in the whole
_Scores = tuple[float, ...]
_Member = tuple[_Scores, PointRecord]


class Fronts:
    """The fronts of all places, record by record.

    Args:
        places: that were asked for; none: accuracy and size decide.
    """

    def __init__(self, places: Iterable[Place]) -> None:
        self._members: dict[Place | None, list[_Member]] = {p: [] for p in (*places,) or (None,)}

    def add(self, record: PointRecord) -> None:
        """Look at a record; one without a latency at a place is on no front there."""
        if record.status != "done":
            return
        for place, members in self._members.items():
            scores = _scores(record, place)
            if scores is None or any(_beats(best, scores) for best, _ in members):
                continue
            members[:] = [member for member in members if not _beats(scores, member[0])]
            members.append((scores, record))

    def under(self, budget: Budget) -> tuple[Front, ...]:
        """The fronts, and what to take under a budget."""
        return tuple(_front(place, members, budget) for place, members in self._members.items())


def latency_ms(record: PointRecord, place: Place | None) -> float | None:
    """The record's latency at a place; None where it has none."""
    return next((timing.latency_ms for timing in record.timings if timing.place == place), None)


def _scores(record: PointRecord, place: Place | None) -> _Scores | None:
    """What is compared, less is better: latency, size, and what is wrong."""
    latency = latency_ms(record, place)
    if record.size_bytes is None or (latency is None and place is not None):
        return None
    wrong = 0.0 if record.accuracy is None else -record.accuracy.value
    return (latency or 0.0, float(record.size_bytes), wrong)


def _beats(scores: _Scores, rival: _Scores) -> bool:
    """Whether one is as good in everything, and better in something."""
    return scores != rival and all(map(operator.le, scores, rival))


def _front(place: Place | None, members: list[_Member], budget: Budget) -> Front:
    ordered = [record for _, record in sorted(members, key=_order)]
    best = max(map(_accuracy, ordered), default=-math.inf)
    fitting = [record for record in ordered if _fits(record, place, budget, best)]
    if not fitting:
        why = "No point is within the budget." if ordered else "No point has a latency there."
        return Front(place, tuple(ordered), None, why)
    if budget.max_drop is None and fitting[0].accuracy is not None:
        choice = max(fitting, key=lambda record: (_accuracy(record), -ordered.index(record)))
        return Front(place, tuple(ordered), choice, _most_accurate(budget))
    return Front(place, tuple(ordered), fitting[0], _fastest(place, budget))


def _accuracy(record: PointRecord) -> float:
    return -math.inf if record.accuracy is None else record.accuracy.value


def _fits(record: PointRecord, place: Place | None, budget: Budget, best: float) -> bool:
    latency = latency_ms(record, place)
    if budget.latency_ms is not None and (latency is None or latency > budget.latency_ms):
        return False
    if budget.size_bytes is not None and (record.size_bytes or 0) > budget.size_bytes:
        return False
    # A hair's breadth for what subtracting two rounded shares may add.
    most = (budget.max_drop or 0.0) / _POINTS + 1e-9
    return budget.max_drop is None or best - _accuracy(record) <= most


def _most_accurate(budget: Budget) -> str:
    within = " within the budget" if budget != Budget() else ""
    return f"It is the most accurate{within}."


def _fastest(place: Place | None, budget: Budget) -> str:
    what = "smallest" if place is None else "fastest"
    within = " within the budget" if budget != Budget() else ""
    return f"It is the {what}{within}."


def _order(member: _Member) -> tuple[_Scores, str]:
    """The fastest first; equal ones in an order that no engine changes."""
    return member[0], member[1].key
