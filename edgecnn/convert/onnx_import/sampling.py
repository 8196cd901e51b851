"""Where a resized axis takes its elements from, as ONNX defines it, in numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Axis:
    """A resized axis.

    Attributes:
        size: before.
        out: after.
        scale: out / size, or what the model says instead.
        mode: ONNX's coordinate_transformation_mode.
    """

    size: int
    out: int
    scale: float
    mode: str

    @property
    def coordinates(self) -> NDArray[np.float64]:
        """The source coordinate of each element after, as ONNX has it."""
        return source(self.mode, self.size, self.out, self.scale)


def source(mode: str, size: int, out: int, scale: float) -> NDArray[np.float64]:
    """Source coordinates; ONNX computes them in float32, and ties depend on that."""
    x, factor = np.arange(out, dtype=np.float32), np.float32(scale)
    if mode == "align_corners":
        ratio = (size - 1) / (out - 1) if out > 1 else 0.0
        return np.asarray(x * ratio, np.float64)
    if mode == "asymmetric":
        return np.asarray(x / factor, np.float64)
    if mode == "pytorch_half_pixel" and out == 1:
        return np.zeros(1)
    if mode == "tf_half_pixel_for_nn":
        return np.asarray((x + 0.5) / factor, np.float64)
    if mode == "half_pixel_symmetric":
        adjustment = out / (scale * size)
        offset = size / 2 * (1 - adjustment)
        return np.asarray(offset + (x + 0.5) / factor - 0.5, np.float64)
    return np.asarray((x + np.float32(0.5)) / factor - np.float32(0.5), np.float64)


def nearest(axis: Axis, rounding: str) -> NDArray[np.int64]:
    """The index each element after is a copy of."""
    at = axis.coordinates
    rounded = {
        "floor": np.floor(at),
        "ceil": np.ceil(at),
        "round_prefer_ceil": np.floor(at + 0.5),
        "round_prefer_floor": np.ceil(at - 0.5),
    }[rounding]
    return np.asarray(np.clip(rounded, 0, axis.size - 1), np.int64)


def taps(
    axis: Axis, mode: str, cubic: float
) -> list[tuple[NDArray[np.int64], NDArray[np.float32]]]:
    """Indices and weights whose weighted sum each element after is."""
    at = axis.coordinates
    if mode == "linear":
        at = np.clip(at, 0, axis.size - 1)
    base = np.floor(at)
    part = at - base
    weights = {-1: _cubic(part + 1, cubic), 0: _cubic(part, cubic),
               1: _cubic(1 - part, cubic), 2: _cubic(2 - part, cubic)}  # fmt: skip
    if mode == "linear":
        weights = {0: 1 - part, 1: part}
    return [
        (np.clip(base + offset, 0, axis.size - 1).astype(np.int64), weight.astype(np.float32))
        for offset, weight in weights.items()
    ]


def _cubic(distance: NDArray[np.float64], a: float) -> NDArray[np.float64]:
    """Keys's kernel."""
    x = np.abs(distance)
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
    return np.where(x <= 1, near, np.where(x < 2, far, 0))  # noqa: PLR2004 - its reach
