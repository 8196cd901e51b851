"""reference.npz: the inputs an artifact was compared on, and what the float network gives for them.

It holds x0, x1, ... and y0, y1, ..., an array for every input and output in the source model's
order and layout, the runs one behind the other along axis 0; and z0, ... for each output that ends
in a softmax: what enters it. An x of uint8 for an input that is float32 is pixels (N, H, W, C),
scaled by the manifest's preprocessing before they are fed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgecnn import layouts
from edgecnn.errors import InputError
from edgecnn.files import MIB
from edgecnn.parity import Answers

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from edgecnn.calibration.sampleset import SampleSet
    from edgecnn.records import Endpoint, Manifest

NAME = "reference.npz"
# `write` does not compress: what promises more than this many bytes beyond its own is not ours.
_ALWAYS_BYTES = 64 * MIB


@dataclass(frozen=True, eq=False)
class Reference:
    """An artifact's reference.

    Attributes:
        inputs: what each input was fed.
        answers: of the float network.
    """

    inputs: SampleSet
    answers: Answers


def write(path: Path, reference: Reference) -> None:
    """Write reference.npz; the same arrays give the same bytes."""
    import numpy as np

    inputs = {f"x{k}": values for k, values in enumerate(reference.inputs.arrays)}
    np.savez(path, **inputs, **arrays_of(reference.answers))  # type: ignore[arg-type] # numpy means allow_pickle


def arrays_of(answers: Answers) -> dict[str, NDArray[Any]]:
    """Answers as the arrays of an .npz: y0, y1, ... and z0, ... where there are logits."""
    return {
        **{f"y{k}": values for k, values in enumerate(answers.outputs)},
        **{f"z{k}": values for k, values in enumerate(answers.logits) if values is not None},
    }


def answers_of(arrays: Mapping[str, NDArray[Any]], outputs: int, runs: int) -> Answers:
    """The reverse of `arrays_of`; KeyError where an output's array is missing."""
    return Answers(
        tuple(arrays[f"y{k}"] for k in range(outputs)),
        tuple(arrays.get(f"z{k}") for k in range(outputs)),
        runs,
    )


def read(folder: Path, manifest: Manifest) -> Reference:
    """Read an artifact's reference.npz, and hold it to the ends its manifest lists.

    Raises:
        InputError: it is not there, damaged, of another network, or written by an edgecnn that
            knew one input and one output only.
    """
    from edgecnn.gate import arrays

    path = folder / NAME
    if not manifest.inputs or not manifest.outputs:
        raise InputError(
            f"{folder} was written by an older edgecnn: its manifest lists no inputs and outputs.",
            hint="Export again.",
        )
    try:
        return _checked(arrays.read(path, always_bytes=_ALWAYS_BYTES), manifest)
    except arrays.UNREADABLE as error:
        raise InputError(
            f"{path} cannot be read: {error}", hint="Export again; the folder is not whole."
        ) from error


def _checked(arrays: dict[str, NDArray[Any]], manifest: Manifest) -> Reference:
    from edgecnn.calibration.sampleset import from_arrays, holds_pixels, rows_of

    inputs = [arrays[f"x{k}"] for k in range(len(manifest.inputs))]
    runs = len(inputs[0]) // rows_of(manifest.inputs[0])
    answers = answers_of(arrays, len(manifest.outputs), runs)
    for k, (values, endpoint) in enumerate(zip(inputs, manifest.inputs, strict=True)):
        if values.dtype.name != endpoint.dtype and not holds_pixels(values, endpoint):
            raise ValueError(f"x{k} is {values.dtype}, the input {endpoint.name} {endpoint.dtype}")
        _check_runs(f"x{k}", values, runs, rows_of(endpoint))
        if values.shape[1:] != _run_shape(values, endpoint):
            raise ValueError(f"x{k} has the shape {values.shape}, {endpoint.name} {endpoint.shape}")
        _check_finite(f"x{k}", values)
    for k, (values, info) in enumerate(zip(answers.outputs, manifest.outputs, strict=True)):
        if values.dtype.kind not in "fiub":
            raise ValueError(f"y{k} is {values.dtype}")
        _check_runs(f"y{k}", values, runs, info.shape[0] if info.shape else 1)
        _check_finite(f"y{k}", values)
    for k, scores in enumerate(answers.logits):
        if scores is not None:
            _check_finite(f"z{k}", scores)
    return Reference(from_arrays(NAME, runs, inputs), answers)


def _run_shape(values: NDArray[Any], endpoint: Endpoint) -> tuple[int, ...]:
    """What follows the first axis of an input's array: of pixels (height, width, channels)."""
    from edgecnn.calibration.sampleset import holds_pixels

    if not holds_pixels(values, endpoint):
        return endpoint.shape[1:]
    if not layouts.is_image(endpoint):
        raise ValueError(f"{endpoint.name} takes no pictures")
    size, channels = layouts.image_size(endpoint)
    return *size, channels


def _check_runs(name: str, values: NDArray[Any], runs: int, rows: int) -> None:
    if not values.size or len(values) != runs * rows:
        raise ValueError(f"{name} has the shape {values.shape}, for {runs} runs of {rows}")


def _check_finite(name: str, values: NDArray[Any]) -> None:
    import numpy as np

    if not np.isfinite(values).all():
        raise ValueError(f"{name} holds numbers that are not finite")
