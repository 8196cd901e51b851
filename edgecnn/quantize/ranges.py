"""From an activation's statistics to the range its int8 scale covers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from edgecnn.calibration.statistics import TensorStatistics

Method = Literal["minmax", "percentile", "mse"]
Range = tuple[float, float]

_LEVELS = 255
_PERCENTILE = 99.99
_MARGIN = 1.05
_BINS = 2048
_FEW_VALUES = 2000  # of a channel
_REACH = 4.0  # standard deviations
_FEWEST_EXTREMES = 2
# Of the extremes; within the network what is cut off once costs less than coarser steps throughout.
_STRETCH = 3.0
# Rounding errors are independent and average out downstream; what is cut off is cut off in the same
# direction at every position, and does not. (Trained xception-mini: 17 dB with 1, 22 with 32.)
_CLIPPING_WEIGHT = 32.0
# A scale below float32's smallest normal number is none.
_NARROWEST = _LEVELS * float(np.finfo(np.float32).tiny)
# Shares of the full range that are tried as clipping limits.
_SHARES = np.concatenate([np.linspace(1.0, 0.3, 36), np.geomspace(0.28, 0.05, 12)])


def minmax(statistics: TensorStatistics) -> Range:
    """All that was seen; zero is always inside, since padding and ReLU need it exactly."""
    return min(statistics.minimum, 0.0), max(statistics.maximum, 0.0)


def percentile(statistics: TensorStatistics) -> Range:
    """The middle 99.98% of the values."""
    low, high = np.percentile(statistics.sample, [100 - _PERCENTILE, _PERCENTILE])
    return min(float(low), 0.0), max(float(high), 0.0)


def mse(statistics: TensorStatistics) -> Range:
    """The range with the least squared error: finer steps against values cut off.

    Searched on a histogram, first both limits together, then each alone. Exact zeros cost nothing
    whatever the range, and are left out.
    """
    low, high = minmax(statistics)
    if low == high:
        return low, high
    # In double precision: between subnormals, or float32's extremes, there is no room for bins.
    values = statistics.sample[statistics.sample != 0].astype(np.float64)
    counts, edges = np.histogram(values, bins=_BINS, range=(low, high))
    histogram = counts.astype(np.float64), (edges[1:] + edges[:-1]) / 2
    lows, highs = low * _SHARES, high * _SHARES
    best_low, best_high = _best(histogram, lows, highs)
    if low < 0 < high:
        best_low, _ = _best(histogram, lows, np.full_like(lows, best_high))
        _, best_high = _best(histogram, np.full_like(highs, best_low), highs)
    return best_low, best_high


def _best(
    histogram: tuple[NDArray[np.float64], NDArray[np.float64]],
    lows: NDArray[np.float64],
    highs: NDArray[np.float64],
) -> Range:
    """The limits that lose least, of (N,) and (N,); the first of equals."""
    counts, centers = histogram
    steps = (highs - lows) / _LEVELS
    beyond = centers - np.clip(centers, lows[:, None], highs[:, None])
    squared = np.where(
        beyond == 0, (steps * steps / 12)[:, None], _CLIPPING_WEIGHT * np.square(beyond)
    )
    least = int(np.argmin([np.dot(counts, row) for row in squared]))
    return float(lows[least]), float(highs[least])


def reached(statistics: TensorStatistics, deviations: float = _REACH) -> Range:
    """How far other images may reach: `beyond` of the parts' extremes."""
    return beyond(statistics.lows.min(axis=1), statistics.highs.max(axis=1), deviations)


def beyond(
    lows: NDArray[np.floating], highs: NDArray[np.floating], deviations: float = _REACH
) -> Range:
    """How far other images may reach, told from how far the extremes of these lie apart.

    Each part of the images has its own largest value. Their mean and four standard deviations is
    passed by one in three hundred such parts, three by one in ninety (of a Gumbel distribution,
    which extremes tend to), however few parts there are; never less than what was seen. Of one part
    alone nothing is told.

    Args:
        lows: smallest value of each part, (parts,).
        highs: largest likewise.
        deviations: how many.
    """
    low, high = min(float(lows.min()), 0.0), max(float(highs.max()), 0.0)
    if len(lows) < _FEWEST_EXTREMES:
        return low, high
    below = float(lows.mean(dtype=np.float64) - deviations * lows.std(ddof=1, dtype=np.float64))
    above = float(highs.mean(dtype=np.float64) + deviations * highs.std(ddof=1, dtype=np.float64))
    return min(low, below) if low < 0 else low, max(high, above) if high > 0 else high


