"""Layouts of tensors, one letter an axis: "NHWC" or "NCHW" for images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edgecnn.records import Endpoint

CHANNELS_LAST = {3: "NWC", 4: "NHWC", 5: "NDHWC"}
"""By rank, what TensorFlow, Keras and TFLite call an image, a sequence and a volume."""

_IMAGE_CHANNELS = (1, 3)


def axes(source: str, target: str) -> tuple[int, ...] | None:
    """The permutation that brings one layout to the other; None where none is needed or known."""
    if source == target or sorted(source) != sorted(target):
        return None
    return tuple(source.index(letter) for letter in target)


def convert(array: NDArray[Any], source: str, target: str) -> NDArray[Any]:
    """The array with its axes in the target's order, contiguous."""
    import numpy as np

    order = axes(source, target)
    return array if order is None else np.ascontiguousarray(array.transpose(order))


def in_file(endpoint: Endpoint, file_format: str) -> str:
    """The layout that an end of the source model has in a file: a .tflite is channels last."""
    letters = endpoint.layout
    if file_format != "tflite" or "C" not in letters:
        return letters
    return letters.replace("C", "") + "C"


def is_image(endpoint: Endpoint) -> bool:
    """Whether pictures can be fed to it: a batch of grey or RGB images in a known layout."""
    return (
        sorted(endpoint.layout) == sorted("NHWC")
        and endpoint.shape[endpoint.layout.index("C")] in _IMAGE_CHANNELS
    )


def image_size(endpoint: Endpoint) -> tuple[tuple[int, int], int]:
    """((height, width), channels) of an image endpoint."""
    size = dict(zip(endpoint.layout, endpoint.shape, strict=True))
    return (size["H"], size["W"]), size["C"]
