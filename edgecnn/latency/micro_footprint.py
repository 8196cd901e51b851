"""What a network takes on a microcontroller before it is exported: between which ends, and why."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from edgecnn.latency import micro_memory, sizes

if TYPE_CHECKING:
    from collections.abc import Iterable

    from edgecnn.latency.cost import NetCost
    from edgecnn.latency.reports import Verdict


@dataclass(frozen=True)
class Bounds:
    """What is expected, and the ends it lies between, bytes or milliseconds."""

    low: float
    middle: float
    high: float

    @classmethod
    def of(cls, middle: int, others: Iterable[int] = ()) -> Bounds:
        """The smallest and largest of them."""
        every = [middle, *others]
        return cls(min(every), middle, max(every))

    def wider(self, share: float) -> Bounds:
        """The ends off by as much as an estimate may be."""
        return Bounds(self.low * (1 - share), self.middle, self.high * (1 + share))

    def verdict(self, budget: float | None) -> Verdict:
        """Whether a budget holds."""
        if budget is None or self.high <= budget:
            return "meets"
        if self.middle <= budget:
            return "likely"
        return "unlikely" if self.low <= budget else "misses"


@dataclass(frozen=True)
class Footprint:
    """What one network takes.

    Attributes:
        cost: of the file that is expected, operator by operator.
        arena: of TensorFlow Lite Micro, bytes.
        flash: of the file, bytes.
        float_ops: operators of the expected file that compute on real numbers, name to count.
        float_reasons: which and why, a sentence a reason.
        open_because: what an export decides by measuring, so that it is not known before; one
            sentence each.
    """

    cost: NetCost
    arena: Bounds
    flash: Bounds
    float_ops: dict[str, int] = field(default_factory=dict)
    float_reasons: tuple[str, ...] = ()
    open_because: tuple[str, ...] = ()


def of_costs(expected: NetCost, others: Iterable[NetCost] = ()) -> Footprint:
    """Of what was written down, or of a file.

    Args:
        expected: what an export is expected to write.
        others: what it may write instead.
    """
    possible = list(others)
    return Footprint(
        expected,
        Bounds.of(
            micro_memory.estimate(expected).arena_bytes,
            (micro_memory.estimate(cost).arena_bytes for cost in possible),
        ),
        Bounds.of(sizes.file_bytes(expected), map(sizes.file_bytes, possible)),
    )