def channels_reached(
    statistics: TensorStatistics, deviations: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """As `reached`, of each channel on its own, (C,) and (C,), without zero being put in."""
    low, high = statistics.low, statistics.high
    if len(statistics.lows) < _FEWEST_EXTREMES:
        return low, high
    lows, highs = statistics.lows, statistics.highs
    below = lows.mean(axis=0) - deviations * lows.std(axis=0, ddof=1)
    above = highs.mean(axis=0) + deviations * highs.std(axis=0, ddof=1)
    return np.minimum(low, below), np.maximum(high, above)


def with_margin(statistics: TensorStatistics) -> Range:
    """More than was seen: for the logits, where what is cut off is the answer.

    The largest logit of a hundred images is passed by others (trained vgg, unseen images: 42.0 dB
    SNR without the margin, 42.7 with it), that of eight by far.
    """
    low, high = minmax(statistics)
    below, above = reached(statistics)
    return _with_width((min(low * _MARGIN, below), max(high * _MARGIN, above)))


def of_end(statistics: TensorStatistics) -> Range:
    """As `with_margin`; and of an output of few numbers, which others will pass, what they allow.

    The largest of a hundred values lies at about 2.5 standard deviations; one in a hundred unseen
    ones lies beyond. Four of them cost a bit of resolution at most.
    """
    low, high = with_margin(statistics)
    if len(statistics.sample) <= _FEW_VALUES:
        low, high = _with_tails((low, high), statistics.sample)
    return _with_width((low, high))


def of_vector(limits: Range, rows: NDArray[np.floating]) -> Range:
    """A range of one number a channel and run, such as an average over a map, with its tails.

    What others have beyond it is cut off whole, and nothing averages that out. An end that several
    runs reach exactly is a bound (of a ReLU6, a hard sigmoid), and stays.

    Args:
        limits: (low, high) that a method chose, zero inside.
        rows: what was seen, (runs, channels).
    """
    if not 1 < len(rows) <= _FEW_VALUES:
        return limits
    low, high = _with_tails(limits, rows)
    extremes = float(rows.min()), float(rows.max())
    bounded = [int((rows == extreme).sum()) > 1 for extreme in extremes]
    return limits[0] if bounded[0] else low, limits[1] if bounded[1] else high


def _with_tails(limits: Range, rows: NDArray[np.floating]) -> Range:
    low, high = limits
    values = rows.astype(np.float64)
    mean, reach = values.mean(axis=0), _REACH * values.std(axis=0)
    low = min(low, float((mean - reach).min())) if low < 0 else low
    high = max(high, float((mean + reach).max())) if high > 0 else high
    return low, high


METHODS: dict[str, Callable[[TensorStatistics], Range]] = {
    "minmax": minmax,
    "percentile": percentile,
    "mse": mse,
}


class Chooser:
    """The ranges of all tensors; a method's, which take time, are made once.

    Args:
        statistics: by tensor name.
    """

    def __init__(self, statistics: Mapping[str, TensorStatistics]) -> None:
        self._statistics = statistics
        self._by_method: dict[str, dict[str, Range]] = {}

    def choose(
        self, method: str, *, wide: bool = False, largest: Mapping[str, float] | None = None
    ) -> dict[str, Range]:
        """The range of every tensor under one method; 0 to 1 for one that was zero throughout.

        Args:
            method: of `METHODS`.
            wide: stretch each range as other images may reach beyond these (`reached`).
            largest: by tensor name, what it cannot pass: there a wide range ends.
        """
        if method not in self._by_method:
            ranges = {tensor: METHODS[method](seen) for tensor, seen in self._statistics.items()}
            self._by_method[method] = ranges
        chosen = self._by_method[method]
        if wide:
            most = largest or {}
            chosen = {t: _stretched(self._statistics[t], r, most.get(t)) for t, r in chosen.items()}
        return {tensor: _with_width(limits) for tensor, limits in chosen.items()}


def choose(statistics: Mapping[str, TensorStatistics], method: str) -> dict[str, Range]:
    """The range of every tensor under one method, see `Chooser.choose`."""
    return Chooser(statistics).choose(method)


def _stretched(statistics: TensorStatistics, limits: Range, largest: float | None) -> Range:
    lows, highs = statistics.lows.min(axis=1), statistics.highs.max(axis=1)
    low, high = stretched(limits, lows, highs)
    return low, high if largest is None else max(min(high, largest), limits[1])


def stretched(limits: Range, lows: NDArray[np.floating], highs: NDArray[np.floating]) -> Range:
    """A range as much wider as other images may reach beyond these (`beyond`).

    Args:
        limits: (low, high), zero inside.
        lows: smallest value of each part of the images, (parts,).
        highs: largest likewise.
    """
    seen = min(float(lows.min()), 0.0), max(float(highs.max()), 0.0)
    low, high = (
        limit * (other / extreme) if extreme else limit
        for limit, extreme, other in zip(limits, seen, beyond(lows, highs, _STRETCH), strict=True)
    )
    return low, high


def _with_width(limits: Range) -> Range:
    """No kernel can rescale into a range without width."""
    return limits if limits[1] - limits[0] > _NARROWEST else (0.0, 1.0)
