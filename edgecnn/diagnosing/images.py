"""The images a diagnosis runs on: the artifact's own reference, or the user's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecnn import isolation
from edgecnn.calibration.sampleset import ImageSet, from_arrays, from_pixels
from edgecnn.verifying import REFERENCE, read_reference

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from edgecnn.calibration.sampleset import Split

OF_THE_ARTIFACT = "reference.npz, which calibration did not see"


def load(
    folder: Path, data: str | None, *, shape: tuple[int, ...], samples: int, seed: int
) -> ImageSet:
    """Load images to diagnose on.

    Args:
        folder: the artifact's.
        data: a folder of images, an .npz of inputs, "fashion-mnist"; None for the artifact's
            reference.npz.
        shape: (1, height, width, channels) of the input.
        samples: at most so many.
        seed: of the choice among the user's.

    Raises:
        InputError: as `calibration.sources.load`, or the reference is not there.
    """
    if data is None:
        return of_reference(folder, samples)
    split: Split = isolation.run(
        "edgecnn.calibration.sources:load",
        data,
        what=f"decoding the images of {data}",
        size=(shape[1], shape[2]),
        channels=shape[3],
        samples=1,
        held_out=samples,
        seed=seed,
    )
    return split.held_out


def of_reference(folder: Path, samples: int) -> ImageSet:
    """The first images of an artifact's reference."""
    import numpy as np

    inputs, _ = read_reference(folder / REFERENCE)
    inputs = inputs[:samples]
    if inputs.dtype.name == "uint8":
        return from_pixels(OF_THE_ARTIFACT, inputs.astype(np.uint8))
    return from_arrays(OF_THE_ARTIFACT, inputs.astype(np.float32))


def pixel_high(images: ImageSet) -> float | None:
    """Largest pixel; None for arrays that are fed as they are."""
    return None if images.pixels is None else float(images.pixels.max())


def probe(
    folder: Path, preprocessing: object
) -> tuple[NDArray[np.float32], NDArray[np.float32]] | None:
    """One input of the artifact's reference, and the float logits it gives; None without one."""
    from edgecnn.calibration.preprocessing import preprocess

    if not (folder / REFERENCE).is_file():
        return None
    inputs, logits = read_reference(folder / REFERENCE)
    first = inputs[:1]
    if first.dtype.name == "uint8":
        first = preprocess(first, preprocessing)  # type: ignore[arg-type] # pixels
    return first, logits[:1]  # type: ignore[return-value] # float32
