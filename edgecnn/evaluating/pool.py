"""Shares the samples of one evaluation among processes, one a core."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn import gate

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edgecnn.evaluating.judging import Judge
    from edgecnn.evaluating.worker import Data, Job, Share
    from edgecnn.progress import Progress

# Below this a process costs more to start than it saves.
FEWEST_IMAGES = 64


@dataclass(frozen=True, eq=False)
class Answers:
    """How every sample was answered.

    Attributes:
        results: what the judge returned for each sample, in order; None for one that could not be
            used.
        unusable: a sentence for each of those, sorted.
        processes: how many ran at a time.
    """

    results: tuple[Any, ...]
    unusable: tuple[str, ...]
    processes: int

    @property
    def count(self) -> int:
        """Samples that were answered."""
        return sum(result is not None for result in self.results)


class _StoppedError(Exception):
    """Another share has failed, or the user has had enough."""


class _Shared:
    """One Progress for several threads; once stopped, the next report ends whoever makes it."""

    def __init__(self, watcher: Progress) -> None:
        self._watcher = watcher
        self._lock = threading.Lock()
        self._stopped = False

    def stop(self) -> None:
        self._stopped = True

    def stage(self, name: str, total: int | None = None) -> None:
        """The stage is the parent's."""

    def advance(self, steps: int = 1) -> None:
        if self._stopped:
            raise _StoppedError
        with self._lock:
            self._watcher.advance(steps)

    def warn(self, message: str) -> None:
        with self._lock:
            self._watcher.warn(message)

    def tell(self, message: str) -> None:
        with self._lock:
            self._watcher.tell(message)


def run(job: Job, data: Data, judge: Judge, threads: int | None, progress: Progress) -> Answers:
    """Answer every sample.

    Args:
        job: the file.
        data: the samples.
        judge: of its answers.
        threads: processes at a time; None for one a core.
        progress: advanced by the samples done.

    Raises:
        InputError, CrashedError: of the first share that fails; the others are stopped.
    """
    processes = max(1, min(threads or cores(), data.count // FEWEST_IMAGES))
    places = [np.arange(first, data.count, processes) for first in range(processes)]
    shared = _Shared(progress)
    with ThreadPoolExecutor(processes) as starters:
        futures = [starters.submit(_share, job, data, judge, part, shared) for part in places]
        try:
            for future in as_completed(futures):
                future.result()
        except BaseException:
            shared.stop()
            raise
    results: list[Any] = [None] * data.count
    unusable: list[str] = []
    for mine, future in zip(places, futures, strict=True):
        share = future.result()
        for place, result in zip(share.places, share.results, strict=True):
            results[mine[place]] = result
        unusable += share.unusable
    return Answers(tuple(results), tuple(sorted(unusable)), processes)


def cores() -> int:
    """Cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _share(job: Job, data: Data, judge: Judge, places: NDArray[np.int64], shared: _Shared) -> Share:
    share: Share = gate.run(
        "edgecnn.evaluating.worker:answer",
        job,
        data.take(places),
        judge.take(places),
        source=job.path,
        work=gate.RUN_MANY,
        what=f"running {job.name}",
        progress=shared,
    )
    return share
