"""The first runs of an artifact's reference: few, for every one costs a slow device seconds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgecnn import reference
from edgecnn.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from edgecnn.records import Endpoint, Manifest, OutputInfo


@dataclass(frozen=True, eq=False)
class Stored:
    """The first runs of a reference.npz.

    Attributes:
        inputs: an array for each input, (runs * batch, ...); uint8 pixels (N, height, width,
            channels) where the input is float32 and takes pictures.
        outputs: an array for each output, (runs, *shape).
    """

    inputs: tuple[NDArray[Any], ...]
    outputs: tuple[NDArray[Any], ...]


def read(folder: Path, manifest: Manifest, runs: int) -> Stored:
    """Read some runs.

    Raises:
        InputError: it is not there, damaged, of another network, or of an earlier edgecnn.
    """
    stored = reference.read(folder, manifest)
    taken = min(runs, stored.answers.runs)
    try:
        inputs = map(_input, stored.inputs.arrays, manifest.inputs, (taken,) * len(manifest.inputs))
        outputs = [
            values.reshape(stored.answers.runs, *end.shape)[:taken]
            for values, end in zip(stored.answers.outputs, manifest.outputs, strict=True)
        ]
        return Stored(tuple(inputs), tuple(outputs))
    except ValueError as error:
        raise InputError(
            f"{folder / reference.NAME} cannot be read: {error}",
            hint="Export again; the folder is not whole.",
        ) from error


def _batch(end: Endpoint | OutputInfo) -> int:
    return end.shape[0] if end.shape else 1


def _input(values: NDArray[Any], end: Endpoint, runs: int) -> NDArray[Any]:
    pixels = values.dtype.name == "uint8" and end.dtype == "float32"
    if not pixels and values.shape[1:] != end.shape[1:]:
        raise ValueError(f"{end.name} has shape {values.shape}")
    return values[: runs * _batch(end)]
