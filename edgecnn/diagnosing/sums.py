"""Sums over runs from which a layer's SNR comes, kept for each channel: memory does not grow."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


class LayerSums:
    """What two tensors have in common, channel by channel.

    Args:
        channels: size of the last axis.
        scale: of the quantized tensor; None where it is float.
        zero_point: likewise.
        saturates_low: whether values on its lowest step are cut off by its range alone; a range
            that begins at zero belongs to a ReLU.
        saturates_high: likewise of the highest; not where an activation has a top of its own.
    """

    def __init__(
        self,
        channels: int,
        scale: float | None,
        zero_point: int,
        *,
        saturates_low: bool,
        saturates_high: bool,
    ) -> None:
        self.channels, self.scale, self.zero_point = channels, scale, zero_point
        self.saturates_low, self.saturates_high = saturates_low, saturates_high
        self.signal = np.zeros(channels)
        self.power = np.zeros(channels)
        self.product = np.zeros(channels)
        self.noise = np.zeros(channels)
        self.saturated = self.values = 0

    def add(self, integers: NDArray[Any], reference: NDArray[np.float32]) -> None:
        """Take one run's tensor of the quantized file, and of the float one."""
        steps = integers.reshape(-1, self.channels)
        real = reference.reshape(-1, self.channels).astype(np.float64)
        values = steps.astype(np.float64)
        if self.scale is not None:
            values = (values - self.zero_point) * self.scale
            limits = np.iinfo(integers.dtype)
            self.saturated += int(self.saturates_high and (steps == limits.max).sum())
            self.saturated += int(self.saturates_low and (steps == limits.min).sum())
        self.values += steps.size
        self.signal += np.square(real).sum(axis=0)
        self.power += np.square(values).sum(axis=0)
        self.product += (real * values).sum(axis=0)
        self.noise += np.square(real - values).sum(axis=0)

    def error(self, factors: NDArray[np.float64] | None) -> NDArray[np.float64]:
        """Sum of squared errors of each channel, (C,).

        Args:
            factors: what each channel of the quantized tensor is multiplied by first, (C,); None
                where the file does not scale channels.
        """
        if factors is None:
            return self.noise
        left = self.signal - 2 * factors * self.product + np.square(factors) * self.power
        return np.maximum(left, 0.0)

    def snr_db(self, factors: NDArray[np.float64] | None) -> float | None:
        """The float tensor's power over the error's; None when there is no error."""
        signal, total = float(self.signal.sum()), float(self.error(factors).sum())
        if total == 0:
            return None
        return 10 * math.log10(signal / total) if signal > 0 else -math.inf

    @property
    def lost(self) -> int:
        """Channels that are zero throughout in the quantized file alone."""
        return int(((self.power == 0) & (self.signal > 0)).sum())

    @property
    def lost_share(self) -> float:
        """Share of the float tensor's power that lay in those channels."""
        total = float(self.signal.sum())
        return float(self.signal[self.power == 0].sum()) / total if total else 0.0

    @property
    def silent(self) -> int:
        """Channels that are zero throughout in both."""
        return int(((self.power == 0) & (self.signal == 0)).sum())
