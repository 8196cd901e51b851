"""Shares the images of one evaluation among processes, one a core."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgecnn import isolation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edgecnn.datasets.labelled import LabelledSet
    from edgecnn.evaluating.worker import Ends, Scores
    from edgecnn.progress import Progress
    from edgecnn.records import Preprocessing

# Below this a process costs more to start than it saves.
_FEWEST_IMAGES = 64


@dataclass(frozen=True, eq=False)
class Job:
    """One file and all its images.

    Attributes:
        path: of the file that is run.
        name: of it, for messages.
        data: the images.
        labels: of each, as the network numbers them.
        preprocessing: from pixels to inputs.
        ends: what the network takes and gives.
    """

    path: str
    name: str
    data: LabelledSet
    labels: NDArray[np.int64]
    preprocessing: Preprocessing
    ends: Ends


@dataclass(frozen=True, eq=False)
class Hits:
    """How every image was answered.

    Attributes:
        top1: float32 (images,), 0..1; NaN for a file that could not be decoded.
        top5: likewise.
        unusable: a sentence for each of those, sorted.
        processes: how many ran at a time.
    """

    top1: NDArray[np.float32]
    top5: NDArray[np.float32]
    unusable: tuple[str, ...]
    processes: int


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


def run(job: Job, threads: int | None, progress: Progress) -> Hits:
    """Answer every image.

    Args:
        job: the file and the images.
        threads: processes at a time; None for one a core.
        progress: advanced by the images done.

    Raises:
        InputError, CrashedError: of the first share that fails; the others are stopped.
    """
    count = job.data.count
    processes = max(1, min(threads or cores(), count // _FEWEST_IMAGES))
    places = [np.arange(first, count, processes) for first in range(processes)]
    shared = _Shared(progress)
    with ThreadPoolExecutor(processes) as starters:
        futures = [starters.submit(_share, job, each, shared) for each in places]
        try:
            for future in as_completed(futures):
                future.result()
        except BaseException:
            shared.stop()
            raise
    return _joined(count, places, [future.result() for future in futures])


def cores() -> int:
    """Cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _share(job: Job, places: NDArray[np.int64], shared: _Shared) -> Scores:
    found: Scores = isolation.run(
        "edgecnn.evaluating.worker:score",
        job.path,
        job.name,
        job.data.take(places),
        job.labels[places],
        job.preprocessing,
        what=f"running {job.name}",
        ends=job.ends,
        progress=shared,
    )
    return found


def _joined(count: int, places: Sequence[NDArray[np.int64]], found: Sequence[Scores]) -> Hits:
    top1, top5 = np.full(count, np.nan, np.float32), np.full(count, np.nan, np.float32)
    for mine, scores in zip(places, found, strict=True):
        top1[mine[scores.places]] = scores.top1
        top5[mine[scores.places]] = scores.top5
    unusable = sorted(sentence for scores in found for sentence in scores.unusable)
    return Hits(top1, top5, tuple(unusable), len(places))
