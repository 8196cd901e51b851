"""The samples a diagnosis runs on: the artifact's own reference, or the user's."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from edgecnn import isolation
from edgecnn.calibration.sampleset import holds_pixels
from edgecnn.calibration.sources import Sampling

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgecnn.calibration.sampleset import SampleSet, Split
    from edgecnn.records import Endpoint
    from edgecnn.reference import Reference

OF_THE_ARTIFACT = "reference.npz, which calibration did not see"


def load(data: str, inputs: Sequence[Endpoint], *, samples: int, seed: int) -> SampleSet:
    """The user's samples.

    Args:
        data: a folder of images, an .npz with an array for each input, or "fashion-mnist".
        inputs: of the source model, in its layout.
        samples: at most so many.
        seed: of the choice among them.

    Raises:
        InputError: as `calibration.sources.load`.
    """
    split: Split = isolation.run(
        "edgecnn.calibration.sources:load",
        Sampling(data, samples=1, held_out=samples, seed=seed),
        tuple(inputs),
        what=f"decoding the samples of {data}",
    )
    return split.held_out


def of_reference(reference: Reference, inputs: Sequence[Endpoint], samples: int) -> SampleSet:
    """The first samples of an artifact's reference."""
    return replace(reference.inputs.first(samples, inputs), source=OF_THE_ARTIFACT)


def pixel_high(samples: SampleSet, inputs: Sequence[Endpoint]) -> float | None:
    """Largest pixel that is still to be scaled; None for arrays that are fed as they are."""
    highest = [
        float(values.max())
        for values, end in zip(samples.arrays, inputs, strict=True)
        if holds_pixels(values, end)
    ]
    return max(highest, default=None)
