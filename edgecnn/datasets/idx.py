"""Fashion-MNIST, and MNIST, which has the same four files: all pictures at once, in one array."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from edgecnn.calibration import fashion_mnist
from edgecnn.datasets.labelled import LabelledSet, Read

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from edgecnn.datasets.labelled import Part

# The order of the labels: https://github.com/zalandoresearch/fashion-mnist, "Labels".
_CLOTHES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
    "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip
_DIGITS = tuple(map(str, range(fashion_mnist.CLASSES)))


@dataclass(frozen=True, eq=False)
class IdxImages:
    """Some of a split's pictures, whose bytes stay in the file while nobody asks for them."""

    folder: Path
    split: Part
    places: NDArray[np.int64]

    def take(self, places: NDArray[np.int64]) -> IdxImages:
        """These of them, in this order."""
        return IdxImages(self.folder, self.split, self.places[places])

    def read(
        self,
        places: NDArray[np.int64],
        size: tuple[int, int],
        channels: int,
        fit: str = "cover",
    ) -> Read:
        """Fit these to a network's input, as `calibration.fashion_mnist` does, whatever `fit`."""
        del fit
        images, _ = _load(self.folder, self.split)
        chosen = images[self.places[places]]
        pixels = np.repeat(fashion_mnist.fit(chosen, size)[..., None], channels, axis=-1)
        pictures = np.tile(np.array(chosen.shape[1:], np.int64), (len(chosen), 1))
        return Read(pixels, np.arange(len(places)), (), pictures)


def open_idx(folder: Path, split: Part, source: str) -> LabelledSet:
    """Open one split of the four files in a folder.

    Raises:
        InputError: a file is damaged.
    """
    _, labels = _load(folder, split)
    is_fashion = "fashion" in source.lower()
    notes = () if is_fashion else (f"{source}: classes are numbers; the files do not name them.",)
    return LabelledSet(
        source=source,
        split=split,
        classes=_CLOTHES if is_fashion else _DIGITS,
        count=len(labels),
        labels=labels.astype(np.int64),
        images=IdxImages(folder, split, np.arange(len(labels))),
        notes=notes,
    )


# Every epoch asks again: 47 MB for the training split, half a second to unpack.
@lru_cache(maxsize=2)
def _load(folder: Path, split: Part) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    return fashion_mnist.load(split, folder)
