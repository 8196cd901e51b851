"""How each module of this package names its networks."""

from __future__ import annotations

from collections.abc import Callable

from edgecnn.latency.cost import NetCost

# The row's name of a network to its family, and to its cost at an input size in pixels.
Nets = dict[str, tuple[str, Callable[[int], NetCost]]]
