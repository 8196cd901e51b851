"""A set of images or arrays: what a network is fed, one at a time, with its content address."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgecnn.calibration.preprocessing import preprocess
from edgecnn.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    import numpy.typing as npt

    from edgecnn.records import Preprocessing

# All images of a set are held at once: 299x299x3 pixels fit 8,000 times.
MAX_SET_BYTES = 2 << 30


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Decoded images, or arrays fed as they are. Exactly one of `pixels` and `arrays` is set.

    Attributes:
        source: as the manifest names it: "scikit-image photographs", "fashion-mnist", or the
            name of the user's folder or file.
        samples: how many.
        sha256: content address of the decoded and resized data in its order; it does not depend
            on preprocessing.
        warnings: sentences for the user.
        pixels: (samples, height, width, channels) uint8, RGB or luminance.
        arrays: (samples, height, width, channels) float32, already scaled by the user.
    """

    source: str
    samples: int
    sha256: str
    warnings: tuple[str, ...]
    pixels: npt.NDArray[np.uint8] | None = None
    arrays: npt.NDArray[np.float32] | None = None

    def feed(self, preprocessing: Preprocessing) -> Iterator[npt.NDArray[np.float32]]:
        """Yield one (1, height, width, channels) float32 input after the other.

        Arrays of an .npz are yielded as they are; preprocessing is for pixels.
        """
        for index in range(self.samples):
            if self.arrays is not None:
                yield self.arrays[index : index + 1]
            else:
                assert self.pixels is not None  # noqa: S101 - for the type checker: one is set
                yield preprocess(self.pixels[index : index + 1], preprocessing)


@dataclass(frozen=True, eq=False)
class Split:
    """Images to calibrate on, and images that calibration does not see."""

    calibration: ImageSet
    held_out: ImageSet

    @property
    def warnings(self) -> tuple[str, ...]:
        """All warnings of both sets, each once."""
        return tuple(dict.fromkeys(self.calibration.warnings + self.held_out.warnings))


def from_pixels(
    source: str, pixels: npt.NDArray[np.uint8], warnings: tuple[str, ...] = ()
) -> ImageSet:
    """Wrap (samples, height, width, channels) uint8 pixels."""
    return ImageSet(source, len(pixels), content_address(pixels), warnings, pixels=pixels)


def from_arrays(
    source: str, arrays: npt.NDArray[np.float32], warnings: tuple[str, ...] = ()
) -> ImageSet:
    """Wrap (samples, height, width, channels) float32 arrays."""
    return ImageSet(source, len(arrays), content_address(arrays), warnings, arrays=arrays)


def content_address(values: npt.NDArray[np.uint8] | npt.NDArray[np.float32]) -> str:
    """SHA-256 over dtype, shape and values in C order."""
    digest = hashlib.sha256(f"{values.dtype.str}{values.shape}".encode())
    for item in values:  # one at a time: a copy of all for contiguity would double the memory
        digest.update(item.tobytes())
    return digest.hexdigest()


def check_request(
    *, size: tuple[int, int], channels: int, samples: int, held_out: int, item_bytes: int = 1
) -> None:
    """Hold that a request makes sense and fits into memory.

    Raises:
        InputError: it does not.
    """
    if samples < 1 or held_out < 1:
        raise InputError(f"at least one calibration sample is needed, not {min(samples, held_out)}")
    if min(size) < 1 or channels < 1:
        raise InputError(f"a network's input cannot be {size[0]}x{size[1]}x{channels}")
    image_bytes = size[0] * size[1] * channels * item_bytes
    most = MAX_SET_BYTES // image_bytes
    if samples + held_out > most:
        raise InputError(
            f"{samples} calibration samples of {size[0]}x{size[1]}x{channels} do not fit into "
            f"{MAX_SET_BYTES >> 30} GiB",
            hint=f"--calibration-samples {max(1, most - held_out)} at most; a hundred do",
        )
