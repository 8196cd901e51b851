"""How far a sweep is, told while it runs."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from edgecnn.sweeping import points
from edgecnn.text import duration_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgecnn.progress import Progress
    from edgecnn.sweeping.records import PointRecord

_TOLD = 10  # so often the time that is left is told of, once the first has ended


class Meter:
    """Tells how far a sweep is, and how long the rest will take, from how long the first took.

    Args:
        count: points to do.
        workers: at a time.
        watcher: who is told.
        clock: seconds, of any beginning.
    """

    def __init__(
        self,
        count: int,
        workers: int,
        watcher: Progress,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._count, self._workers, self._watcher, self._clock = count, workers, watcher, clock
        self._ended, self._bad, self._part, self._began = 0, 0, 0, clock()
        watcher.stage(f"sweeping {count} points", count)

    def ended(self, record: PointRecord) -> None:
        """A point has ended."""
        self._ended += 1
        if record.status != "done":
            self._bad += 1
            self._watcher.warn(f"{points.title(record.point)}: {record.message}")
        part = self._ended * _TOLD // self._count
        if self._ended == 1 or part > self._part:
            self._part = part
            self._tell()
        else:
            self._watcher.advance()

    def _tell(self) -> None:
        remaining = self._count - self._ended
        if not remaining:
            return
        seconds = (self._clock() - self._began) / self._ended * remaining
        bad = f" ({self._bad} not done)" if self._bad else ""
        running = min(remaining, self._workers)
        self._watcher.stage(
            f"{self._ended} ended{bad}, {running} running, {duration_text(seconds)} left",
            self._count,
        )
        self._watcher.advance(self._ended)
