"""Frames from files: a folder that is written to, or one picture that is written anew."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from edgecnn.calibration.images import SUFFIXES
from edgecnn.deploying.device.streaming.frames import MOST_BYTES, LostError, Shot

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator

_POLL_S = 0.05
_REST = 10  # a folder is read for a tenth of the time at most


class _Entry(NamedTuple):
    """A file as it is now; a writer changes one of these."""

    name: str
    inode: int
    size: int
    changed_ns: int


class Files:
    """Pictures in a folder, or one picture.

    Args:
        path: the folder or the picture.
        once: give all that is there, in the order of their names, and end.
        loop: give all that is there again and again.
    """

    def __init__(self, path: Path, *, once: bool = False, loop: bool = False) -> None:
        self.name = str(path)
        self._path, self._once, self._loop = path, once, loop
        self._seen: set[_Entry] = set()

    def shots(self, stopped: threading.Event) -> Iterator[Shot]:
        """See `frames.Source`."""
        if self._once or self._loop:
            yield from self._all(stopped)
        else:
            yield from self._as_they_come(stopped)

    def interrupt(self) -> None:
        """See `frames.Source`; nothing here waits for long."""

    def _all(self, stopped: threading.Event) -> Iterator[Shot]:
        while not stopped.is_set():
            entries = sorted(self._entries())
            if not entries:
                raise LostError("no picture lies there")
            for entry in entries:
                if stopped.is_set():
                    return
                with contextlib.suppress(FileNotFoundError):
                    yield self._shot(entry)
            if self._once:
                return

    def _as_they_come(self, stopped: threading.Event) -> Iterator[Shot]:
        """The newest of those that are new, once it has stopped growing."""
        growing: _Entry | None = None
        while not stopped.is_set():
            start = time.monotonic()
            entries = self._entries()
            fresh = [entry for entry in entries if entry not in self._seen]
            newest = max(fresh, key=lambda entry: (entry.changed_ns, entry.name), default=None)
            if newest is not None and newest == growing:
                self._seen = set(entries)  # what was passed over stays so
                with contextlib.suppress(FileNotFoundError):
                    yield self._shot(newest)
            growing = newest
            stopped.wait(max(_POLL_S, _REST * (time.monotonic() - start)))

    def _entries(self) -> list[_Entry]:
        try:
            if not self._path.is_dir():
                return [_entry(self.name, self._path.stat())]
            with os.scandir(self._path) as listing:
                found = [file for file in listing if Path(file.name).suffix.lower() in SUFFIXES]
            return [entry for file in found if (entry := _looked_at(file)) is not None]
        except OSError as error:
            raise LostError(error.strerror or str(error)) from error

    def _shot(self, entry: _Entry) -> Shot:
        path = self._path / entry.name if self._path.is_dir() else self._path
        if not path.is_file():  # a pipe would be waited for
            return Shot(str(path))
        try:
            with path.open("rb") as stream:
                # Room is made for what is asked for, not for what is there.
                size = os.fstat(stream.fileno()).st_size
                return Shot(str(path), stream.read(min(size, MOST_BYTES)))
        except FileNotFoundError:
            raise
        except OSError as error:
            raise LostError(f"{path.name}: {error.strerror}") from error


def _looked_at(file: os.DirEntry[str]) -> _Entry | None:
    """A file of a listing; None where it has gone since."""
    if file.name.startswith("."):  # written under a hidden name, as programs do that rename
        return None
    try:
        return _entry(file.name, file.stat())
    except OSError:
        return None


def _entry(name: str, status: os.stat_result) -> _Entry:
    return _Entry(name, status.st_ino, status.st_size, status.st_mtime_ns)
