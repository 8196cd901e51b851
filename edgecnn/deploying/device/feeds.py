"""Pictures and arrays, brought to what a network's inputs take."""

from __future__ import annotations

import os
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn.deploying.device.ends import End, from_pixels, image_input
from edgecnn.deploying.device.trouble import TroubleError
from edgecnn.tasks.placing import Placement, place

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from edgecnn.calibration.images import Picture

ARRAYS = {".npz", ".npy"}
"""Suffixes of files that hold arrays; everything else is a picture."""
# All that numpy and zipfile raise on a damaged file.
_DAMAGE = (OSError, ValueError, KeyError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error)


class UnreadableError(Exception):
    """A file that cannot be fed, and why, as half a sentence."""


@dataclass(frozen=True, eq=False)
class Feed:
    """What one run is fed.

    Attributes:
        file: where it comes from, as the user named it.
        run: its number among the runs of a file of arrays; None for a picture.
        values: an array for each input.
        placement: where the picture lies in the input; None for arrays.
        remarks: what was done to the picture that the user should know.
    """

    file: str
    run: int | None
    values: list[NDArray[Any]]
    placement: Placement | None = None
    remarks: tuple[str, ...] = ()


class Feeder:
    """Reads what the user names for one network.

    Args:
        inputs: of the network.
        preprocessing: the manifest's.
        fit: how a picture is brought to the input's size, one of `edgecnn.tasks.placing.FITS`.
        beside: a file with arrays for the inputs that take no picture.

    Raises:
        TroubleError: `beside` cannot be read.
    """

    def __init__(
        self,
        inputs: Sequence[End],
        preprocessing: dict[str, Any],
        fit: str = "cover",
        beside: Path | None = None,
    ) -> None:
        self._inputs, self._preprocessing, self._fit = inputs, preprocessing, fit
        self._image = image_input(inputs)
        self._beside = self._others(beside) if beside else None

    def read(self, name: str) -> Iterator[Feed]:
        """What a file has to feed: one run of a picture, any number of arrays.

        Raises:
            UnreadableError: the file cannot be used.
            TroubleError: the network takes no picture, or not a picture alone.
        """
        if not Path(name).is_file():
            raise UnreadableError("not a file" if os.path.lexists(name) else "does not exist")
        if Path(name).suffix.lower() in ARRAYS:
            yield from self._arrays(name)
        else:
            yield self._picture(name)

    def _picture(self, name: str) -> Feed:
        from edgecnn.calibration import images

        end = self.image_end
        try:
            picture = images.read(Path(name), end.size)
        except images.UnreadableImageError as error:
            raise UnreadableError(str(error)) from error
        except OSError as error:
            raise UnreadableError(error.strerror or str(error)) from error
        return self.fed(name, picture)

    @property
    def image_end(self) -> End:
        """The input that takes the picture.

        Raises:
            TroubleError: the network takes no picture, or not a picture alone.
        """
        return self._inputs[self._image_end()]

    def fed(self, name: str, picture: Picture) -> Feed:
        """What a decoded picture feeds.

        Raises:
            UnreadableError: it cannot be used.
            TroubleError: as `image_end`.
        """
        from edgecnn.calibration import images

        image, end = self._image_end(), self.image_end
        try:
            decoded = images.fitted(picture, end.size, end.channels, self._fit)
        except images.UnreadableImageError as error:
            raise UnreadableError(str(error)) from error
        pixels = np.repeat(decoded.pixels[np.newaxis], end.batch, axis=0)
        fed = from_pixels(pixels, end, self._preprocessing)
        values = [fed if k == image else array for k, array in enumerate(self._beside or [fed])]
        placement = place(decoded.picture, end.size, self._fit)
        return Feed(name, None, values, placement, decoded.remarks)

    def _image_end(self) -> int:
        """The index of the input that takes the picture."""
        takes = ", ".join(f"{end.name} {end.dtype} {end.shape}" for end in self._inputs)
        if self._image is None:
            raise TroubleError(
                f"this network takes {takes}: no input, or more than one, is a picture",
                f"Feed arrays: {_recipe(self._inputs)}.",
            )
        if len(self._inputs) > 1 and self._beside is None:
            others = [end for k, end in enumerate(self._inputs) if k != self._image]
            raise TroubleError(
                f"this network takes {takes}: a picture feeds one of {len(self._inputs)} inputs",
                f"Name a file for the others with --beside FILE.npz: {_recipe(others)}.",
            )
        return self._image

    def _others(self, path: Path) -> list[NDArray[Any]]:
        """The arrays beside the picture's, in the inputs' order; the picture's place is empty."""
        if self._image is None or len(self._inputs) == 1:
            raise TroubleError(
                "--beside is for a network that takes a picture and something else",
                "Leave it out, and name the file of arrays itself.",
            )
        others = [end for k, end in enumerate(self._inputs) if k != self._image]
        try:
            read = _load(path, others)
        except UnreadableError as error:
            raise TroubleError(f"{path}: {error}", _recipe(others)) from error
        values = [array[: end.batch] for array, end in zip(read, others)]
        return [*values[: self._image], np.zeros(0), *values[self._image :]]

    def _arrays(self, name: str) -> Iterator[Feed]:
        arrays = _load(Path(name), self._inputs)
        for run in range(len(arrays[0]) // self._inputs[0].batch):
            values = [
                array[run * end.batch : (run + 1) * end.batch]
                for array, end in zip(arrays, self._inputs)
            ]
            yield Feed(name, run, values)


def _load(path: Path, inputs: Sequence[End]) -> list[NDArray[Any]]:
    """An array for each input, of one number of runs.

    Raises:
        UnreadableError: one is missing or does not fit.
    """
    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            stored = {"": loaded}
        else:
            with loaded:
                stored = {name: loaded[name] for name in loaded.files}
    except _DAMAGE as error:
        raise UnreadableError(f"no arrays of numpy, or damaged ({error})") from error
    if len(inputs) == 1 and len(stored) == 1:
        stored = {inputs[0].name: next(iter(stored.values()))}
    missing = [end.name for end in inputs if end.name not in stored]
    if missing:
        raise UnreadableError(
            f"no array for the input {' and '.join(missing)}; it holds"
            f" {', '.join(stored) or 'nothing'}; {_recipe(inputs)}"
        )
    arrays = [_fitting(stored[end.name], end) for end in inputs]
    runs = {len(array) // end.batch for array, end in zip(arrays, inputs)}
    if len(runs) > 1:
        raise UnreadableError("its arrays are of different numbers of runs")
    return arrays


def _fitting(array: NDArray[Any], end: End) -> NDArray[Any]:
    fits = array.ndim == len(end.shape) and array.shape[1:] == end.shape[1:]
    if array.ndim == len(end.shape) - 1 and array.shape == end.shape[1:] and end.batch == 1:
        array, fits = array[np.newaxis], True
    if not fits or not len(array) or len(array) % end.batch:
        raise UnreadableError(f"{end.name} is {array.shape}, and the network takes {_shape(end)}")
    dtype = np.dtype(end.dtype)
    if dtype.kind == "f" and array.dtype.kind != "f":
        raise UnreadableError(
            f"{end.name} is {array.dtype}, but it is fed as it is and must be {dtype}"
        )
    fed = array.astype(dtype)
    if dtype.kind != "f" and not np.array_equal(fed, array):
        raise UnreadableError(f"{end.name} has values that do not fit {dtype}")
    return fed


def _shape(end: End) -> str:
    return f"(N{''.join(f', {size}' for size in end.shape[1:])})"


def _recipe(inputs: Sequence[End]) -> str:
    arrays = ", ".join(f"{end.name} {end.dtype} {_shape(end)}" for end in inputs)
    return f"numpy.savez(FILE, **{{NAME: array}}) with {arrays}"
