"""Views of the pictures at hand, where they are too few to show how far activations reach.

A file of eight pictures clips what the ninth stirs. Mirrored, cut out, and under another contrast
and light the same eight stir channels further, in the directions in which other pictures would; so
that equalized channels, of which each has to be known, gain as well. (Trained xception-mini, 8
images: 27.2 dB before there were views, 33.2 with 24 of them; for a trained twin of xception, which
has nothing to equalize, 28.1 and 26.8.)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgecnn import layouts
from edgecnn.calibration.sampleset import SampleSet, content_address, holds_pixels

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from numpy.typing import NDArray

    from edgecnn.records import Endpoint

ENOUGH = 32
"""So many samples need no views."""
_SMALLEST = 0.6  # of a side that is cut out
_CONTRAST = (0.6, 1.6)
_LIGHT = 0.15  # of the pictures' range, up or down, each channel on its own


@dataclass(frozen=True, eq=False)
class Enlarged:
    """Samples, and views of them behind.

    Attributes:
        samples: all of them.
        origin: of each run, the sample that it is, or is a view of; int64 (runs,).
    """

    samples: SampleSet
    origin: NDArray[np.int64]

    @property
    def views(self) -> int:
        """How many of the runs are views."""
        return len(self.origin) - int(self.origin.max(initial=-1)) - 1

    @property
    def note(self) -> str:
        """For the manifest; "" without views."""
        if not self.views:
            return ""
        return (
            f"only {len(self.origin) - self.views} calibration samples: {self.views} augmented"
            " views of them (flipped, cropped, other contrast and brightness) were added"
        )


def enlarge(samples: SampleSet, inputs: Sequence[Endpoint], seed: int | None) -> Enlarged:
    """Add views until there are `ENOUGH` samples, one of each at least.

    None to a network of other inputs than a picture.

    Args:
        samples: to calibrate on.
        inputs: of the network.
        seed: of the views; None for no views.
    """
    origin = np.arange(samples.samples)
    count = samples.samples
    missing = max(ENOUGH - count, count)
    if seed is None or count >= ENOUGH or not _is_picture(samples, inputs):
        return Enlarged(samples, origin)
    (image,), (pictures,) = inputs, samples.arrays
    layout = "NHWC" if holds_pixels(pictures, image) else image.layout
    by_axes = layouts.convert(pictures, layout, "NHWC")
    limits = float(by_axes.min()), float(by_axes.max())
    rng = np.random.default_rng((seed, 3))
    of = np.arange(missing) % count
    views = np.stack([_view(by_axes[run], limits, rng) for run in of])
    joined = np.concatenate([pictures, layouts.convert(views, "NHWC", layout)])
    enlarged = SampleSet(
        samples.source, len(joined), content_address(joined), samples.warnings, (joined,)
    )
    return Enlarged(enlarged, np.concatenate([origin, of]))


def _is_picture(samples: SampleSet, inputs: Sequence[Endpoint]) -> bool:
    """Whether there is one input, which takes one picture a run, in numbers that can be scaled."""
    if len(inputs) != 1 or not layouts.is_image(inputs[0]):
        return False
    dtype = samples.arrays[0].dtype
    return inputs[0].shape[inputs[0].layout.index("N")] == 1 and (
        dtype.kind == "f" or dtype.name == "uint8"
    )


def _view(
    picture: NDArray[Any], limits: tuple[float, float], rng: np.random.Generator
) -> NDArray[Any]:
    """One picture (H, W, C) seen otherwise; of its dtype, within the limits."""
    seen = _cut_out(picture, rng)
    seen = seen[:, ::-1] if rng.random() < 1 / 2 else seen
    mean, width = seen.mean(axis=(0, 1), dtype=np.float64), limits[1] - limits[0]
    light = rng.uniform(-_LIGHT, _LIGHT, mean.shape) * width
    values = np.clip((seen - mean) * rng.uniform(*_CONTRAST) + mean + light, *limits)
    rounded: NDArray[Any] = np.rint(values) if picture.dtype.kind == "u" else values
    return rounded.astype(picture.dtype)


def _cut_out(picture: NDArray[Any], rng: np.random.Generator) -> NDArray[Any]:
    """A part of a picture, as large as the picture was: each pixel is the one nearest to it."""
    share, rows_columns = rng.uniform(_SMALLEST, 1.0), []
    for size in picture.shape[:2]:
        kept = max(1, int(size * share))
        rows_columns.append(rng.integers(0, size - kept + 1) + np.arange(size) * kept // size)
    part: NDArray[Any] = picture[np.ix_(*rows_columns)]
    return part
