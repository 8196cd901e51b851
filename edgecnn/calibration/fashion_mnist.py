"""Fashion-MNIST from wherever it is installed: 60,000 and 10,000 grey pictures of clothes, 28x28.

Xiao, Rasul, Vollgraf: Fashion-MNIST, a Novel Image Dataset for Benchmarking Machine Learning
Algorithms (2017). The files are in the IDX format of LeCun's MNIST page, gzipped.
"""

from __future__ import annotations

import gzip
import os
import random
import struct
import sys
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from edgecnn import files
from edgecnn.errors import InputError

if TYPE_CHECKING:
    import numpy.typing as npt

SOURCE = "fashion-mnist"
VARIABLE = "EDGECNN_FASHION_MNIST"
SIDE = 28
CLASSES = 10

Part = Literal["train", "test"]

_PREFIX: dict[Part, str] = {"train": "train", "test": "t10k"}
_IMAGES_MAGIC = 0x0803  # unsigned bytes, three dimensions
_LABELS_MAGIC = 0x0801  # unsigned bytes, one dimension
# The real set has 60,000; a header that claims more than this is damage, not data.
_MAX_IMAGES = 1_000_000
# Networks for MNIST's kind take 32x32, and are trained on the picture with a black border.
_MAX_PADDED_SIDE = 36


def load(
    split: Part, folder: Path | None = None
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Read one split of the data set.

    Args:
        split: which.
        folder: with the four files; None for where it is installed.

    Returns:
        Images (N, 28, 28) uint8, and labels (N,) uint8 in 0..9.

    Raises:
        InputError: the data set is not installed, or a file of it is damaged.
    """
    folder = folder or find()
    images_path = folder / f"{_PREFIX[split]}-images-idx3-ubyte.gz"
    labels_path = folder / f"{_PREFIX[split]}-labels-idx1-ubyte.gz"
    images = _read_idx(images_path, _IMAGES_MAGIC, (SIDE, SIDE))
    labels = _read_idx(labels_path, _LABELS_MAGIC, ())
    if len(images) != len(labels):
        raise InputError(
            f"{folder}: {len(images)} images, but {len(labels)} labels, in the {split} split",
            hint=_ways(),
        )
    if int(np.max(labels)) >= CLASSES:
        raise InputError(f"{labels_path}: holds labels above {CLASSES - 1}", hint=_ways())
    return images, labels


def find() -> Path:
    """Find the folder with the four files.

    Raises:
        InputError: none has them all; the hint says how to get them.
    """
    named = os.environ.get(VARIABLE)
    folders = [files.expanded(named)] if named else usual_folders()
    for folder in folders:
        if is_complete(folder):
            return folder
    where = f"the folder that {VARIABLE} names ({named})" if named else "its usual folders"
    raise InputError(
        f"Fashion-MNIST is not in {where}: four files {', '.join(_file_names())} are needed",
        hint=_ways(),
    )


def is_complete(folder: Path) -> bool:
    """Whether a folder has all four files."""
    return all((folder / name).is_file() for name in _file_names())


def draw(
    split: Part, count: int, *, size: tuple[int, int], channels: int, seed: int
) -> npt.NDArray[np.uint8]:
    """Draw a seeded sample and bring it to a network's input, as `fit` does.

    Returns:
        (count or as many as there are, height, width, channels) uint8, the grey value repeated.

    Raises:
        InputError: the data set is not installed, or damaged.
    """
    images, _ = load(split)
    generator = random.Random(f"{seed} {split}")  # noqa: S311 - no secret is made
    chosen = generator.sample(range(len(images)), min(count, len(images)))
    return np.repeat(fit(images[chosen], size)[..., None], channels, axis=-1)


def fit(images: npt.NDArray[np.uint8], size: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """Bring pictures to a network's input.

    An input of up to 36 pixels a side gets the picture with a black border, as is usual for this
    data set; other inputs get it scaled.

    Args:
        images: (N, 28, 28) uint8.
        size: height and width, pixels.

    Returns:
        (N, height, width) uint8.
    """
    height, width = size
    if min(size) >= SIDE and max(size) <= _MAX_PADDED_SIDE:
        top, left = (height - SIDE) // 2, (width - SIDE) // 2
        return np.pad(images, ((0, 0), (top, height - SIDE - top), (left, width - SIDE - left)))
    from PIL import Image

    fitted = np.empty((len(images), height, width), np.uint8)
    for image, into in zip(images, fitted, strict=True):
        scaled = Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR)
        into[:] = np.asarray(scaled)
    return fitted


def _file_names() -> list[str]:
    kinds = ("images-idx3-ubyte.gz", "labels-idx1-ubyte.gz")
    return [f"{prefix}-{kind}" for prefix in _PREFIX.values() for kind in kinds]


def usual_folders() -> list[Path]:
    """Where the Debian package and Keras put the files."""
    keras = files.expanded(os.environ.get("KERAS_HOME", "~/.keras"))
    prefixes = dict.fromkeys([sys.prefix, "/usr/local", "/usr"])
    debian = [Path(prefix) / "share" / "datasets" / "fashion-mnist" for prefix in prefixes]
    return [*debian, keras / "datasets" / "fashion-mnist"]


def _ways() -> str:
    return (
        "install Debian's package (apt install dataset-fashion-mnist), or let Keras fetch it "
        '(python -c "import keras; keras.datasets.fashion_mnist.load_data()"), '
        f"or set {VARIABLE} to a folder with the four .gz files"
    )


def _read_idx(path: Path, magic: int, item_shape: tuple[int, ...]) -> npt.NDArray[np.uint8]:
    """Read an IDX file of unsigned bytes, (N, *item_shape), and hold that nothing is off."""
    try:
        with files.open_binary(path) as packed, gzip.open(packed) as stream:
            count = _read_header(stream, path, magic, item_shape)
            item = np.zeros(item_shape, np.uint8).size
            data = stream.read(count * item + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path}: damaged gzip file ({error})", hint=_ways()) from error
    if len(data) != count * item:
        state = "more" if len(data) > count * item else "less"
        raise InputError(f"{path}: holds {state} data than its header says", hint=_ways())
    return np.frombuffer(data, np.uint8).reshape(count, *item_shape)


def _read_header(stream: gzip.GzipFile, path: Path, magic: int, item_shape: tuple[int, ...]) -> int:
    header_format = f">{2 + len(item_shape)}I"
    header = stream.read(struct.calcsize(header_format))
    if len(header) < struct.calcsize(header_format):
        raise InputError(f"{path}: ends within its IDX header", hint=_ways())
    numbers: tuple[int, ...] = struct.unpack(header_format, header)
    number, count, shape = numbers[0], numbers[1], numbers[2:]
    if number != magic or shape != item_shape or not 0 < count <= _MAX_IMAGES:
        raise InputError(
            f"{path}: not Fashion-MNIST (IDX magic {number:#x}, {count} items of {shape})",
            hint=_ways(),
        )
    return count
