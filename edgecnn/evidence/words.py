"""The words that several records share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Provenance = Literal["counted", "measured", "emulated", "predicted", "published"]
Convolution = Literal["separable", "normal"]
Match = Literal["itself", "equal widths", "equal parameters"]


@dataclass(frozen=True)
class Source:
    """Where a number stands.

    Attributes:
        file: the record's name.
        entry: the place in it.
        date: of the record, "2026-11-22".
        machine: that it was made on.
    """

    file: str
    entry: str
    date: str
    machine: str
