"""Whether something like a network was measured on a device."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from edgecnn.latency.cost import NetCost
    from edgecnn.latency.fitted import Reference

# Alike: at most this share of the MACs in operators of another kind ...
_MAX_DIFFERENCE = 0.15
# ... and at most so many times the MACs of the largest of those, or fewer than of the smallest.
_MAX_RATIO = 2.0


def mac_shares(cost: NetCost) -> dict[str, float]:
    """Shares of a network's MACs by kind of operator."""
    counts = Counter[str]()
    for operator in cost.operators:
        if operator.macs:
            counts[operator.kind] += operator.macs
    total = sum(counts.values())
    return {kind: macs / total for kind, macs in sorted(counts.items())}


def resembles(cost: NetCost, references: Iterable[Reference]) -> bool:
    """Whether networks with such a mix of operators were measured, at such a size.

    The mix decides, not the name: a file may have any name. Networks of one published family have
    one mix (a MobileNetV1 of any width; a ResNet of any depth).
    """
    shares = mac_shares(cost)
    sizes = [
        reference.macs
        for reference in references
        if _difference(shares, reference.shares) <= _MAX_DIFFERENCE
    ]
    return bool(sizes) and min(sizes) / _MAX_RATIO <= cost.macs <= max(sizes) * _MAX_RATIO


def _difference(one: dict[str, float], other: dict[str, float]) -> float:
    """Total variation distance."""
    kinds = {*one, *other}
    return sum(abs(one.get(kind, 0.0) - other.get(kind, 0.0)) for kind in kinds) / 2
