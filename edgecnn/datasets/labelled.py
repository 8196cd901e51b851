"""Images with their classes, as one data set whatever they come from, read as they are needed."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np

from edgecnn import files
from edgecnn.calibration import fashion_mnist
from edgecnn.calibration.preprocessing import check_channels, preprocess
from edgecnn.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from edgecnn.records import Preprocessing

Part = Literal["train", "test"]
PARTS: tuple[Part, ...] = ("train", "test")


@dataclass(frozen=True, eq=False)
class Read:
    """Decoded images of a few of a set's places.

    Attributes:
        pixels: (n, height, width, channels) uint8, RGB or grey.
        places: which of those asked for each is, 0 .. asked - 1, int64 (n,).
        unusable: a sentence for each file that could not be decoded; those places are missing.
        pictures: height and width of each whole picture, upright, pixels, int64 (n, 2).
    """

    pixels: NDArray[np.uint8]
    places: NDArray[np.int64]
    unusable: tuple[str, ...]
    pictures: NDArray[np.int64]


class Images(Protocol):
    """Pictures that are decoded when they are asked for."""

    def take(self, places: NDArray[np.int64]) -> Images:
        """These of them, in this order."""

    def read(
        self,
        places: NDArray[np.int64],
        size: tuple[int, int],
        channels: int,
        fit: str = "cover",
    ) -> Read:
        """Decode these, brought to the size as one of `edgecnn.tasks.placing.FITS` says."""


@dataclass(frozen=True, eq=False)
class LabelledSet:
    """One split of a data set: which images, and the class of each.

    Attributes:
        source: what to call it: "fashion-mnist", or the folder's name.
        split: "train" or "test".
        classes: names, in the order of the labels.
        count: how many images.
        labels: int64 (count,), 0 .. len(classes) - 1.
        images: decodes them; use `batches`.
        notes: sentences for the user, such as how a split was made.
    """

    source: str
    split: Part
    classes: tuple[str, ...]
    count: int
    labels: NDArray[np.int64]
    images: Images
    notes: tuple[str, ...] = ()

    def take(self, places: NDArray[np.int64]) -> LabelledSet:
        """Only the images at these places, in this order."""
        return replace(
            self,
            count=len(places),
            labels=self.labels[places],
            images=self.images.take(places),
        )

    def batches(
        self,
        *,
        size: tuple[int, int],
        channels: int,
        preprocessing: Preprocessing,
        batch_size: int,
        shuffle_seed: int | None = None,
        on_unusable: Callable[[str], None] | None = None,
    ) -> Iterator[tuple[NDArray[np.float32], NDArray[np.int64]]]:
        """Yield preprocessed images and their labels; memory holds one batch at a time.

        Args:
            size: height and width of the network's input, pixels.
            channels: 3 for RGB, 1 for luminance.
            preprocessing: from pixels to inputs.
            batch_size: images in each batch; the last may have fewer.
            shuffle_seed: another order for each seed; None keeps the set's own.
            on_unusable: told of each damaged file, which is then left out, so that a batch may be
                smaller and the sum less than `count`; None refuses the set instead.

        Yields:
            (n, height, width, channels) float32 and (n,) int64.

        Raises:
            InputError: a file cannot be decoded and nobody is told of it, or the request is
                impossible.
        """
        check_channels(preprocessing, channels)
        order = np.arange(self.count)
        if shuffle_seed is not None:
            np.random.default_rng(shuffle_seed).shuffle(order)
        for pixels, places in self.placed(
            order, size=size, channels=channels, batch_size=batch_size, on_unusable=on_unusable
        ):
            yield preprocess(pixels, preprocessing), self.labels[places]

    def placed(
        self,
        order: NDArray[np.int64],
        *,
        size: tuple[int, int],
        channels: int,
        batch_size: int,
        on_unusable: Callable[[str], None] | None = None,
    ) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.int64]]]:
        """Yield pixels and which images of the set they are, before preprocessing.

        Args:
            order: places of the images wanted, in the order wanted.
            size: as in `batches`.
            channels: likewise.
            batch_size: likewise.
            on_unusable: likewise.

        Yields:
            (n, height, width, channels) uint8 and (n,) int64; never an empty batch.

        Raises:
            InputError: likewise.
        """
        check_request(size, channels, batch_size)
        for start in range(0, len(order), batch_size):
            places = order[start : start + batch_size]
            read = self.images.read(places, size, channels)
            for sentence in read.unusable:
                _tell(sentence, on_unusable)
            if len(read.places):
                yield read.pixels, places[read.places]


def open_labelled(
    source: str, split: Part, *, limit: int | None = None, seed: int = 0
) -> LabelledSet:
    """Find a data set and one split of it; nothing is decoded yet.

    Args:
        source: "fashion-mnist" as it is installed, a folder with its four .gz files (or MNIST's),
            a folder with train/CLASS/ and test/CLASS/ in it, or one with CLASS/ folders, a fifth
            of each then being the test split.
        split: "train" or "test".
        limit: at most so many images, drawn by the seed; None for all.
        seed: of that draw and, in a folder without splits, of the split.

    Raises:
        InputError: there is no such data set or split, it has fewer than two classes, or a class
            without images.
        MissingPartError: Pillow is not installed, and a folder of images needs it.
    """
    if split not in PARTS:
        raise InputError(f"There is no split '{split}'.", hint="train or test")
    if limit is not None and limit < 1:
        raise InputError(f"A limit of {limit} images leaves none.", hint="1 or more")
    images = _open(source, split, seed)
    if limit is None or limit >= images.count:
        return images
    note = f"{limit:,} of the {images.count:,} images of the {split} split, drawn by seed {seed}."
    places = random_places(images.count, limit, seed)
    return replace(images.take(places), notes=(*images.notes, note))


def random_places(count: int, limit: int, seed: int) -> NDArray[np.int64]:
    """The places of so many of a set's samples, drawn by a seed, in their order."""
    places: NDArray[np.int64] = np.sort(
        np.random.default_rng(seed).choice(count, limit, replace=False)
    )
    return places


def check_request(size: tuple[int, int], channels: int, batch_size: int) -> None:
    """Hold that images can be brought to such an input.

    Raises:
        InputError: they cannot.
    """
    if channels not in {1, 3}:
        raise InputError(
            f"Images have 3 channels, or 1 as luminance; the network's input has {channels}."
        )
    if min(size) < 1 or batch_size < 1:
        raise InputError(f"No batch is {batch_size}x{size[0]}x{size[1]}x{channels}.")


def _open(source: str, split: Part, seed: int) -> LabelledSet:
    from edgecnn.datasets import folders, idx

    if source == fashion_mnist.SOURCE:
        return idx.open_idx(fashion_mnist.find(), split, source)
    path = existing_folder(source)
    if fashion_mnist.is_complete(path):
        return idx.open_idx(path, split, folders.name_of(path))
    return folders.open_folder(path, split, seed)


def existing_folder(source: str) -> Path:
    """The folder that was named.

    Raises:
        InputError: there is none.
    """
    path = files.expanded(source)
    try:
        if source and path.is_dir():
            return path
        there = bool(source) and path.exists()
    except (OSError, ValueError) as error:  # too long for a name, or with a null character
        raise InputError(f"--data: {source!r} cannot be a folder: {error}.") from error
    if there:
        raise InputError(
            f"--data: {path.name} is no folder.",
            hint="Give a folder with a folder of images for each class, or fashion-mnist.",
        )
    close = difflib.get_close_matches(source.lower().replace("_", "-"), [fashion_mnist.SOURCE])
    hint = f"Did you mean {close[0]}?" if close else "Give a folder of images, or fashion-mnist."
    raise InputError(f"--data: there is no '{source}'.", hint=hint)


def _tell(sentence: str, on_unusable: Callable[[str], None] | None) -> None:
    if on_unusable is None:
        raise InputError(
            f"An image cannot be used: {sentence}.", hint="Remove the file, or mend it."
        )
    on_unusable(sentence)
