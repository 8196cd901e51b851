"""JSON lines: to a stream, to a log of a bounded size; nobody who reads slowly slows the loop."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import threading
import time
from typing import IO, TYPE_CHECKING, Any

from edgecnn.deploying.device.trouble import SCHEMA

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_WAITING = 64  # lines that a slow reader may be behind
_END_S = 2.0
_MOST_LOG_BYTES = 1 << 20
_RECENT_EVENTS = 20
_SAME_EVENT_S = 5.0


class Lines:
    """Writes lines from a thread of its own.

    Args:
        write: takes one line with its end; may block.
        on_gone: called once when it raises a BrokenPipeError.
        every: wait for a slow reader; else its lines are left out.

    Attributes:
        left_out: lines that found no room.
    """

    def __init__(
        self,
        write: Callable[[str], None],
        on_gone: Callable[[], None],
        *,
        every: bool = False,
    ) -> None:
        self.left_out = 0
        self._write, self._on_gone, self._every = write, on_gone, every
        self._queue: queue.Queue[str | None] = queue.Queue(_WAITING)
        self._gone = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lines", daemon=True)
        self._thread.start()

    def put(self, line: str) -> None:
        """Have a line written."""
        if self._gone.is_set():
            return
        try:
            self._queue.put(line, block=self._every, timeout=None)
        except queue.Full:
            self.left_out += 1

    def close(self) -> None:
        """Write what waits, if its reader takes it soon."""
        with contextlib.suppress(queue.Full):
            self._queue.put(None, timeout=_END_S)
        self._thread.join(_END_S)

    def _run(self) -> None:
        for line in iter(self._queue.get, None):
            if self._gone.is_set():  # whoever waits for room goes on
                continue
            try:
                self._write(f"{line}\n")
            except OSError:  # nobody reads, or the disk behind it is full
                self._gone.set()
                self._on_gone()


def to_stream(stream: IO[str]) -> Callable[[str], None]:
    """A writer that leaves nothing in a buffer."""

    def write(text: str) -> None:
        stream.write(text)
        stream.flush()

    return write


def log_path(named: Path | None, service: Path | None) -> Path | None:
    """Where the log is: as it was named, or in the service's folder; None for none."""
    return named if named is not None or service is None else service / "service" / "live.log"


class BoundedLog:
    """A file of a megabyte at most, and the one before it.

    Args:
        path: written to; `path`.1 is the one before.
    """

    def __init__(self, path: Path, most_bytes: int = _MOST_LOG_BYTES) -> None:
        self._path, self._most = path, most_bytes
        path.parent.mkdir(parents=True, exist_ok=True)

    def write(self, text: str) -> None:
        """Append; a full disk loses the text, and nothing else."""
        data = text.encode("utf-8", "backslashreplace")
        with contextlib.suppress(OSError):
            if self._path.exists() and self._path.stat().st_size + len(data) > self._most:
                self._path.replace(self._path.with_name(f"{self._path.name}.1"))
            with self._path.open("ab") as stream:
                stream.write(data)


class Teller:
    """Says what happens, as JSON lines, and keeps the newest of it for the page.

    Args:
        put: takes a line.
        log: takes the lines of events too; None for none.
    """

    def __init__(
        self, put: Callable[[str], None], log: Callable[[str], None] | None = None
    ) -> None:
        self._put, self._log = put, log
        self._lock = threading.Lock()
        self._recent: list[dict[str, Any]] = []
        self._last: dict[str, float] = {}

    def result(self, record: dict[str, Any]) -> str:
        """Print a frame's result; returns the line."""
        line = json.dumps({"schema": SCHEMA, "kind": "result", **record})
        self._put(line)
        return line

    def event(self, name: str, **details: object) -> None:
        """Print an event."""
        line = json.dumps({"schema": SCHEMA, "kind": "event", "event": name, **details})
        with self._lock:
            self._recent = [*self._recent, {"event": name, **details}][-_RECENT_EVENTS:]
        if self._log is not None:
            # The clock may jump: this is for people who read the log, and nothing counts by it.
            self._log(f"{time.strftime('%Y-%m-%dT%H:%M:%S%z')} {line}\n")
        self._put(line)

    def seldom(self, name: str, **details: object) -> None:
        """Print an event that may come with every frame: one in five seconds."""
        now = time.monotonic()
        with self._lock:
            if now - self._last.get(name, -_SAME_EVENT_S) < _SAME_EVENT_S:
                return
            self._last[name] = now
        self.event(name, **details)

    def recent(self) -> list[dict[str, Any]]:
        """The newest events, the oldest first."""
        with self._lock:
            return list(self._recent)


def discard(stream: IO[str]) -> None:
    """Let what is still written to a stream go nowhere: Python flushes once more when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
