"""A set of samples: what a network is fed, run after run, with its content address."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgecnn import layouts
from edgecnn.calibration.preprocessing import preprocess
from edgecnn.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    import numpy.typing as npt

    from edgecnn.records import Endpoint, Preprocessing

# All samples of a set are held at once: 299x299x3 pixels fit 8,000 times.
MAX_SET_BYTES = 2 << 30


@dataclass(frozen=True, eq=False)
class SampleSet:
    """One array for each input of a network; the runs lie one behind the other along axis 0.

    Attributes:
        source: as the manifest names it: "scikit-image photographs", "fashion-mnist", or the
            name of the user's folder or file.
        samples: how many runs there are.
        sha256: content address of the decoded and resized data in its order; it does not depend
            on preprocessing.
        warnings: sentences for the user.
        arrays: by input. uint8 for an input that is float32: pixels (N, H, W, C), RGB or
            luminance, that are still to be scaled. Else what is fed, in the input's own dtype and
            layout.
    """

    source: str
    samples: int
    sha256: str
    warnings: tuple[str, ...]
    arrays: tuple[npt.NDArray[Any], ...]

    def feeds(
        self, inputs: Sequence[Endpoint], preprocessing: Preprocessing
    ) -> Iterator[tuple[npt.NDArray[Any], ...]]:
        """Yield what each run feeds: an array for every input, of its shape, dtype and layout."""
        for run in range(self.samples):
            yield tuple(
                fed(run_of(array, run, endpoint), endpoint, preprocessing)
                for array, endpoint in zip(self.arrays, inputs, strict=True)
            )

    def first(self, samples: int, inputs: Sequence[Endpoint]) -> SampleSet:
        """The first of its runs, as a set of their own."""
        count = min(samples, self.samples)
        arrays = tuple(
            array[: count * rows_of(endpoint)]
            for array, endpoint in zip(self.arrays, inputs, strict=True)
        )
        return SampleSet(self.source, count, content_address(*arrays), self.warnings, arrays)


@dataclass(frozen=True, eq=False)
class Split:
    """Samples to calibrate on, and samples that calibration does not see."""

    calibration: SampleSet
    held_out: SampleSet

    @property
    def warnings(self) -> tuple[str, ...]:
        """All warnings of both sets, each once."""
        return tuple(dict.fromkeys(self.calibration.warnings + self.held_out.warnings))


def rows_of(endpoint: Endpoint) -> int:
    """How far one run reaches along axis 0: the batch, 1 for a scalar."""
    return endpoint.shape[0] if endpoint.shape else 1


def run_of(array: npt.NDArray[Any], run: int, endpoint: Endpoint) -> npt.NDArray[Any]:
    """The part of an array that one run feeds or answers."""
    rows = rows_of(endpoint)
    part = array[run * rows : (run + 1) * rows]
    return part if endpoint.shape else part.reshape(())


def fed(
    values: npt.NDArray[Any], endpoint: Endpoint, preprocessing: Preprocessing
) -> npt.NDArray[Any]:
    """What an input is fed: pixels scaled and brought into its layout, anything else as it is."""
    if holds_pixels(values, endpoint):
        return layouts.convert(preprocess(values, preprocessing), "NHWC", endpoint.layout)
    return values


def holds_pixels(values: npt.NDArray[Any], endpoint: Endpoint) -> bool:
    """Whether an array of samples is pictures that are still to be scaled."""
    return values.dtype.name == "uint8" and endpoint.dtype.startswith("float")


def from_arrays(
    source: str, runs: int, arrays: Sequence[npt.NDArray[Any]], warnings: tuple[str, ...] = ()
) -> SampleSet:
    """Wrap the arrays of so many runs."""
    return SampleSet(source, runs, content_address(*arrays), warnings, tuple(arrays))


def from_pixels(
    source: str,
    pixels: npt.NDArray[np.uint8],
    warnings: tuple[str, ...] = (),
    *,
    image: Endpoint | None = None,
) -> SampleSet:
    """Wrap (N, height, width, channels) uint8 pixels for one image input.

    An input that takes uint8 gets them in its own layout, as they are.
    """
    values: npt.NDArray[Any] = pixels
    batch = 1
    if image is not None:
        batch = rows_of(image)
        if image.dtype == "uint8":
            values = layouts.convert(pixels, "NHWC", image.layout)
    runs = len(values) // batch
    return from_arrays(source, runs, (values[: runs * batch],), warnings)


def content_address(*arrays: npt.NDArray[Any]) -> str:
    """SHA-256 over dtype, shape and values in C order."""
    digest = hashlib.sha256()
    for values in arrays:
        digest.update(f"{values.dtype.str}{values.shape}".encode())
        for item in values:  # one at a time: a copy of all for contiguity would double the memory
            digest.update(item.tobytes())
    return digest.hexdigest()


def check_request(inputs: Sequence[Endpoint], *, samples: int, held_out: int) -> None:
    """Hold that a request makes sense and fits into memory.

    Raises:
        InputError: it does not.
    """
    if samples < 1 or held_out < 1:
        raise InputError(f"at least one calibration sample is needed, not {min(samples, held_out)}")
    run_bytes = sum(math.prod(endpoint.shape) * _item_bytes(endpoint) for endpoint in inputs)
    if run_bytes < 1:
        shapes = " and ".join(str(endpoint.shape) for endpoint in inputs)
        raise InputError(f"a network's input cannot be {shapes}")
    most = MAX_SET_BYTES // run_bytes
    if samples + held_out > most:
        raise InputError(
            f"{samples} calibration samples of {' and '.join(str(e.shape) for e in inputs)} do not"
            f" fit into {MAX_SET_BYTES >> 30} GiB",
            hint=f"--calibration-samples {max(1, most - held_out)} at most; a hundred do",
        )


def _item_bytes(endpoint: Endpoint) -> int:
    """Bytes that a value takes while it waits: pictures wait as pixels."""
    import numpy as np

    return 1 if layouts.is_image(endpoint) else np.dtype(endpoint.dtype).itemsize
