"""Times two .tflite files against each other, in turns, in one process.

Both have the same warm-up, the same number of blocks and a run before each block that does not
count, so that neither gains by finding its weights in the cache. A block lasts 5 ms at least. The
files are loaded anew for every sitting, because where its memory lies is part of a session's speed:
the sitting is the unit, and the interval of the ratio is that of the median of sittings by order
statistics, which assumes nothing of how they are distributed.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from edgecnn.runtime.runner import TfliteNet, seeded
from measure.measuring import paired_ratio, shuffled_rounds, timed_ms

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    Run = Callable[[], object]

# The smallest and the largest of six hold the median of all with probability 1 - 2 / 2**6 = 0.97.
SITTINGS = 6
ROUNDS = 5
BLOCK_MS = 5.0
_WARM_UP_S = 0.1
_ORDER = ("cheap", "costly")


@dataclass(frozen=True)
class Paired:
    """Two latencies and their ratio.

    Attributes:
        cheap_ms: median of the first file's blocks.
        costly_ms: median of the second's.
        ratio: first over second: median over sittings, of the medians over their paired rounds.
        low: smallest sitting's.
        high: largest sitting's; with six sittings a 97 % interval.
    """

    cheap_ms: float
    costly_ms: float
    ratio: float
    low: float
    high: float


def compare(cheap: Path, costly: Path, *, threads: int, rounds: int = ROUNDS) -> Paired:
    """Time two files; see the module."""
    paths = dict(zip(_ORDER, (cheap, costly), strict=True))
    return summary([_sitting(paths, threads, rounds, seed) for seed in range(SITTINGS)])


def summary(sittings: Sequence[Mapping[str, Sequence[float]]]) -> Paired:
    """What the blocks of all sittings say, milliseconds by file."""
    cheap, costly = (
        median(block for sitting in sittings for block in sitting[name]) for name in _ORDER
    )
    ratios = [paired_ratio(sitting["cheap"], sitting["costly"]) for sitting in sittings]
    return Paired(cheap, costly, median(ratios), min(ratios), max(ratios))


def _sitting(
    paths: Mapping[str, Path], threads: int, rounds: int, seed: int
) -> dict[str, list[float]]:
    runs = {name: _runner(paths[name], threads) for name in shuffled_rounds(_ORDER, 1, seed)}
    counts = {name: math.ceil(BLOCK_MS / _warm_up(run)) for name, run in runs.items()}
    blocks: dict[str, list[float]] = {name: [] for name in paths}
    for name in shuffled_rounds(_ORDER, rounds, seed):
        blocks[name].append(_block_ms(runs[name], counts[name]))
    return blocks


def _runner(path: Path, threads: int) -> Run:
    """Only the invocation: a copy of inputs would make both sides more alike than they are."""
    net = TfliteNet(str(path), threads)
    net.feed(seeded(net.inputs, seed=0))
    return net.invoke


def _warm_up(run: Run) -> float:
    """Run for a tenth of a second, twice at least; return the fastest run, ms."""
    start, fastest = time.perf_counter(), math.inf
    run()
    while True:
        fastest = min(fastest, timed_ms(run))
        if time.perf_counter() - start >= _WARM_UP_S:
            return fastest


def _block_ms(run: Run, runs: int) -> float:
    run()
    return median(timed_ms(run) for _ in range(runs))
