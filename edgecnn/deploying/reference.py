"""Reads reference.npz: inputs x0, x1, ... and the float network's outputs y0, y1, ..."""

from __future__ import annotations

import struct
import zipfile
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgecnn.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from edgecnn.records import Endpoint, Manifest, OutputInfo

# All that numpy and zipfile raise on a damaged file.
_UNREADABLE = (
    OSError, ValueError, KeyError, EOFError, AttributeError, MemoryError, NotImplementedError,
    OverflowError, RuntimeError, TypeError, struct.error, zipfile.BadZipFile, zlib.error,
)  # fmt: skip


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


def read(path: Path, manifest: Manifest, runs: int) -> Stored:
    """Read some runs.

    Raises:
        InputError: it is not there, damaged, or of an earlier edgecnn.
    """
    import numpy as np

    try:
        with np.load(path, allow_pickle=False) as arrays:
            if "x0" not in arrays.files:
                raise ValueError("an earlier edgecnn wrote it")
            inputs = [arrays[f"x{k}"] for k in range(len(manifest.inputs))]
            outputs = [arrays[f"y{k}"] for k in range(len(manifest.outputs))]
        available = len(inputs[0]) // _batch(manifest.inputs[0])
        taken = min(runs, available)
        if not taken:
            raise ValueError("it holds no run")
        fed = map(_input, inputs, manifest.inputs, (taken,) * len(inputs))
        given = map(_output, outputs, manifest.outputs, (available,) * len(outputs))
        return Stored(tuple(fed), tuple(values[:taken] for values in given))
    except _UNREADABLE as error:
        raise InputError(
            f"{path} cannot be read: {error}", hint="Export again; the folder is not whole."
        ) from error


def _batch(end: Endpoint | OutputInfo) -> int:
    return end.shape[0] if end.shape else 1


def _input(values: NDArray[Any], end: Endpoint, runs: int) -> NDArray[Any]:
    pixels = values.dtype.name == "uint8" and end.dtype == "float32"
    if not pixels and values.shape[1:] != end.shape[1:]:
        raise ValueError(f"{end.name} has shape {values.shape}")
    if len(values) < runs * _batch(end):
        raise ValueError(f"{end.name} has {len(values)} rows")
    return values[: runs * _batch(end)]


def _output(values: NDArray[Any], end: OutputInfo, runs: int) -> NDArray[Any]:
    """(runs, *shape) of what lies concatenated along the first axis."""
    return values.reshape(runs, *end.shape)
