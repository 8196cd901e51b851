"""Dilated pooling, which TFLite has not: the maximum of slices, one axis after the other."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn.convert.onnx_import.lazy import tf
from edgecnn.convert.onnx_import.windows import windows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edgecnn.convert.onnx_import.node import Node
    from edgecnn.convert.onnx_import.value import Value
    from edgecnn.convert.onnx_import.windows import Windows


def dilated_max(node: Node) -> Value:
    """A MaxPool whose windows leave elements out; the border counts as minus infinity."""
    if node.get("auto_pad", "NOTSET").startswith("SAME"):
        raise node.refused("runtimes pad its dilated windows differently (auto_pad)")
    over = windows(node, node.get("kernel_shape"))
    tensor = over.tensor
    for axis in range(len(over.kernel)):
        if not _within(over, axis).any(axis=1).all():
            raise node.refused("one of its windows holds nothing but the border")
        tensor = _along(over, axis, tensor)
    return over.result(tensor, nonnegative=node.value(0).nonnegative)


def _within(over: Windows, axis: int) -> NDArray[np.bool_]:
    """Which elements of each window are no border: (windows, kernel)."""
    starts = np.arange(over.steps[axis]) * over.strides[axis] - over.pads[axis][0]
    places = starts[:, None] + np.arange(over.kernel[axis]) * over.dilations[axis]
    return np.asarray((places >= 0) & (places < over.sizes[axis]))


def _along(over: Windows, axis: int, tensor: Any) -> Any:  # noqa: ANN401 - tf.Tensor
    """The maximum over the windows of one axis."""
    stored, step = axis + 1, over.dilations[axis]
    if any(over.pads[axis]):
        index = tf.constant(_mirrored(over, axis))
        tensor = tf.gather(tensor, index, axis=stored)
    reach = (over.steps[axis] - 1) * over.strides[axis] + 1
    slices = []
    for element in range(over.kernel[axis]):
        cut = [slice(None)] * len(tensor.shape)
        cut[stored] = slice(element * step, element * step + reach, over.strides[axis])
        slices.append(tensor[tuple(cut)])
    return functools.reduce(tf.maximum, slices)


def _mirrored(over: Windows, axis: int) -> NDArray[np.int32]:
    """For each place of the padded axis the element that stands in for it there.

    A border's place is taken by the nearest element that every window of the border's place has
    too, whole steps of the dilation away: no maximum changes, and no range that calibration sees.
    """
    (front, behind), size, step = over.pads[axis], over.sizes[axis], over.dilations[axis]
    places = np.arange(-front, size + behind)
    places = np.where(places < 0, places % step, places)
    beyond = np.maximum(places - size + 1, 0)
    return np.asarray(np.clip(places - -(-beyond // step) * step, 0, size - 1), np.int32)
