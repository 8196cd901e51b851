"""Rounding of scaled channel counts, as MobileNetV2's and EfficientNet's papers have it."""

from __future__ import annotations

_KEEP = 0.9


def divisible(channels: float, divisor: int = 8) -> int:
    """The nearest multiple of the divisor, never below 90% of what was asked."""
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded if rounded >= _KEEP * channels else rounded + divisor
