"""Crops of the colour photographs that scikit-image ships: what is fed when the user gives nothing.

The photographs come with scikit-image's own wheel (skimage/data, see its README there for their
licences), so no download is needed. Some of them are kept for parity and never calibrated on.
"""

from __future__ import annotations

import importlib.util
import math
import random
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edgecnn.calibration.images import as_array
from edgecnn.errors import InputError, MissingPartError

if TYPE_CHECKING:
    import numpy.typing as npt
    from PIL import Image

SOURCE = "scikit-image photographs"

# A portrait, a night sky, a garage, tissue and a retina: bright and dark, coarse and fine, and
# every hue that the photographs have: without the sky, calibration would see hardly any blue.
CALIBRATION = (
    "astronaut.png",
    "rocket.jpg",
    "motorcycle_left.png",
    "ihc.png",
    "retina.jpg",
)
HELD_OUT = ("chelsea.png", "coffee.png", "hubble_deep_field.jpg")

_SMALLEST_CROP = 0.35
_LARGEST_ENLARGEMENT = 2.0


def crops(
    names: tuple[str, ...], count: int, *, size: tuple[int, int], channels: int, seed: int
) -> npt.NDArray[np.uint8]:
    """Cut seeded random crops, of many scales and half of them mirrored.

    Args:
        names: photographs to cut from, each as often as the others.
        count: number of crops.
        size: height and width of a crop after scaling, pixels.
        channels: 3 for RGB, 1 for luminance.
        seed: the same seed gives the same crops.

    Returns:
        (count, height, width, channels) uint8.

    Raises:
        InputError: channels is neither 1 nor 3.
        MissingPartError: scikit-image, or Pillow, is not installed, or lacks the photographs.
    """
    if channels not in {1, 3}:
        raise InputError(
            f"photographs have 3 channels, or 1 as luminance; the network's input has {channels}",
            hint="give --calibration FILE.npz with an array (N, height, width, channels) float32",
        )
    photographs = [_open(path) for path in _paths(names)]
    generator = random.Random(f"{seed} {' '.join(names)}")  # noqa: S311 - no secret is made
    pixels = np.empty((count, *size, channels), np.uint8)
    for index in range(count):
        crop = _crop(photographs[index % len(photographs)], size, generator)
        pixels[index] = as_array(crop, channels)
    return pixels


def _paths(names: tuple[str, ...]) -> list[Path]:
    """Find the photographs without importing scikit-image, which would take a second."""
    spec = importlib.util.find_spec("skimage")
    if spec is None or not spec.submodule_search_locations:
        raise MissingPartError(
            "the default calibration images come with scikit-image, which is not installed",
            hint="pip install 'edgecnn[export]', or give --calibration FOLDER",
        )
    folder = Path(spec.submodule_search_locations[0]) / "data"
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise MissingPartError(
            f"scikit-image is installed without its photographs {', '.join(missing)}",
            hint="pip install --force-reinstall scikit-image, or give --calibration FOLDER",
        )
    return [folder / name for name in names]


def _open(path: Path) -> Image.Image:
    from PIL import Image

    with Image.open(path) as image:
        return image.convert("RGB")


def _crop(photograph: Image.Image, size: tuple[int, int], generator: random.Random) -> Image.Image:
    from PIL.Image import Resampling, Transpose

    height, width = size
    # The whole photograph's scale, and the most that a crop of it is enlarged.
    covering = min(photograph.width / width, photograph.height / height)
    smallest = min(1.0, max(_SMALLEST_CROP, 1 / (covering * _LARGEST_ENLARGEMENT)))
    scale = covering * math.exp(generator.uniform(math.log(smallest), 0.0))
    crop_width, crop_height = width * scale, height * scale
    left = generator.uniform(0.0, max(0.0, photograph.width - crop_width))
    top = generator.uniform(0.0, max(0.0, photograph.height - crop_height))
    right = min(left + crop_width, float(photograph.width))
    bottom = min(top + crop_height, float(photograph.height))
    crop = photograph.resize((width, height), Resampling.BILINEAR, (left, top, right, bottom))
    mirrored = generator.random() < 0.5  # noqa: PLR2004 - half of them
    return crop.transpose(Transpose.FLIP_LEFT_RIGHT) if mirrored else crop
