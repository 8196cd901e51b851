"""How the inputs of each convolution vary together: what adaptive rounding needs to know.

Of every convolution a sample of output positions is taken; what the kernel sees there (a patch,
zeros beyond the border) goes into a running mean and covariance. Only those stay in memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edgecnn.formats.tflite_graph import Operator

# Samples for each input of a dense layer, within limits; a depthwise kernel has only a few taps.
_SAMPLES_PER_INPUT = 2
_FEWEST_SAMPLES, _MOST_SAMPLES = 1024, 4608
_DEPTHWISE_SAMPLES = 256
# Larger covariances (a Flatten of a large map into a Dense) are not worth their memory.
_MOST_INPUTS = 2560
_FLUSH_ROWS = 128


@dataclass(frozen=True)
class LayerInputs:
    """Mean and covariance of what a convolution's kernel sees.

    Attributes:
        mean: float64 (inputs,), or (channels, taps) for a depthwise convolution.
        power: mean square, likewise; 0 for an input that never stirred.
        covariance: float32 (inputs, inputs), or (channels, taps, taps); None for a layer of more
            inputs than it is worth.
    """

    mean: NDArray[np.float64]
    power: NDArray[np.float64]
    covariance: NDArray[np.float32] | None


@dataclass(frozen=True)
class Geometry:
    """Where a convolution's kernel looks: enough to cut patches out of its input.

    Attributes:
        size: height and width of the input.
        kernel: height and width.
        stride: vertical and horizontal.
        dilation: likewise.
        offset: rows above and columns left of the input that are read as zeros.
        outputs: height and width of the output.
    """

    size: tuple[int, int]
    kernel: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    offset: tuple[int, int]
    outputs: tuple[int, int]

    @classmethod
    def of(cls, operator: Operator) -> Geometry:
        """Read it from a CONV_2D, DEPTHWISE_CONV_2D or FULLY_CONNECTED.

        The last takes a tensor of any shape for rows of as many inputs as its weights have; each
        row is a position.
        """
        weights = operator.inputs[1]
        assert weights is not None  # noqa: S101 - no such operator goes without
        if operator.name == "FULLY_CONNECTED":
            rows = (operator.source.elements // weights.shape[-1], 1)
            return cls(rows, (1, 1), (1, 1), (1, 1), (0, 0), rows)
        options = operator.options
        _, height, width, _ = operator.source.shape
        _, kernel_h, kernel_w, _ = weights.shape
        _, out_h, out_w, _ = operator.output.shape
        stride = (options.strideH, options.strideW)
        dilation = (options.dilationHFactor, options.dilationWFactor)
        offset = (0, 0)
        if options.padding == 0:  # SAME (schema.fbs): the odd row goes below, the odd column right
            offset = (
                max((out_h - 1) * stride[0] + (kernel_h - 1) * dilation[0] + 1 - height, 0) // 2,
                max((out_w - 1) * stride[1] + (kernel_w - 1) * dilation[1] + 1 - width, 0) // 2,
            )
        size = (height, width)
        return cls(size, (kernel_h, kernel_w), stride, dilation, offset, (out_h, out_w))

    @property
    def positions(self) -> int:
        """Number of output positions of one image."""
        return self.outputs[0] * self.outputs[1]

    def patches(
        self, image: NDArray[np.float32], positions: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """What the kernel sees at these positions: (positions, taps, channels), zeros outside."""
        height, width, _ = image.shape
        rows = self._coordinates(positions // self.outputs[1], 0)[:, :, None]
        columns = self._coordinates(positions % self.outputs[1], 1)[:, None, :]
        inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
        seen = image[np.clip(rows, 0, height - 1), np.clip(columns, 0, width - 1)]
        if not inside.all():
            seen = seen * inside[..., None]
        return seen.reshape(len(positions), -1, image.shape[2])

    def _coordinates(self, index: NDArray[np.int64], axis: int) -> NDArray[np.int64]:
        taps = np.arange(self.kernel[axis]) * self.dilation[axis] - self.offset[axis]
        return index[:, None] * self.stride[axis] + taps


class LayerAccumulator:
    """Gathers one convolution's `LayerInputs`, image by image."""

    def __init__(
        self,
        geometry: Geometry,
        channels: int,
        *,
        depthwise: bool,
        images: int,
        seed: tuple[int, ...],
    ) -> None:
        self._random = np.random.default_rng(seed)
        taps = geometry.kernel[0] * geometry.kernel[1]
        self._geometry, self._depthwise = geometry, depthwise
        self._shape = (-1, *geometry.size, channels)
        inputs = taps if depthwise else taps * channels
        samples = _DEPTHWISE_SAMPLES if depthwise else int(
            np.clip(_SAMPLES_PER_INPUT * inputs, _FEWEST_SAMPLES, _MOST_SAMPLES))  # fmt: skip
        self._per_image = min(geometry.positions, -(-samples // images))
        self._rows: list[NDArray[np.float32]] = []
        self._count = 0
        # Single-precision products of what varies little around a large mean would keep nothing but
        # rounding errors: all is counted from the first rows' mean.
        self._shift = np.zeros((taps, channels), np.float32)
        self._sum = np.zeros((taps, channels))
        self._squares = np.zeros((taps, channels))
        shape = (channels, taps) if depthwise else (inputs,)
        self._products = None if inputs > _MOST_INPUTS else np.zeros((*shape, inputs), np.float32)

    def add(self, values: NDArray[np.float32]) -> None:
        """Take positions of one image; `values` is what the convolution reads, batch first."""
        picked = self._random.choice(
            self._geometry.positions, self._per_image, replace=False, shuffle=False
        )
        self._rows.append(self._geometry.patches(values.reshape(self._shape)[0], picked))
        if sum(len(rows) for rows in self._rows) >= _FLUSH_ROWS:
            self._flush()

    @np.errstate(over="ignore", invalid="ignore")  # a mask's infinity may be among the inputs
    def _flush(self) -> None:
        if not self._rows:
            return
        patches = np.concatenate(self._rows)
        self._rows = []
        if self._count == 0:
            self._shift = patches.mean(axis=0)
        self._count += len(patches)
        self._squares += np.square(patches).sum(axis=0, dtype=np.float64)
        patches -= self._shift
        self._sum += patches.sum(axis=0, dtype=np.float64)
        if self._products is None:
            return
        if self._depthwise:
            by_channel = np.ascontiguousarray(patches.transpose(2, 1, 0))
            self._products += by_channel @ by_channel.transpose(0, 2, 1)
        else:
            flat = patches.reshape(len(patches), -1)
            self._products += flat.T @ flat

    @property
    def is_empty(self) -> bool:
        """Whether nothing was added."""
        return not (self._count or self._rows)

    def result(self) -> LayerInputs:
        """Mean and covariance of all that was added."""
        self._flush()
        moved = self._sum / self._count
        mean, power = (
            self._by_input(moved + self._shift),
            self._by_input(self._squares / self._count),
        )
        if self._products is None:
            return LayerInputs(mean, power, None)
        left = self._by_input(moved)
        outer = left[..., :, None] * left[..., None, :]
        covariance = (self._products / self._count - outer).astype(np.float32)
        # Inputs of 10^19 and more, in foreign files: their squares are beyond single precision.
        return LayerInputs(mean, power, covariance if np.isfinite(covariance).all() else None)

    def _by_input(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """(taps, channels) as `LayerInputs` has it."""
        return values.T.copy() if self._depthwise else values.reshape(-1)
