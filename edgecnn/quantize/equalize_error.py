"""The error that `equalize` minimizes, term by term, each with its gradient in the log scales."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LEVELS = 255
_WEIGHT_LEVELS = 127
# A smooth stand-in for the maximum; larger comes closer and converges more slowly.
_NORM = 16
# Adaptive rounding and bias correction later remove most of the error counted here for weights.
_WEIGHT_ERROR_LEFT = 0.3


@dataclass(frozen=True)
class Activations:
    """One tensor's share of the error, as a function of its channels' log scales."""

    variables: NDArray[np.int64]
    above: NDArray[np.float64]
    below: NDArray[np.float64]
    sensitivity: NDArray[np.float64]

    def error(self, theta: NDArray[np.float64], gradient: NDArray[np.float64]) -> float:
        """Return this term's error, and add its slope to `gradient`; both for `theta`."""
        mine = theta[self.variables]
        high, d_high = _smooth_max(self.above, mine)
        low, d_low = _smooth_max(self.below, mine)
        spread = self.sensitivity * np.exp(-2 * mine)
        step_power = ((high + low) / _LEVELS) ** 2 / 12
        total = step_power * spread.sum()
        if high + low > 0:
            slope = total * 2 * (d_high + d_low) / (high + low) - 2 * step_power * spread
            np.add.at(gradient, self.variables, slope)
        return float(total)


@dataclass(frozen=True)
class Weights:
    """One convolution's share: its rows' steps grow with what its inputs' scales do to them."""

    variables: NDArray[np.int64]
    powers: NDArray[np.float32]
    largest: NDArray[np.float64]
    widest: NDArray[np.float64]
    input_power: NDArray[np.float64]
    sensitivity: NDArray[np.float64]

    def error(self, theta: NDArray[np.float64], gradient: NDArray[np.float64]) -> float:
        """Return this term's error, and add its slope to `gradient`; both for `theta`."""
        mine = theta[self.variables]
        shrunk = np.exp(-_NORM * (mine - mine.min()))
        sums = np.maximum(self.powers @ shrunk.astype(np.float32), np.finfo(np.float32).tiny)
        squared_max = np.square(self.largest * np.exp(-mine.min())) * sums ** (2 / _NORM)
        loud = self.input_power * np.exp(2 * mine)
        by_row = _WEIGHT_ERROR_LEFT * self.sensitivity * squared_max / (_WEIGHT_LEVELS**2 * 12)
        total = float(by_row.sum() * loud.sum())
        # A row whose weights all shrink has a tiny sum: in single precision only the shares fit.
        shares = by_row / sums
        peak = max(float(shares.max()), np.finfo(np.float64).tiny)
        pull = ((shares / peak).astype(np.float32) @ self.powers) * shrunk * peak
        slope = 2 * by_row.sum() * loud - 2 * pull * loud.sum()
        np.add.at(gradient, self.variables, slope)
        return total


def _smooth_max(
    values: NDArray[np.float64], theta: NDArray[np.float64]
) -> tuple[float, NDArray[np.float64]]:
    """The p-norm of values * exp(theta), and its gradient in theta."""
    scaled = values * np.exp(theta)
    peak = scaled.max()
    if peak <= 0:
        return 0.0, np.zeros(len(values))
    powers = (scaled / peak) ** _NORM
    total = powers.sum()
    norm = float(peak * total ** (1 / _NORM))
    return norm, norm * powers / total


def sixteenth_power(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Raise to `_NORM` by squaring in place: numpy's own power takes ten times as long."""
    for _ in range(_NORM.bit_length() - 1):
        np.multiply(values, values, out=values)
    return values
