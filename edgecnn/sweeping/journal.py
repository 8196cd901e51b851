"""sweep.jsonl: one line for each point that ended, appended as it ends."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from dataclasses import asdict
from typing import TYPE_CHECKING

from edgecnn import files, strict
from edgecnn.errors import InputError
from edgecnn.evidence.results import input_errors
from edgecnn.records import SCHEMA
from edgecnn.sweeping.records import PointRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from pathlib import Path

_NEWLINE = b"\n"
_BLOCK_BYTES = 1 << 16
_WHAT, _HINT = "The sweep", "Free some space, or choose another folder with --out."


class Journal:
    """The file, locked by the one sweep that writes it."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path, self._descriptor = path, descriptor

    def append(self, record: PointRecord) -> None:
        """Add a line; it is on the disk when this returns, or it is not in the file at all.

        Raises:
            InputError: the file cannot be written.
        """
        size = os.fstat(self._descriptor).st_size
        with input_errors(_WHAT, self._path, _HINT):
            try:
                files.write_all(self._descriptor, line_of(record))
                os.fsync(self._descriptor)
            except OSError:
                with contextlib.suppress(OSError):  # the first error is the one to tell
                    os.ftruncate(self._descriptor, size)
                raise


@contextlib.contextmanager
def opened(path: Path) -> Generator[Journal, None, None]:
    """The journal, made if it is not there; what a killed sweep left of a line is dropped.

    Raises:
        InputError: it cannot be written, or another sweep is at work on it.
    """
    with input_errors(_WHAT, path, _HINT):
        path.parent.mkdir(parents=True, exist_ok=True)
        # A link may lead to a file that is run, and a model's name may hold $(...).
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(path, flags, 0o666)
    try:
        with input_errors(_WHAT, path, _HINT):
            _lock(descriptor, path)
            _drop_half_line(descriptor)
        yield Journal(path, descriptor)
    finally:
        os.close(descriptor)  # and the lock with it


def _lock(descriptor: int, path: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise InputError(
            f"Another sweep is at work on {path}.",
            hint="Wait for it, end it, or choose another folder with --out.",
        ) from error


def _drop_half_line(descriptor: int) -> None:
    """Cut behind the last newline."""
    size = end = os.fstat(descriptor).st_size
    while end > 0:
        begin = max(0, end - _BLOCK_BYTES)
        place = os.pread(descriptor, end - begin, begin).rfind(_NEWLINE)
        end = begin + place + 1 if place >= 0 else begin
        if place >= 0:
            break
    if end < size:
        os.ftruncate(descriptor, end)


def read(path: Path, warn: Callable[[str], None]) -> Iterator[PointRecord]:
    """The records, in the order their points ended; none where there is no file.

    A half line at the end is what a killed sweep left and is passed over, as `opened` drops it.

    Args:
        path: of the file.
        warn: told of each line that holds no record; its point is done again.

    Raises:
        InputError: the file cannot be read.
    """
    try:
        with files.open_binary(path, files.MOST_COLLECTION_BYTES) as stream:
            for number, line in enumerate(stream, start=1):
                if not line.endswith(_NEWLINE) or not line.strip():
                    continue
                try:
                    yield record_of(line)
                except strict.UnfitError as error:
                    warn(f"{path}, line {number}, holds no point: {error}")
    except FileNotFoundError:
        return
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from error


def record_of(line: bytes) -> PointRecord:
    """One record of its line.

    Raises:
        UnfitError: it holds none, or one of another schema.
    """
    content = strict.parse(line)
    if isinstance(content, dict) and content.get("schema") != SCHEMA:
        raise strict.UnfitError(f"its schema is {content.get('schema')!r}, not {SCHEMA}")
    return strict.structured(content, PointRecord)


def line_of(record: PointRecord) -> bytes:
    """A record as its line: the same bytes for the same record."""
    fields = asdict(record)
    ordered = {"schema": fields.pop("schema"), **fields}
    text = json.dumps(ordered, separators=(",", ":"), allow_nan=False)
    return text.encode("ascii") + _NEWLINE
