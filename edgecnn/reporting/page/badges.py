"""What stands for an outcome and for a provenance: a sign and a word, never a colour alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgecnn.reporting.page.drawing import SHAPES as _NAMES

if TYPE_CHECKING:
    from edgecnn.claims.record import Outcome


@dataclass(frozen=True)
class Badge:
    """An outcome's sign, and the name of its style."""

    sign: str
    style: str


BADGES: dict[Outcome, Badge] = {
    "holds": Badge("✓", "holds"),
    "fails": Badge("✗", "fails"),
    "holds with conditions": Badge("◐", "conditions"),
    "not testable here": Badge("?", "untested"),
}
# SVG paths in a square of 16, of the shapes that Vega draws.
PATHS = {
    "swatch": "M1 5.5h14v5H1z",
    "circle": "M8 3a5 5 0 1 0 0 10 5 5 0 1 0 0-10z",
    "ring": "M8 1.5a6.5 6.5 0 1 0 0 13 6.5 6.5 0 1 0 0-13zm0 1.7a4.8 4.8 0 1 1 0 9.6 4.8 4.8 0 1 1"
    " 0-9.6z",
    "square": "M3.5 3.5h9v9h-9z",
    "diamond": "M8 2l4.5 6L8 14 3.5 8z",
    "cross": "M6 2h4v4h4v4h-4v4H6v-4H2V6h4z",
    "triangle-up": "M8 2.5l6 10.5H2z",
}
SHAPES = {provenance: PATHS[shape] for provenance, shape in _NAMES.items()}
