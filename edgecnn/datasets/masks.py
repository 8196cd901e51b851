"""Pictures with masks: PNGs that hold the class of each pixel, under the pictures' names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgecnn import files
from edgecnn.calibration.folder import list_images, printable
from edgecnn.datasets.folders import listed
from edgecnn.datasets.pictures import PictureSet, chosen, open_named, open_pictures
from edgecnn.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from PIL.ImageFile import ImageFile

IGNORED = 255
"""The class of a pixel that does not count."""

_MODES = ("L", "P", "1")
_MOST_PIXELS = 50_000_000


class UnreadableMaskError(Exception):
    """A mask that cannot be used, and why, as half a sentence."""


@dataclass(frozen=True, eq=False)
class MaskFiles:
    """Masks, by their names relative to a folder."""

    root: Path
    names: tuple[str, ...]

    def take(self, places: NDArray[np.int64]) -> MaskFiles:
        """These of them, in this order."""
        return MaskFiles(self.root, tuple(self.names[place] for place in places))

    def read(self, place: int) -> NDArray[np.uint8]:
        """The class of each pixel, (height, width).

        Raises:
            UnreadableMaskError: it is damaged, or holds colours.
        """
        return read_mask(self.root / self.names[place])


@dataclass(frozen=True, eq=False)
class MaskSet:
    """Pictures with their masks, in one order."""

    pictures: PictureSet
    masks: MaskFiles


def open_masks(folder: Path, masks: Path, *, limit: int | None = None, seed: int = 0) -> MaskSet:
    """Find the pictures that have a mask; nothing is decoded yet.

    Args:
        folder: of the pictures, subfolders included.
        masks: of the masks: `a/b.png` is of the picture `a/b.jpg`.
        limit: at most so many, drawn by the seed; None for all.
        seed: of that draw.

    Raises:
        InputError: no picture has a mask.
        MissingPartError: Pillow is not installed.
    """
    if not masks.is_dir():
        raise InputError(f"--masks: {masks} is no folder.", hint="Name a folder of PNGs.")
    every = open_pictures(folder)
    of_stem = {
        _stem(name): name
        for group in list_images(masks).classes.values()
        for name in group
        if name.lower().endswith(".png")
    }
    names = [name for name in every.images.names if _stem(name) in of_stem]
    if not names:
        raise InputError(
            f"None of the {every.count} pictures in {printable(folder)} has a mask in"
            f" {printable(masks)}.",
            hint="A mask is a PNG of class indices with the picture's name: b.png for b.jpg.",
        )
    notes = every.notes
    if without := [name for name in every.images.names if _stem(name) not in of_stem]:
        notes += (f"{len(without)} pictures have no mask and do not count: {listed(without)}.",)
    places, note = chosen(len(names), limit, seed)
    pictures = open_named(folder, names, notes + note).take(places)
    files = tuple(of_stem[_stem(name)] for name in pictures.images.names)
    return MaskSet(pictures, MaskFiles(masks, files))


def read_mask(path: Path) -> NDArray[np.uint8]:
    """The class of each pixel, (height, width).

    Raises:
        UnreadableMaskError: it is damaged, or holds colours.
    """
    from PIL import Image

    try:
        with files.open_binary(path) as stream, Image.open(stream, formats=("PNG",)) as image:
            _check_kind(image)
            return np.array(image, np.uint8)
    except UnreadableMaskError:
        raise
    # Decoders raise whatever the damage leads them to: OSError, SyntaxError, struct.error, ...
    except Exception as error:
        raise UnreadableMaskError(f"damaged: {error or type(error).__name__}") from error


def _check_kind(image: ImageFile) -> None:
    if image.width * image.height > _MOST_PIXELS:
        raise UnreadableMaskError(f"too large: {image.width}x{image.height} pixels")
    if image.mode not in _MODES:
        raise UnreadableMaskError(
            f"of mode {image.mode}; class indices are grey or palette, 8 bits"
        )


def _stem(name: str) -> str:
    return name.rpartition(".")[0]
