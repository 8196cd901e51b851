"""Whether something like a network was measured on a device."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

from edgecnn.latency.fitted import Reference

if TYPE_CHECKING:
    from collections.abc import Iterable

    from edgecnn.latency.cost import NetCost, OperatorCost

# Alike: at most this share of the MACs in operators of another kind or window ...
_MAX_DIFFERENCE = 0.15
# ... at most this share of them on planes of another size ...
_MAX_MOVED = 0.5
# ... at most so many times the MACs of the largest of those, or fewer than of the smallest ...
_MAX_RATIO = 2.0
# ... and no other kind of operator that reads and writes more than this share of all elements.
_MAX_STRANGE = 0.03
_EVERYWHERE = {"free", "copy"}


def reference_of(cost: NetCost) -> Reference:
    """What is kept of a network that was measured."""
    return Reference(cost.macs, shape_shares(cost), tuple(sorted(element_shares(cost))))


def shape_shares(cost: NetCost) -> dict[str, float]:
    """Shares of a network's MACs by kind of operator, window and size of the plane.

    The key of a 3 x 3 depthwise convolution that writes 28 x 28 pixels is "depthwise 9 5": its
    kind, the positions of its window, and the plane's side as a power of two.
    """
    counts = Counter[str]()
    for operator in cost.operators:
        if operator.macs:
            counts[_shape(operator)] += operator.macs
    total = sum(counts.values())
    return {shape: macs / total for shape, macs in sorted(counts.items())}


def _shape(operator: OperatorCost) -> str:
    side = round(math.log2(max(1, operator.pixels)) / 2)
    return f"{operator.kind} {operator.taps} {side}"


def element_shares(cost: NetCost) -> dict[str, float]:
    """Shares of the elements that are read and written, by kind of operator."""
    counts = Counter[str]()
    for operator in cost.operators:
        if operator.kind not in _EVERYWHERE:
            counts[operator.kind] += operator.input_elements + operator.output_elements
    total = max(1, sum(counts.values()))
    return {kind: moved / total for kind, moved in counts.items()}


def resembles(cost: NetCost, references: Iterable[Reference]) -> bool:
    """Whether networks of such operators, on such planes, were measured, at such a size.

    The operators decide, not the name: a file may have any name. Networks of one published family
    have one mix of them (a MobileNetV1 of any width; a ResNet of any depth).
    """
    shapes = shape_shares(cost)
    alike = [reference for reference in references if _is_alike(shapes, reference.shapes)]
    sizes = [reference.macs for reference in alike]
    if not sizes or not min(sizes) / _MAX_RATIO <= cost.macs <= max(sizes) * _MAX_RATIO:
        return False
    known = {kind for reference in alike for kind in reference.kinds}
    return not any(
        share > _MAX_STRANGE and kind not in known for kind, share in element_shares(cost).items()
    )


def _is_alike(shares: dict[str, float], reference: dict[str, float]) -> bool:
    by_window = difference(_without_planes(shares), _without_planes(reference))
    return by_window <= _MAX_DIFFERENCE and difference(shares, reference) <= _MAX_MOVED


def _without_planes(shapes: dict[str, float]) -> dict[str, float]:
    shares: dict[str, float] = {}
    for shape, share in shapes.items():
        window = shape.rpartition(" ")[0]
        shares[window] = shares.get(window, 0.0) + share
    return shares


def difference(shares: dict[str, float], reference: dict[str, float]) -> float:
    """Total variation distance of two tables of shares."""
    kinds = {*shares, *reference}
    return sum(abs(shares.get(kind, 0.0) - reference.get(kind, 0.0)) for kind in kinds) / 2
