"""Folders of images as a data set: each class is a folder, with or without train/ and test/."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgecnn.calibration.folder import list_images, printable
from edgecnn.calibration.images import SUFFIXES, Decoded, UnreadableImageError, decode
from edgecnn.datasets.labelled import LabelledSet, Read
from edgecnn.errors import InputError, MissingPartError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from numpy.typing import NDArray

    from edgecnn.datasets.labelled import Part

# The first of these that is there is the test split.
_TEST_FOLDERS = ("test", "val", "validation")
_TEST_SHARE = 0.2
_NAMED = 3
# Two images of 50 megapixels at once are 400 MB.
_MOST_THREADS = 2


@dataclass(frozen=True, eq=False)
class FolderImages:
    """Image files, by their names relative to a folder."""

    root: Path
    names: tuple[str, ...]

    def take(self, places: NDArray[np.int64]) -> FolderImages:
        """These of them, in this order."""
        return FolderImages(self.root, tuple(self.names[place] for place in places))

    def read(
        self,
        places: NDArray[np.int64],
        size: tuple[int, int],
        channels: int,
        fit: str = "cover",
    ) -> Read:
        """Decode these, as `calibration.images` does."""
        names = [self.names[place] for place in places]
        threads = min(_MOST_THREADS, os.cpu_count() or 1)
        with warnings.catch_warnings(), ThreadPoolExecutor(threads) as pool:
            # Pillow warns of sizes that `decode` judges itself, and of damaged metadata.
            warnings.filterwarnings("ignore", module=r"PIL\.")
            results = list(
                pool.map(lambda name: _try(self.root / name, name, size, channels, fit), names)
            )
        good = {at: result for at, result in enumerate(results) if isinstance(result, Decoded)}
        pixels = np.empty((len(good), *size, channels), np.uint8)
        for into, decoded in zip(pixels, good.values(), strict=True):
            into[:] = decoded.pixels
        unusable = tuple(result for result in results if isinstance(result, str))
        pictures = np.array([image.picture for image in good.values()], np.int64).reshape(-1, 2)
        return Read(pixels, np.array(list(good), np.int64), unusable, pictures)


@dataclass(frozen=True)
class _Classes:
    """Class folder to its images, relative to `root`; a folder without images has none."""

    root: Path
    images: dict[str, list[str]]
    notes: tuple[str, ...]


def open_folder(folder: Path, split: Part, seed: int) -> LabelledSet:
    """Open one split of a folder.

    Raises:
        InputError: the split is missing, there are fewer than two classes, a class has no images,
            or train/ and test/ do not have the same classes.
        MissingPartError: Pillow is not installed.
    """
    require_pillow()
    inside = _subfolders(folder)
    test = next((name for name in _TEST_FOLDERS if name in inside), None)
    is_divided = bool(inside) and (
        ("train" in inside and test is not None) or set(inside) <= {"train", *_TEST_FOLDERS}
    )
    if not is_divided:
        return _divided_here(folder, split, seed)
    return _divided_already(folder, split, "train" if "train" in inside else None, test)


def require_pillow() -> None:
    """Hold that images can be read.

    Raises:
        MissingPartError: Pillow is not installed.
    """
    if importlib.util.find_spec("PIL") is None:
        raise MissingPartError(
            "Images are read with Pillow, which is not installed.",
            hint="pip install 'edgecnn[export]'",
        )


def name_of(folder: Path) -> str:
    """What to call a folder in a sentence."""
    return printable(folder.resolve().name or "/")


def _divided_already(folder: Path, split: Part, train: str | None, test: str | None) -> LabelledSet:
    part = train if split == "train" else test
    if part is None:
        missing = "train/" if split == "train" else "test/"
        raise InputError(
            f"{printable(folder)} has no {missing} folder.",
            hint=f"Ask for the {'test' if split == 'train' else 'train'} split.",
        )
    listing = _list_classes(folder / part)
    names = list(listing.images)
    if train is not None and split == "test":
        names = _subfolders(folder / train)
        _check_known(folder, part, names, listing)
    _check_classes(folder / part, names)
    empty = [name for name in names if not listing.images.get(name)]
    notes = listing.notes
    if empty and split == "train":
        raise _without_images(folder / part, empty)
    if empty:
        notes += (f"{part}/ has no images of {listed(empty)}.",)
    if part not in {"train", "test"}:
        notes += (f"{printable(folder)} has no test/: {part}/ is taken.",)
    chosen = {name: listing.images.get(name, []) for name in names}
    return _labelled(name_of(folder), split, listing.root, chosen, notes)


def _check_known(folder: Path, part: str, names: list[str], listing: _Classes) -> None:
    unknown = [name for name, images in listing.images.items() if images and name not in names]
    if unknown:
        raise InputError(
            f"{printable(folder)}: {part}/ has classes that train/ has not: {listed(unknown)}.",
            hint="Both need the same folders: a class's number is its place among their names.",
        )


def _divided_here(folder: Path, split: Part, seed: int) -> LabelledSet:
    listing = _list_classes(folder)
    _check_classes(folder, list(listing.images))
    if empty := [name for name, images in listing.images.items() if not images]:
        raise _without_images(folder, empty)
    if single := [name for name, images in listing.images.items() if len(images) == 1]:
        raise InputError(
            f"{printable(folder)} has one image only of {listed(single)}: none is left to test.",
            hint="Add images, or remove the folder.",
        )
    images = listing.images.items()
    chosen = {name: sorted(_part_of(files, split, seed)) for name, files in images}
    note = (
        f"{printable(folder)} has no train/ and test/: a fifth of each class is the test split, by"
        f" seed {seed} and the files' names."
    )
    return _labelled(name_of(folder), split, listing.root, chosen, (*listing.notes, note))


def _part_of(images: list[str], split: Part, seed: int) -> list[str]:
    """One part of a class's images; a new file hardly moves others from part to part."""

    def draw(name: str) -> bytes:
        return hashlib.sha256(f"{seed} ".encode() + os.fsencode(name)).digest()

    ordered = sorted(images, key=draw)
    tested = max(1, round(len(images) * _TEST_SHARE))
    return ordered[:tested] if split == "test" else ordered[tested:]


