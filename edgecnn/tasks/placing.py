"""Where a picture lies in a network's input, and the way back from there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

FITS = ("cover", "letterbox", "stretch")
"""How a picture is brought to the input's size: scaled to cover it and cropped at the centre,
scaled to fit into it with grey borders, or scaled to it whatever its proportions."""


@dataclass(frozen=True)
class Placement:
    """Input coordinates from a picture's: x * scale_x + left, y * scale_y + top.

    Attributes:
        picture: its height and width, pixels, as its EXIF orientation says.
        input: height and width of the network's input.
        scale_x: input pixels for a pixel of the picture.
        scale_y: likewise.
        left: where the picture begins in the input; negative where it was cropped.
        top: likewise.
    """

    picture: tuple[int, int]
    input: tuple[int, int]
    scale_x: float
    scale_y: float
    left: float
    top: float

    def to_picture(self, points: NDArray[np.float32]) -> NDArray[np.float32]:
        """Points or corners (..., 2 or 4: x, y, x, y) of the input as the picture's pixels.

        What lies outside of the picture is moved to its edge.
        """
        repeats = points.shape[-1] // 2
        shift = np.tile([self.left, self.top], repeats)
        scale = np.tile([self.scale_x, self.scale_y], repeats)
        edge = np.tile([self.picture[1], self.picture[0]], repeats)
        moved: NDArray[np.float32] = np.clip((points - shift) / scale, 0, edge).astype(np.float32)
        return moved


def place(picture: tuple[int, int], size: tuple[int, int], fit: str = "cover") -> Placement:
    """Where a picture lies in the input under a way of fitting.

    Args:
        picture: its height and width.
        size: height and width of the input.
        fit: one of FITS.
    """
    (height, width), (rows, columns) = picture, size
    if fit == "stretch":
        return Placement(picture, size, columns / width, rows / height, 0.0, 0.0)
    if fit == "letterbox":
        x, y, inner_width, inner_height = letterbox(picture, size)
        return Placement(picture, size, inner_width / width, inner_height / height, x, y)
    scale = max(columns / width, rows / height)
    left, top = (columns - width * scale) / 2, (rows - height * scale) / 2
    return Placement(picture, size, scale, scale, left, top)


def letterbox(picture: tuple[int, int], size: tuple[int, int]) -> tuple[int, int, int, int]:
    """The rectangle of the input that a picture fills: left, top, width, height, whole pixels."""
    (height, width), (rows, columns) = picture, size
    scale = min(columns / width, rows / height)
    inner_width = min(columns, max(1, round(width * scale)))
    inner_height = min(rows, max(1, round(height * scale)))
    return (columns - inner_width) // 2, (rows - inner_height) // 2, inner_width, inner_height
