"""The width multiplier of Howard et al., MobileNets, arXiv:1704.04861, section 3.3."""

from __future__ import annotations

import math

from edgecnn.errors import InputError

# Kernels of every runtime work on groups of 8 channels; a remainder costs as much as a group.
_MULTIPLE = 8
MAX_WIDTH = 4.0


def scale_channels(channels: int, width: float) -> int:
    """Multiply `channels` by `width`, rounded to the nearest multiple of 8, at least 8.

    >>> scale_channels(728, 1.0), scale_channels(728, 0.5), scale_channels(32, 0.1)
    (728, 368, 8)
    """
    return max(_MULTIPLE, math.floor(channels * width / _MULTIPLE + 0.5) * _MULTIPLE)


def check_width(width: float) -> None:
    """Raise InputError unless 0 < width <= 4."""
    if not 0.0 < width <= MAX_WIDTH:
        raise InputError(
            f"--width {width:g}: a width multiplier lies above 0 and is at most {MAX_WIDTH:g}.",
            hint="1.0 is the network as published; 0.5 halves its channels.",
        )
