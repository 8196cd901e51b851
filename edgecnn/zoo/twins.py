"""The twin of a network with depthwise (separable) convolutions: the same with normal ones.

Document 000 claims that accuracy is similar either way; the twins put that to the test.
"""

from __future__ import annotations

from typing import NamedTuple

from edgecnn.errors import InputError
from edgecnn.zoo.width import scale_channels

SEPARABLE, NORMAL = "separable", "normal"
CONVOLUTIONS = (SEPARABLE, NORMAL)


class Style(NamedTuple):
    """What the variants of a network with a twin differ in."""

    width: float
    convolution: str

    def filters(self, channels: int) -> int:
        """The document's channels, scaled."""
        return scale_channels(channels, self.width)


def check_convolution(convolution: str, name: str, *, has_twin: bool) -> None:
    """Hold that a network can be built with these convolutions.

    Raises:
        InputError: there is no such kind, or the network has no twin.
    """
    if convolution not in CONVOLUTIONS:
        raise InputError(
            f"--convolution {convolution}: it is one of {', '.join(CONVOLUTIONS)}.",
        )
    if convolution == NORMAL and not has_twin:
        raise InputError(
            f"{name} has no twin with normal convolutions.",
            hint="--convolution is for networks with depthwise ones: xception, xception-mini.",
        )


def twin_name(name: str, convolution: str) -> str:
    """What a network with these convolutions is called in manifests and folders.

    >>> twin_name("xception", "normal"), twin_name("xception", "separable")
    ('xception-normal', 'xception')
    """
    return f"{name}-normal" if convolution == NORMAL else name
