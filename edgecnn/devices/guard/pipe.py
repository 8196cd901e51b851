"""The guard's end of the connection: frames in on stdin, out on stdout.

A frame is one line of JSON, and as many bytes after it as its "size" says. Sent to the device:
Python 3.9, standard library alone.
"""

from __future__ import annotations

import hashlib
import json
import os
import select
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

Header = dict[str, Any]
CHUNK = 1 << 18


class GoneError(Exception):
    """Nobody is there any more, or a signal ends us."""


class Pipe:
    """Frames in on stdin, out on what stdout was."""

    def __init__(self, patience_s: float) -> None:
        self._patience_s = patience_s
        self._out = os.dup(1)
        os.dup2(2, 1)  # a stray print would break the frames
        self._pending = b""
        self._heard = time.monotonic()

    def wait(self, others: list[int], until: float = float("inf")) -> list[int]:
        """Which of `others` can be read, once one can or the time has come."""
        end = min(until, self._heard + self._patience_s)
        ready = select.select([0, *others], [], [], max(0.0, end - time.monotonic()))[0]
        if 0 in ready:
            chunk = os.read(0, CHUNK)
            if not chunk:
                raise GoneError
            self._pending += chunk
            self._heard = time.monotonic()
        elif time.monotonic() >= self._heard + self._patience_s:
            raise GoneError
        return [descriptor for descriptor in ready if descriptor != 0]

    def header(self) -> Header:
        """The next frame's line; signs of life are passed over."""
        while True:
            line, newline, rest = self._pending.partition(b"\n")
            if not newline:
                self.wait([])
                continue
            self._pending = rest
            header: Header = json.loads(line)
            if header["op"] != "alive":
                return header

    def payload(self, size: int) -> Iterator[bytes]:
        """The bytes that follow a frame's line, as they come."""
        while size:
            if not self._pending:
                self.wait([])
            chunk, self._pending = self._pending[:size], self._pending[size:]
            size -= len(chunk)
            if chunk:
                yield chunk

    def reply(self, op: str, data: bytes = b"", **more: object) -> None:
        """Send one frame."""
        header = {"op": op, **more, **({"size": len(data)} if data else {})}
        self.raw(json.dumps(header).encode() + b"\n" + data)

    def raw(self, data: bytes) -> None:
        """Send bytes as they are."""
        try:
            while data:
                data = data[os.write(self._out, data) :]
        except OSError as error:
            raise GoneError from error


class Payload:
    """A frame's bytes as a file to read, with their sum."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = b""
        self.sum = hashlib.sha256()

    def read(self, size: int) -> bytes:
        """`size` bytes; fewer at the end only."""
        while len(self._rest) < size:
            chunk = next(self._chunks, b"")
            if not chunk:
                break
            self._rest += chunk
        data, self._rest = self._rest[:size], self._rest[size:]
        self.sum.update(data)
        return data

    def drain(self) -> None:
        """Read what nobody wanted: the next frame stands behind it."""
        while self.read(CHUNK):
            pass
