"""Statistics of latency samples: percentiles, ratios with their interval, throttling.

Successive inferences are not independent: caches, the frequency governor and other programs make
runs of fast and of slow ones. An interval that takes them as independent is too narrow, and finds
differences between a file and itself. Two remedies, each where it fits:

* Batch means. Samples are cut into few long batches, whose values are nearly independent, and
  Student's t is taken over them. More than 30 batches gain little, fewer than 10 lose (Schmeiser,
  "Batch Size Effects in the Analysis of Simulation Output", Operations Research 30, 1982). The
  batches of two files that ran in turns are paired, so that a drift they share leaves their ratio.
* Repeats. Each is a process of its own, and processes differ by where their memory lies; so the
  repeat is the unit (Kalibera and Jones, "Rigorous Benchmarking in Reasonable Time", ISMM 2013).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgecnn.errors import InputError
from edgecnn.measurements import Latency

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgecnn.measurements import BenchResult, DeviceState, Interval

BATCHES = 10
# Below, Student's t is so wide that the interval says nothing.
LEAST_UNITS = 3
# Six processes of one file, measured in turns, had medians up to 0.7% apart: with one process a
# file nothing below this can be told, however many runs there are.
PROCESS_EFFECT = 0.01
# The 97.5% points of Student's t by its degrees of freedom. More units than these are rare; they
# take the last one, which is on the safe side.
_T_975 = {2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365, 8: 2.306, 9: 2.262}

# A pace is another one from here on: the share that also voids a measurement whose clock fell.
PACE_CHANGE = 0.05
STEADY_INTERVALS = 5


@dataclass(frozen=True)
class Ratio:
    """How many times slower b is than a, with a 95% confidence interval."""

    value: float
    low: float
    high: float

    @property
    def differ(self) -> bool:
        """Whether a difference was shown: the interval leaves 1 out."""
        return not self.low <= 1 <= self.high


@dataclass(frozen=True)
class Sustained:
    """What a timeline shows.

    Attributes:
        onset_s: when throttling set in, seconds since the first sample; None: it did not.
        steady_from_s: since when the pace did not change any more; None: it still did.
        steady_p50_ms: the median from there on, milliseconds; None likewise.
        steady_p90_ms: the 90th percentile, likewise.
        slowdown: the steady median over the fastest interval's; None likewise.
    """

    onset_s: float | None
    steady_from_s: float | None = None
    steady_p50_ms: float | None = None
    steady_p90_ms: float | None = None
    slowdown: float | None = None


def percentile(samples: Sequence[float], share: float) -> float:
    """The sample below which `share` (0..1) of all lie, linear between the two nearest.

    Raises:
        InputError: there are no samples.
    """
    if not len(samples):
        raise InputError("There are no samples to take a percentile of.")
    return float(np.percentile(np.asarray(samples, np.float64), 100 * share))


def latency(samples_ms: Sequence[float]) -> Latency:
    """Percentiles of all samples, none left out: a slow run is the user's slow run.

    Raises:
        InputError: there are no samples.
    """
    p50, p90, p99 = (percentile(samples_ms, share) for share in (0.5, 0.9, 0.99))
    # Summing rounds; the mean of equal samples must not leave their range.
    mean = min(max(math.fsum(samples_ms) / len(samples_ms), min(samples_ms)), max(samples_ms))
    return Latency(min=float(min(samples_ms)), mean=mean, p50=p50, p90=p90, p99=p99)


def spread(repeat_p50_ms: Sequence[float]) -> float:
    """How far the slowest repeat's median lies above the fastest's, as a share of it."""
    fastest = min(repeat_p50_ms)
    return max(repeat_p50_ms) / fastest - 1 if fastest > 0 else math.inf


def ratio(
    a: Sequence[float], b: Sequence[float], *, process_effect: float = PROCESS_EFFECT
) -> Ratio:
    """The ratio b / a of the medians of two sets of samples that were taken in turns.

    Args:
        a: samples of one file, in order, one process.
        b: of the other, over the same stretch of time; it may have another number of them.
        process_effect: what two processes of one file may differ by, as a share.

    Raises:
        InputError: too few samples for an interval, or a median that is not above 0.
    """
    batches = min(BATCHES, len(a) // 2, len(b) // 2)
    return _over_units(_medians(a, batches), _medians(b, batches), process_effect)


def ratio_of_repeats(a_p50: Sequence[float], b_p50: Sequence[float]) -> Ratio:
    """The ratio b / a from each repeat's median, every repeat being processes of its own.

    Raises:
        InputError: fewer than three repeats, or not as many of each.
    """
    return _over_units(a_p50, b_p50, process_effect=0.0)


def ratio_of_results(a: BenchResult, b: BenchResult) -> Ratio:
    """The ratio b / a of two results of one bench, by whichever method fits their repeats.

    Raises:
        InputError: too few samples.
    """
    if len(a.repeat_p50_ms) == len(b.repeat_p50_ms) >= LEAST_UNITS:
        return ratio_of_repeats(a.repeat_p50_ms, b.repeat_p50_ms)
    return ratio(a.samples_ms, b.samples_ms)


def _medians(samples: Sequence[float], batches: int) -> list[float]:
    """The median of each of so many successive batches."""
    if not batches:
        return []
    parts = np.array_split(np.asarray(samples, np.float64), batches)
    return [float(np.median(part)) for part in parts]


def _over_units(a: Sequence[float], b: Sequence[float], process_effect: float) -> Ratio:
    """Student's interval of the mean log ratio; its half width and the process effect's add up.

    Independent errors add as squares.
    """
    if not len(a) == len(b) >= LEAST_UNITS:
        raise InputError(
            f"Too few measurements for a comparison: {len(a)} and {len(b)} units.",
            hint="Measure longer: --plan publish.",
        )
    if min(*a, *b) <= 0:
        raise InputError("A latency of 0 ms or less is none: there is nothing to compare.")
    logs = np.log(np.asarray(b) / np.asarray(a))
    error = float(logs.std(ddof=1)) / math.sqrt(len(logs))
    half = math.hypot(_T_975[min(len(logs) - 1, max(_T_975))] * error, math.log1p(process_effect))
    middle = float(logs.mean())
    return Ratio(math.exp(middle), math.exp(middle - half), math.exp(middle + half))


def sustained(timeline: Sequence[Interval]) -> Sustained | None:
    """Onset of throttling, and the pace that remains; None for an empty timeline.

    Throttling has set in where two successive intervals (or the last) are 5% slower than the
    fastest before them, where the clock is 5% below the first interval's, or where a throttle bit
    is set that was not in the first. The steady state is the longest end of the timeline whose
    medians all lie within 5% of their median, five intervals at least.
    """
    if not timeline:
        return None
    onset = next((i for i in range(len(timeline)) if _throttles(timeline, i)), None)
    onset_s = None if onset is None else timeline[onset].start_s
    start = _steady_from(timeline)
    if start is None:
        return Sustained(onset_s)
    p50 = float(np.median([interval.p50_ms for interval in timeline[start:]]))
    p90 = float(np.median([interval.p90_ms for interval in timeline[start:]]))
    slowdown = p50 / min(interval.p50_ms for interval in timeline)
    return Sustained(onset_s, timeline[start].start_s, p50, p90, slowdown)


def _throttles(timeline: Sequence[Interval], index: int) -> bool:
    if index == 0:
        return False
    fastest = min(interval.p50_ms for interval in timeline[:index])
    now = timeline[index : index + 2]
    slow = all(interval.p50_ms > (1 + PACE_CHANGE) * fastest for interval in now)
    return slow or _held_back(timeline[0].state, timeline[index].state)


def _held_back(first: DeviceState, now: DeviceState) -> bool:
    new_bits = (now.throttled or 0) & ~(first.throttled or 0)
    clocks = first.clock_mhz and now.clock_mhz
    return bool(new_bits) or bool(
        clocks and (now.clock_mhz or 0) < (1 - PACE_CHANGE) * (first.clock_mhz or 0)
    )


def _steady_from(timeline: Sequence[Interval]) -> int | None:
    for start in range(len(timeline) - STEADY_INTERVALS + 1):
        paces = np.array([interval.p50_ms for interval in timeline[start:]])
        if bool(np.all(np.abs(paces / np.median(paces) - 1) <= PACE_CHANGE)):
            return start
    return None
