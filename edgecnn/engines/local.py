"""Tasks on this machine: threads that each wait for a child process."""

from __future__ import annotations

import os
import queue
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from edgecnn.engines import child
from edgecnn.engines.tasks import RETRIES, Need, Outcome, Schedule, Task
from edgecnn.isolation import CrashedError, Leash, LimitError

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

_KEPT_FREE = 0.1  # of the memory that is free when the sweep begins


class LocalEngine:
    """So many tasks at a time, as far as they fit into the memory that is free.

    Args:
        jobs: tasks at a time.
        free_bytes: memory they may take together; None for any.
    """

    def __init__(self, jobs: int, free_bytes: int | None = None) -> None:
        self._jobs = jobs
        self._free_bytes = free_bytes
        self._need = Need()

    @property
    def workers(self) -> int:
        """Tasks at a time."""
        if self._free_bytes is None:
            return self._jobs
        return max(1, min(self._jobs, self._free_bytes // self._need.bytes))

    def run(self, tasks: Iterable[Task]) -> Generator[Outcome, None, None]:
        """See `Engine.run`."""
        schedule = Schedule(tasks)
        ended: queue.SimpleQueue[Outcome] = queue.SimpleQueue()
        running: dict[str, Leash] = {}
        with ThreadPoolExecutor(self._jobs) as pool:
            try:
                while True:
                    while len(running) < self.workers and (task := schedule.next()) is not None:
                        running[task.key] = leash = Leash()
                        pool.submit(_attempt, task, leash, ended)
                    if not running:
                        return
                    outcome = ended.get()
                    del running[outcome.task.key]
                    self._need.learn(outcome.peak_bytes)
                    schedule.ended(outcome.task, well=outcome.error is None)
                    yield outcome
            finally:
                for leash in running.values():
                    leash.cut()


def _attempt(task: Task, leash: Leash, ended: queue.SimpleQueue[Outcome]) -> None:
    """Do a task, and again where its process dies; what comes of it goes into the queue."""
    attempts, error = 0, Exception()
    while attempts <= RETRIES and not leash.is_cut:
        attempts += 1
        try:
            done = child.answer(task, leash=leash)
        except LimitError as limit:  # the file asks for too much, and would again
            error = limit
            break
        except CrashedError as crash:
            error = crash
        except Exception as other:  # noqa: BLE001 - whatever a task raises is its outcome
            error = other
            break
        else:
            ended.put(Outcome(task, done.value, None, attempts, done.peak_bytes))
            return
    ended.put(Outcome(task, None, error, attempts))


def cores() -> int:
    """Cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def free_bytes() -> int | None:
    """Memory that tasks may take: what is available, less a tenth; None where nobody tells."""
    try:
        pages = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError):
        return None
    return int((_available() or pages) * (1 - _KEPT_FREE))


def _available() -> int | None:
    """Linux counts what caches would give back; None elsewhere."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    for line in lines:
        name, _, value = line.partition(":")
        if name == "MemAvailable":
            return int(value.split()[0]) * 1024
    return None
