"""A seeded, class-balanced sample of a folder of images; only what is chosen is decoded."""

from __future__ import annotations

import hashlib
import itertools
import os
import random
import warnings
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from edgecnn.calibration.images import SUFFIXES, Decoded, UnreadableImageError, decode
from edgecnn.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy.typing as npt

# Damaged files and copies are replaced by others, up to this many tries for each image wanted.
_TRIES_FOR_EACH = 4
# Two images of 50 megapixels at once are 400 MB.
_MOST_THREADS = 2
_NAMED = 3


@dataclass
class Listing:
    """What lies in a folder.

    Attributes:
        classes: subfolder to the names of its images, both relative to the folder.
        others: suffix to the number of files that are no images.
        unreadable: subfolders that could not be listed.
    """

    classes: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    others: Counter[str] = field(default_factory=Counter)
    unreadable: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        """Count the images."""
        return sum(map(len, self.classes.values()))


@dataclass
class _Tally:
    """What happened while images were decoded."""

    tried: int = 0
    skipped: list[str] = field(default_factory=list)
    copies: list[str] = field(default_factory=list)
    remarks: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    seen: set[bytes] = field(default_factory=set)


def load(
    folder: Path, *, size: tuple[int, int], channels: int, most: int, seed: int
) -> tuple[npt.NDArray[np.uint8], tuple[str, ...]]:
    """Decode a seeded sample of the images in a folder and its subfolders.

    Each subfolder counts as a class, and gives as many images as the others while it has some.
    Hidden files and folders are no part of a data set and are passed over.

    Args:
        folder: an existing folder.
        size: height and width of the network's input, pixels.
        channels: 3 for RGB, 1 for luminance.
        most: how many images, if there are so many usable ones.
        seed: the same seed and files give the same images in the same order.

    Returns:
        (at most so many, height, width, channels) uint8, no two alike, and warnings.

    Raises:
        InputError: there are no images, or none that can be decoded.
    """
    listing = list_images(folder)
    if not listing:
        raise _no_images(folder, listing)
    pixels = np.empty((most, *size, channels), np.uint8)
    tally = _Tally()
    names = itertools.islice(choose(listing, seed), most * _TRIES_FOR_EACH)
    count = 0
    threads = min(_MOST_THREADS, os.cpu_count() or 1)
    with warnings.catch_warnings(), ThreadPoolExecutor(threads) as pool:
        # Pillow warns of sizes that `decode` judges itself, and of damaged metadata.
        warnings.filterwarnings("ignore", module=r"PIL\.")
        while count < most and (batch := list(itertools.islice(names, most - count))):
            paths = [folder / name for name in batch]
            results = pool.map(lambda path: _try(path, size, channels), paths)
            for name, result in zip(batch, results, strict=True):
                if _accept(tally, printable(name), result):
                    pixels[count] = result.pixels  # type: ignore[union-attr] # accepted
                    count += 1
    if not count:
        raise InputError(
            f"{printable(folder)}: none of {tally.tried} images can be used: "
            f"{_first(tally.skipped)}",
            hint="open one in an image viewer; a few dozen good ones are enough",
        )
    return pixels[:count], _sentences(tally, listing, count)


def list_images(folder: Path) -> Listing:
    """List the images of a folder and its subfolders by their suffixes, links followed once."""
    listing = Listing()
    visited: set[tuple[int, int]] = set()
    waiting = [""]
    while waiting:
        relative = waiting.pop()
        try:
            status = (folder / relative).stat()
            if (status.st_dev, status.st_ino) not in visited:
                visited.add((status.st_dev, status.st_ino))
                waiting += _scan(folder, relative, listing)
        except OSError as error:
            listing.unreadable.append(f"{printable(relative or folder)} ({error.strerror})")
    return listing


def choose(listing: Listing, seed: int) -> Iterator[str]:
    """Yield all names, shuffled by the seed, one of each class in turn."""
    generator = random.Random(seed)  # noqa: S311 - no secret is made
    classes = [sorted(listing.classes[name]) for name in sorted(listing.classes)]
    for names in classes:
        generator.shuffle(names)
    generator.shuffle(classes)
    for turn in itertools.zip_longest(*classes):
        yield from (name for name in turn if name is not None)


def _scan(folder: Path, relative: str, listing: Listing) -> list[str]:
    """Add the files of one folder to the listing; return its subfolders."""
    subfolders = []
    with os.scandir(folder / relative) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            name = os.path.join(relative, entry.name)  # noqa: PTH118 - a million Paths are slow
            suffix = os.path.splitext(entry.name)[1].lower()  # noqa: PTH122 - likewise
            if entry.is_dir():
                subfolders.append(name)
            elif suffix in SUFFIXES and entry.is_file():
                listing.classes[relative].append(name)
            else:
                listing.others[suffix or "no suffix"] += 1
    # The order decides which of two links to the same folder is followed.
    return sorted(subfolders, reverse=True)


def _try(path: Path, size: tuple[int, int], channels: int) -> Decoded | str:
    try:
        return decode(path, size, channels)
    except UnreadableImageError as error:
        return str(error)


def _accept(tally: _Tally, name: str, result: Decoded | str) -> bool:
    """Note what came of one file; tell whether its pixels are new."""
    tally.tried += 1
    if isinstance(result, str):
        tally.skipped.append(f"{name} ({result})")
        return False
    digest = hashlib.sha256(result.pixels.tobytes()).digest()
    if digest in tally.seen:
        tally.copies.append(name)
        return False
    tally.seen.add(digest)
    for remark in result.remarks:
        tally.remarks[remark].append(name)
    return True


def _sentences(tally: _Tally, listing: Listing, count: int) -> tuple[str, ...]:
    lines = []
    if tally.skipped:
        lines.append(
            f"{len(tally.skipped)} of {tally.tried} images could not be used: "
            f"{_first(tally.skipped)}."
        )
    if tally.copies:
        lines.append(
            f"{len(tally.copies)} of {tally.tried} images are exact copies of others once scaled, "
            f"and were left out: {_first(tally.copies)}."
        )
    for remark, names in tally.remarks.items():
        lines.append(f"{len(names)} of {count} images used are {remark}: {_first(names)}.")
    if listing.others:
        lines.append(f"Files that are no images were passed over: {_counted(listing.others)}.")
    if listing.unreadable:
        lines.append(f"Folders that could not be read: {_first(listing.unreadable)}.")
    return tuple(lines)


def _no_images(folder: Path, listing: Listing) -> InputError:
    if listing.unreadable:
        reason = f"; not readable: {_first(listing.unreadable)}"
    elif listing.others:
        reason = f"; it holds {_counted(listing.others)}"
    else:
        reason = "; it is empty"
    return InputError(
        f"{printable(folder)}: no images in this folder or below{reason}",
        hint=f"images end in {' '.join(sorted(SUFFIXES))}",
    )


def _counted(others: Counter[str]) -> str:
    return ", ".join(f"{count} {printable(suffix)}" for suffix, count in others.most_common(5))


def _first(names: list[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def printable(name: str | Path) -> str:
    """A file's name need not be UTF-8, nor free of control characters; a message must be."""
    text = os.fsencode(name).decode(errors="replace")
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
