"""The inputs and outputs of a network as its manifest has them, and how the file's differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_IMAGE_RANK = 4
_IMAGE_CHANNELS = (1, 3)
_MIDDLE = 128  # of uint8; what is taken from a pixel to make it int8


@dataclass(frozen=True)
class End:
    """An input or output.

    Attributes:
        name: the model's own.
        dtype: of the source model, numpy's name.
        shape: of the source model, every size fixed.
        layout: of the source model: "NHWC", "NCHW", ...; "" where it is not known.
        file_layout: of the file, likewise.
        kind: of an output: "probabilities", "logits" or "values".
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    layout: str = ""
    file_layout: str = ""
    kind: str = "values"

    @property
    def batch(self) -> int:
        """Rows of an array that one run takes."""
        return self.shape[0] if self.shape else 1

    @property
    def is_image(self) -> bool:
        """Whether a picture can be fed: one or three channels, of floats or bytes."""
        return (
            len(self.shape) == _IMAGE_RANK
            and self.dtype in {"float32", "float16", "uint8", "int8"}
            and self.channels in _IMAGE_CHANNELS
        )

    @property
    def channel_axis(self) -> int:
        """Where an image's channels are; last where nobody said and both would fit."""
        if "C" in self.layout:
            return self.layout.index("C")
        last_fits = self.shape[-1] in _IMAGE_CHANNELS
        return 1 if not last_fits and self.shape[1] in _IMAGE_CHANNELS else len(self.shape) - 1

    @property
    def channels(self) -> int:
        """Of an image."""
        return self.shape[self.channel_axis]

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of an image."""
        first = 2 if self.channel_axis == 1 else 1
        return self.shape[first], self.shape[first + 1]


def ends(manifest: dict[str, Any], which: str) -> tuple[End, ...]:
    """The "inputs" or "outputs" of a manifest, in the model's order."""
    file = next(described for described in manifest["files"] if described["format"] == "tflite")
    return tuple(
        End(
            name=source["name"],
            dtype=source["dtype"],
            shape=tuple(source["shape"]),
            layout=source["layout"],
            file_layout=file[which][k].get("layout", ""),
            kind=source.get("kind", "values"),
        )
        for k, source in enumerate(manifest[which])
    )


def image_input(inputs: Sequence[End]) -> int | None:
    """The index of the one input that takes a picture; None where it is none or several."""
    images = [k for k, end in enumerate(inputs) if end.is_image]
    return images[0] if len(images) == 1 else None


def arranged(values: NDArray[Any], have: str, want: str) -> NDArray[Any]:
    """An array of one layout in another; as it is where they are not of the same axes, or unknown.

    Whoever feeds or reads it holds its shape to what is expected.
    """
    if have == want or sorted(have) != sorted(want):
        return values
    return values.transpose([have.index(axis) for axis in want])


def from_pixels(pixels: NDArray[np.uint8], end: End, preprocessing: dict[str, Any]) -> NDArray[Any]:
    """What an input is fed for pictures.

    Args:
        pixels: (N, height, width, channels) uint8, RGB or grey.
        end: an input that takes images.
        preprocessing: the manifest's: a float input gets (pixel - mean) / std, in the network's
            order of channels; uint8 the pixels, int8 the pixels less 128.

    Returns:
        In the input's own layout and dtype.
    """
    channels = pixels.shape[-1]
    if preprocessing["channel_order"] == "BGR" and channels == _IMAGE_CHANNELS[-1]:
        pixels = pixels[..., ::-1]
    if end.dtype == "uint8":
        fed: NDArray[Any] = pixels
    elif end.dtype == "int8":
        fed = (pixels.astype(np.int16) - _MIDDLE).astype(np.int8)
    else:
        mean = np.asarray(preprocessing["mean"], np.float32)
        std = np.asarray(preprocessing["std"], np.float32)
        fed = (pixels.astype(np.float32) - mean) / std
    return fed.transpose(0, 3, 1, 2) if end.channel_axis == 1 else fed


def runs_of(
    arrays: Sequence[NDArray[Any]], inputs: Sequence[End], preprocessing: dict[str, Any]
) -> list[list[NDArray[Any]]]:
    """Arrays of many runs, as reference.npz has them, as what each run is fed.

    Args:
        arrays: one for each input, (runs * batch, ...); uint8 for a float32 input means pixels.
        inputs: of the network.
        preprocessing: the manifest's.
    """
    runs = len(arrays[0]) // inputs[0].batch
    return [
        [
            _fed(array[run * end.batch : (run + 1) * end.batch], end, preprocessing)
            for array, end in zip(arrays, inputs)
        ]
        for run in range(runs)
    ]


def _fed(values: NDArray[Any], end: End, preprocessing: dict[str, Any]) -> NDArray[Any]:
    if values.dtype == np.uint8 and end.dtype == "float32":
        return from_pixels(values, end, preprocessing)
    return values
