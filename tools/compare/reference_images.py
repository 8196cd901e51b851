"""The images of the comparisons: some to calibrate on, others that calibration does not see."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgecnn.calibration import fashion_mnist, photographs
from edgecnn.calibration.preprocessing import preprocess
from edgecnn.records import Preprocessing

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

CALIBRATION_SAMPLES = 100
SEED = 0
SMALL_SIZE = 32
ZERO_TO_ONE = Preprocessing()


@dataclass(frozen=True)
class ImageSets:
    """Preprocessed images, (samples, height, width, channels) float32.

    Attributes:
        calibration: what every tool calibrates on.
        unseen: what fidelity is measured on.
        labels: the unseen images' classes, where they are known.
    """

    calibration: NDArray[np.float32]
    unseen: NDArray[np.float32]
    labels: NDArray[np.uint8] | None = None


def clothes(unseen: int) -> ImageSets:
    """Fashion-MNIST, 32x32x3 in 0..1: calibration from the train split, unseen from the test one.

    Raises:
        InputError: the data set is not installed; the hint says how to get it.
    """
    size = (SMALL_SIZE, SMALL_SIZE)
    drawn = fashion_mnist.draw("train", CALIBRATION_SAMPLES, size=size, channels=3, seed=SEED)
    images, labels = clothes_split("test", unseen)
    return ImageSets(preprocess(drawn, ZERO_TO_ONE), images, labels)


def clothes_split(split: str, samples: int) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Return the first images of a split, with a black border to 32x32x3 in 0..1, and labels."""
    images, labels = fashion_mnist.load("train" if split == "train" else "test")
    border = (SMALL_SIZE - fashion_mnist.SIDE) // 2
    padded = np.pad(images[:samples], ((0, 0), (border, border), (border, border)))
    return preprocess(np.repeat(padded[..., None], 3, axis=-1), ZERO_TO_ONE), labels[:samples]


def photograph_crops(size: int, preprocessing: Preprocessing, unseen: int) -> ImageSets:
    """Crops of scikit-image's photographs; no photograph serves for both sets."""

    def cut(names: tuple[str, ...], samples: int) -> NDArray[np.float32]:
        pixels = photographs.crops(names, samples, size=(size, size), channels=3, seed=SEED)
        return preprocess(pixels, preprocessing)

    return ImageSets(
        cut(photographs.CALIBRATION, CALIBRATION_SAMPLES), cut(photographs.HELD_OUT, unseen)
    )


def digest(images: NDArray[np.float32]) -> str:
    """Return the SHA-256 of the images' values: results on other images are other results.

    Which photographs were held out has moved EfficientNet-Lite0's SNR by 2 dB, for every tool.
    """
    return hashlib.sha256(np.ascontiguousarray(images).tobytes()).hexdigest()


def save(path: Path, images: NDArray[np.float32]) -> None:
    """Write images as the .npz file that `--calibration` takes."""
    np.savez(path, images=images)
