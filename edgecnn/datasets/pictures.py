"""A folder of pictures as they are, without labels."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from edgecnn.calibration.folder import list_images
from edgecnn.datasets.folders import FolderImages, listed, name_of, require_pillow
from edgecnn.datasets.labelled import random_places
from edgecnn.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class PictureSet:
    """Pictures of a folder (`source` is its name), decoded as they are asked for."""

    source: str
    images: FolderImages
    notes: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        """How many pictures."""
        return len(self.images.names)

    @property
    def split(self) -> str:
        """Pictures have no splits."""
        return ""

    def take(self, places: NDArray[np.int64]) -> PictureSet:
        """Only the pictures at these places, in this order."""
        return replace(self, images=self.images.take(places))


def has_classes(folder: Path) -> bool:
    """Whether a folder has its images in subfolders, as folders of classes do."""
    return any(relative for relative in list_images(folder).classes)


def open_pictures(folder: Path, *, limit: int | None = None, seed: int = 0) -> PictureSet:
    """Find the pictures of a folder and its subfolders; nothing is decoded yet.

    Args:
        folder: an existing folder.
        limit: at most so many, drawn by the seed; None for all.
        seed: of that draw.

    Raises:
        InputError: there are none.
        MissingPartError: Pillow is not installed.
    """
    require_pillow()
    listing = list_images(folder)
    names = sorted(name for group in listing.classes.values() for name in group)
    if not names:
        raise InputError(
            f"There are no pictures in {name_of(folder)}.", hint="Name another --data."
        )
    places, notes = chosen(len(names), limit, seed)
    if listing.unreadable:
        notes += (f"Folders that cannot be read: {listed(listing.unreadable)}.",)
    return open_named(folder, names, notes).take(places)


def open_named(folder: Path, names: Sequence[str], notes: tuple[str, ...]) -> PictureSet:
    """These pictures of a folder, in this order."""
    return PictureSet(name_of(folder), FolderImages(folder, tuple(names)), notes)


def chosen(
    count: int, limit: int | None, seed: int, what: str = "pictures"
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """The places of at most so many samples, and a note where that leaves some out."""
    if limit is None or limit >= count:
        return np.arange(count), ()
    note = f"{limit:,} of the {count:,} {what}, drawn by seed {seed}."
    return random_places(count, limit, seed), (note,)
