"""How long each stage of a frame takes: the newest times, and their percentiles."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

STAGES = ("decode", "resize", "inference", "answer", "drawing")
_KEPT = 256
_FPS_OVER_S = 10.0


class Times:
    """The newest times of each stage, and of the frames' ends; threads may share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ms: dict[str, deque[float]] = {name: deque(maxlen=_KEPT) for name in STAGES}
        self._ends: deque[float] = deque(maxlen=_KEPT)

    def add(self, stage: str, ms: float) -> None:
        """One time of a stage."""
        with self._lock:
            self._ms[stage].append(ms)

    def frame_ended(self) -> None:
        """A frame is answered."""
        with self._lock:
            self._ends.append(time.monotonic())

    def percentiles(self) -> dict[str, dict[str, float]]:
        """p50 and p90 of each stage that was timed, milliseconds (nearest rank)."""
        with self._lock:
            taken = {name: sorted(values) for name, values in self._ms.items() if values}
        return {
            name: {"p50": round(_rank(values, 0.5), 3), "p90": round(_rank(values, 0.9), 3)}
            for name, values in taken.items()
        }

    def fps(self) -> float:
        """Frames a second over the last ten seconds."""
        now = time.monotonic()
        with self._lock:
            ends = [end for end in self._ends if now - end <= _FPS_OVER_S]
        if len(ends) < 2:  # noqa: PLR2004 - a rate is between two
            return 0.0
        # A source that stands still makes the rate fall: up to now, not up to the last frame.
        over_s = max(now - ends[0], 1e-6)
        return round((len(ends) - 1) / over_s, 2)


def _rank(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


@contextlib.contextmanager
def timed(into: dict[str, float], stage: str) -> Iterator[None]:
    """Note how long a block takes, milliseconds."""
    start = time.perf_counter()
    yield
    into[stage] = (time.perf_counter() - start) * 1e3
