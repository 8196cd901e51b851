"""Run a command and measure its wall time and its whole process tree's memory (Linux)."""

from __future__ import annotations

import os
import resource
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SAMPLING_SECONDS = 0.05
LOG_TAIL_CHARS = 3000
_KIBIBYTE = 1024


class CommandFailedError(RuntimeError):
    """The measured command did not end well; the message holds its last words."""


@dataclass(frozen=True)
class Run:
    """One run of a command.

    Attributes:
        wall_seconds: from start to end, imports included.
        tree_peak_rss_bytes: largest sum of resident set sizes over the process and all its
            descendants at one moment, sampled at 20 Hz. A page that processes share counts once
            for each, so this is too high where there are several; a spike between samples is
            missed.
        tree_pss_at_peak_bytes: at that moment the sum of proportional set sizes, where a shared
            page counts once.
        process_peak_rss_bytes: the kernel's own high-water mark of the largest single process
            (ru_maxrss): exact, but blind to several processes at once.
        samples: how many times memory was sampled.
    """

    wall_seconds: float
    tree_peak_rss_bytes: int
    tree_pss_at_peak_bytes: int
    process_peak_rss_bytes: int
    samples: int


def descendants(pid: int) -> list[int]:
    """Return the process and all its living descendants."""
    pids, open_pids = [], [pid]
    while open_pids:
        current = open_pids.pop()
        pids.append(current)
        open_pids += _children(current)
    return pids


def _children(pid: int) -> list[int]:
    children: list[int] = []
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        for task in tasks:
            children += map(int, (task / "children").read_text(encoding="ascii").split())
    except (FileNotFoundError, ProcessLookupError):
        return children  # it ended while we looked, which is no error
    return children


def rss_bytes(pid: int) -> int:
    """Return a process's resident set size; 0 when it has just ended."""
    try:
        resident_pages = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return int(resident_pages) * resource.getpagesize()


def pss_bytes(pid: int) -> int:
    """Return a process's proportional set size; 0 when it has just ended."""
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    except (FileNotFoundError, ProcessLookupError):
        return 0
    sizes = [line.split()[1] for line in rollup.splitlines() if line.startswith("Pss:")]
    return int(sizes[0]) * _KIBIBYTE if sizes else 0


class _Sampler(threading.Thread):
    """Samples a tree's memory until it is stopped."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._pid = pid
        self._done = threading.Event()
        self.peak_rss_bytes = 0
        self.pss_at_peak_bytes = 0
        self.samples = 0

    def run(self) -> None:
        while not self._done.wait(SAMPLING_SECONDS):
            pids = descendants(self._pid)
            size = sum(map(rss_bytes, pids))
            if size > self.peak_rss_bytes:
                # Walking the pages for this slows the command: at new peaks only.
                self.pss_at_peak_bytes = sum(map(pss_bytes, pids))
                self.peak_rss_bytes = size
            self.samples += 1

    def stop(self) -> None:
        self._done.set()
        self.join()


def measure(command: Sequence[str], environment: Mapping[str, str]) -> Run:
    """Run a command to its end in a fresh process.

    The exit status comes from wait4, whose ru_maxrss covers the command and every descendant that
    was waited for. It also inherits the caller's own resident size: keep the caller small.

    Raises:
        CommandFailedError: it did not exit with 0.
    """
    with TemporaryFile() as log:
        start = time.perf_counter()
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=dict(environment)
        )
        sampler = _Sampler(process.pid)
        sampler.start()
        try:
            _pid, status, usage = os.wait4(process.pid, 0)
            wall_seconds = time.perf_counter() - start
            process.returncode = os.waitstatus_to_exitcode(status)
        finally:
            sampler.stop()
            if process.returncode is None:  # interrupted: leave nothing running
                process.kill()
                process.wait()
        if process.returncode != 0:
            log.seek(0)
            tail = log.read().decode(errors="replace")[-LOG_TAIL_CHARS:]
            raise CommandFailedError(f"{list(command)}: exit {process.returncode}\n{tail}")
    return Run(
        wall_seconds=wall_seconds,
        tree_peak_rss_bytes=sampler.peak_rss_bytes,
        tree_pss_at_peak_bytes=sampler.pss_at_peak_bytes,
        process_peak_rss_bytes=usage.ru_maxrss * _KIBIBYTE,
        samples=sampler.samples,
    )