def _labelled(
    source: str, split: Part, root: Path, chosen: dict[str, list[str]], notes: tuple[str, ...]
) -> LabelledSet:
    names = tuple(name for images in chosen.values() for name in images)
    if not names:
        raise InputError(f"{source}: there are no images in its {split} split.")
    labels = np.repeat(np.arange(len(chosen)), [len(images) for images in chosen.values()])
    return LabelledSet(
        source=source,
        split=split,
        classes=tuple(map(printable, chosen)),
        count=len(names),
        labels=labels.astype(np.int64),
        images=FolderImages(root, names),
        notes=notes,
    )


def _list_classes(root: Path) -> _Classes:
    """Every class folder with its images, those of its subfolders included, sorted by name."""
    listing = list_images(root)
    images: dict[str, list[str]] = {name: [] for name in _subfolders(root)}
    for relative, names in listing.classes.items():
        if relative:
            images.setdefault(relative.partition("/")[0], []).extend(names)
    notes = []
    if loose := listing.classes.get("", []):
        notes.append(f"{len(loose)} images are in no class's folder, and are skipped.")
    if listing.others:
        count = sum(listing.others.values())
        notes.append(f"{count} files that are no images are passed over.")
    if listing.unreadable:
        notes.append(f"Folders that cannot be read: {listed(listing.unreadable)}.")
    return _Classes(root, {name: sorted(paths) for name, paths in images.items()}, tuple(notes))


def _subfolders(folder: Path) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return sorted(e.name for e in entries if not e.name.startswith(".") and e.is_dir())
    except OSError as error:
        raise InputError(
            f"{printable(folder)} cannot be read: {error.strerror or error}."
        ) from error


def _check_classes(folder: Path, names: list[str]) -> None:
    if len(names) > 1:
        return
    only = f"only one class, {listed(names)}" if names else "no folders of classes"
    raise InputError(
        f"{printable(folder)} has {only}: there is nothing to tell apart.",
        hint="Put the images of each class into a folder of its own.",
    )


def _without_images(folder: Path, empty: list[str]) -> InputError:
    return InputError(
        f"{printable(folder)}: no images of {listed(empty)}.",
        hint=f"Add some ({' '.join(sorted(SUFFIXES))}), or remove the folder. A folder that is"
        " reached by two names counts once.",
    )


def _try(path: Path, name: str, size: tuple[int, int], channels: int, fit: str) -> Decoded | str:
    try:
        return decode(path, size, channels, fit)
    except UnreadableImageError as error:
        return f"{printable(name)} ({error})"


def listed(names: Iterable[str]) -> str:
    """The first of some names, and how many more there are."""
    texts = [printable(name) for name in names]
    more = len(texts) - _NAMED
    return ", ".join(texts[:_NAMED]) + (f" and {more} more" if more > 0 else "")
