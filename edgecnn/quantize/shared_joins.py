"""One range for several joins of the same tensors, where none of them loses by it.

What is joined has the scale of the whole. A tensor that two joins read on two scales is rounded to
its own steps, then once more for each of them, and lies in memory as often: the layers of DenseNet,
whose scales are a few percent apart. On one scale for all, as wide as the widest, it is rounded
once. That is no coarser as long as the steps are not wider than the two roundings together are: by
a factor of 1.41 where a tensor's own range is as wide as the join's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from edgecnn.quantize.ranges import Range

_Join = TypeVar("_Join")


@dataclass(frozen=True)
class Source:
    """A tensor that is joined to others.

    Attributes:
        name: of it.
        elements: how many numbers it holds.
        width: of its own range.
        is_free: whether its scale may be that of the joins: nothing else depends on it.
    """

    name: str
    elements: int
    width: float
    is_free: bool


def common_ranges(
    sources: Mapping[_Join, Sequence[Source]], own: Mapping[_Join, Range]
) -> dict[_Join, Range]:
    """The range of every join that gets another than its own.

    Args:
        sources: of each join, what it joins.
        own: the range of each.
    """
    changed: dict[_Join, Range] = {}
    for group in _groups(sources):
        common = min(own[join][0] for join in group), max(own[join][1] for join in group)
        parted = _parted(group, sources, own)
        if parted and all(_is_no_worse(sources[join], own[join], common, parted) for join in group):
            changed |= dict.fromkeys(group, common)
    return changed


def _groups(sources: Mapping[_Join, Sequence[Source]]) -> list[list[_Join]]:
    """Joins that free sources hold together."""
    groups: list[tuple[set[str], list[_Join]]] = []
    for join, read in sources.items():
        names, members = {source.name for source in read if source.is_free}, [join]
        apart = []
        for others, joins in groups:
            if others & names:
                names, members = names | others, [*joins, *members]
            else:
                apart.append((others, joins))
        groups = [*apart, (names, members)]
    return [members for _, members in groups]


def _parted(
    group: Sequence[_Join], sources: Mapping[_Join, Sequence[Source]], own: Mapping[_Join, Range]
) -> set[str]:
    """Free sources that joins of the group read on several scales."""
    scales: dict[str, set[Range]] = {}
    for join in group:
        for source in sources[join]:
            if source.is_free:
                scales.setdefault(source.name, set()).add(own[join])
    return {name for name, ranges in scales.items() if len(ranges) > 1}


def _is_no_worse(read: Sequence[Source], own: Range, common: Range, parted: set[str]) -> bool:
    """Whether a join's rounding error is no larger on the common range.

    A free source that is parted is rounded twice on the joins' own ranges and once on the common
    one; any other that is free once on either; one that is not, twice on either.
    """
    before, after = _width(own) ** 2, _width(common) ** 2
    gained = sum(source.elements * source.width**2 for source in read if source.name in parted)
    return (after - before) * sum(source.elements for source in read) <= gained


def _width(limits: Range) -> float:
    return max(limits[1], 0.0) - min(limits[0], 0.0)
