"""Inputs for files that others made: crops of scikit-image's pictures, scaled as a model expects.

Photographs for detectors, a scanned page for what reads text, portraits for what looks at faces.
They are not what the models were trained on, and few; they have the range and the look of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from edgecnn.calibration import photographs

if TYPE_CHECKING:
    from numpy.typing import NDArray

Subject = Literal["photographs", "text", "faces"]
_PAGES = ("page.png", "text.png")
_PORTRAITS = ("astronaut.png", "chelsea.png")
# As tall as a line of print and two, and as much of a picture as a face takes.
_LINE_HEIGHTS = (14, 34)
_FACE_SHARE = (0.3, 1.0)


@dataclass(frozen=True)
class Scaling:
    """From pixels of 0 to 255 to what the model takes."""

    low: float
    high: float
    channels_first: bool

    def __call__(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Scale (N, H, W, 3) uint8 to float32 in the model's layout."""
        scaled = pixels.astype(np.float32) / 255 * (self.high - self.low) + self.low
        ordered = scaled.transpose(0, 3, 1, 2) if self.channels_first else scaled
        return np.ascontiguousarray(ordered, np.float32)


def pixels(
    subject: Subject, count: int, size: tuple[int, int], *, seed: int = 0
) -> NDArray[np.uint8]:
    """Cut seeded crops.

    Args:
        subject: what they show.
        count: how many.
        size: height and width after scaling, pixels.
        seed: the same seed gives the same crops.

    Returns:
        (count, height, width, 3) uint8, RGB.
    """
    if subject == "photographs":
        return photographs.crops(photographs.CALIBRATION, count, size=size, channels=3, seed=seed)
    rng = np.random.default_rng(seed)
    crop = _line if subject == "text" else _face
    names = _PAGES if subject == "text" else _PORTRAITS
    pictures = [_picture(name) for name in names]
    return np.stack([crop(pictures[k % len(pictures)], size, rng) for k in range(count)])


def _picture(name: str) -> NDArray[np.uint8]:
    import skimage
    from PIL import Image

    with Image.open(Path(skimage.__file__).parent / "data" / name) as picture:
        return np.asarray(picture.convert("RGB"))


def _line(
    picture: NDArray[np.uint8], size: tuple[int, int], rng: np.random.Generator
) -> NDArray[np.uint8]:
    height = int(rng.integers(*_LINE_HEIGHTS))
    width = min(picture.shape[1], round(height * size[1] / size[0]))
    return scaled(_window(picture, height, width, rng), size)


def _face(
    picture: NDArray[np.uint8], size: tuple[int, int], rng: np.random.Generator
) -> NDArray[np.uint8]:
    side = round(rng.uniform(*_FACE_SHARE) * min(picture.shape[:2]))
    crop = scaled(_window(picture, side, side, rng), size)
    return crop[:, ::-1] if rng.random() < 0.5 else crop  # noqa: PLR2004 - a coin


def _window(
    picture: NDArray[np.uint8], height: int, width: int, rng: np.random.Generator
) -> NDArray[np.uint8]:
    top = int(rng.integers(0, picture.shape[0] - height + 1))
    left = int(rng.integers(0, picture.shape[1] - width + 1))
    return picture[top : top + height, left : left + width]


def scaled(picture: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """A picture of another height and width, interpolated linearly."""
    from PIL import Image

    return np.asarray(Image.fromarray(picture).resize(size[::-1], Image.Resampling.BILINEAR))
