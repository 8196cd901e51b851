"""What a source gives, and how it says that it is gone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

MOST_BYTES = 16 << 20
"""Of one encoded frame: a JPEG of 50 megapixels has as many."""


class LostError(Exception):
    """The source is gone, and may come back: half a sentence that says why."""


@dataclass(frozen=True, eq=False)
class Shot:
    """A picture as the source gives it.

    Attributes:
        name: the file's, or the source's own.
        encoded: an image file's content; empty where there are pixels.
        pixels: (height, width, 3) uint8, RGB; None where there is an encoded picture.
    """

    name: str
    encoded: bytes = b""
    pixels: NDArray[np.uint8] | None = None


@dataclass(frozen=True, eq=False)
class Frame:
    """A shot that was taken in.

    Attributes:
        number: from 1 on, without gaps among those that came.
        at_s: when it came, by `time.monotonic`.
        shot: the picture.
    """

    number: int
    at_s: float
    shot: Shot


class Source(Protocol):
    """Where pictures come from.

    Attributes:
        name: for people; never with a password in it.
    """

    name: str

    def shots(self, stopped: threading.Event) -> Iterator[Shot]:
        """The pictures, as they come; it ends when the source does, or soon after `stopped`.

        May be called again after it ended or failed.

        Raises:
            LostError: the source is not there, or no longer.
        """

    def interrupt(self) -> None:
        """End a wait for the next picture, from another thread."""
