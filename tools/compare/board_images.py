"""The board's pictures: for every kind some to calibrate on and others to evaluate on.

No photograph, face or piece of print serves for both. Photographs are whole pictures apart; of the
two scanned pages one half calibrates and the other evaluates; faces are fifty and fifty of the 100
that scikit-image has of Labeled Faces in the Wild, pasted into every second photograph; clothes are
Fashion-MNIST's train and test split.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from trials.model_samples import scaled

from edgecnn.calibration import fashion_mnist, photographs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]

Kind = Literal["photographs", "faces", "lines", "pages", "clothes"]
Part = Literal["calibration", "evaluation"]

_PAGES = ("page.png", "text.png")
# Shares of half a page's height that a line of print, and that a window for a detector takes.
_LINES = (0.16, 0.36)
_WINDOWS = (0.4, 1.0)
_FACES = 50
_FACE_SHARE = (0.3, 1.0)


def pictures(kind: Kind, part: Part, count: int, size: tuple[int, int]) -> Pixels:
    """Cut seeded pictures; the first ones of many are those of few.

    Args:
        kind: what they show.
        part: what they are for.
        count: how many.
        size: height and width, pixels.

    Returns:
        (count, height, width, 3) uint8, RGB.
    """
    if kind == "clothes":
        split: fashion_mnist.Part = "train" if part == "calibration" else "test"
        return fashion_mnist.draw(split, count, size=size, channels=3, seed=0)
    rng = np.random.default_rng(0)
    if kind in {"lines", "pages"}:
        pages = [_half(name, part) for name in _PAGES]
        shares = _LINES if kind == "lines" else _WINDOWS
        return np.stack([_window(pages[k % 2], size, shares, rng) for k in range(count)])
    names = photographs.CALIBRATION if part == "calibration" else photographs.HELD_OUT
    cut = photographs.crops(names, count, size=size, channels=3, seed=0)
    return _with_faces(cut, part, rng) if kind == "faces" else cut


def _data() -> Path:
    import skimage

    return Path(skimage.__file__).parent / "data"


def _half(name: str, part: Part) -> Pixels:
    """The upper half of a page for calibration, the lower one for evaluation."""
    from PIL import Image

    with Image.open(_data() / name) as picture:
        page = np.asarray(picture.convert("RGB"))
    middle = page.shape[0] // 2
    return page[:middle] if part == "calibration" else page[middle:]


def _window(
    page: Pixels, size: tuple[int, int], shares: tuple[float, float], rng: np.random.Generator
) -> Pixels:
    height = round(rng.uniform(*shares) * page.shape[0])
    width = min(page.shape[1], round(height * size[1] / size[0]))
    top, left = (int(rng.integers(0, page.shape[k] - n + 1)) for k, n in enumerate((height, width)))
    return scaled(page[top : top + height, left : left + width], size)


def _with_faces(cut: Pixels, part: Part, rng: np.random.Generator) -> Pixels:
    """Paste a face into every second picture: at a place and of a size drawn for each."""
    grey = np.load(_data() / "lfw_subset.npy")
    first = 0 if part == "calibration" else _FACES
    pasted = cut.copy()
    for index in range(0, len(cut), 2):
        face = np.uint8(np.round(grey[first + index // 2 % _FACES] * 255))
        side = max(1, round(rng.uniform(*_FACE_SHARE) * min(cut.shape[1:3])))
        top, left = (int(rng.integers(0, extent - side + 1)) for extent in cut.shape[1:3])
        colours = np.repeat(np.asarray(face)[..., None], 3, axis=-1)
        pasted[index, top : top + side, left : left + side] = scaled(colours, (side, side))
    return pasted
