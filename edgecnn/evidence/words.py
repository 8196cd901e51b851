"""The words that several records share."""

from __future__ import annotations

from typing import Literal

Provenance = Literal["counted", "measured", "emulated", "predicted", "published"]
Convolution = Literal["separable", "normal"]
Match = Literal["itself", "equal widths", "equal parameters"]
