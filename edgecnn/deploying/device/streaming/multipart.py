"""Takes multipart/x-mixed-replace apart, the way cameras send it, within bounds.

RFC 2046, section 5.1, and what cameras make of it: boundaries that are declared with their dashes,
parts with and without a Content-Length.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_MOST_HEADER = 16 << 10
_MOST_BETWEEN = 64 << 10  # before the first part, and between a part's end and the next
_LENGTH = re.compile(rb"^content-length\s*:\s*(\d{1,12})\s*$", re.IGNORECASE | re.MULTILINE)
_BLANK = re.compile(rb"\r?\n\r?\n")


class MultipartError(Exception):
    """It is none, or larger than allowed: half a sentence."""


def boundary_of(content_type: str) -> str:
    """The boundary that a Content-Type declares; "" where it is no multipart.

    Args:
        content_type: such as "multipart/x-mixed-replace; boundary=frame".
    """
    kind, _, parameters = content_type.partition(";")
    if not kind.strip().lower().startswith("multipart/"):
        return ""
    named = re.search(r"(?:^|;)\s*boundary\s*=\s*(\"[^\"]+\"|[^;\s]+)", parameters, re.IGNORECASE)
    return named[1].strip('"') if named else ""


class Parts:
    """Is given bytes as they come, and gives back the bodies of the parts that are whole.

    Args:
        boundary: as it was declared.
        most_bytes: of one body.

    Attributes:
        ended: the closing boundary came; what follows it is ignored.
    """

    def __init__(self, boundary: str, most_bytes: int) -> None:
        self._delimiter = b"--" + boundary.lstrip("-").encode("latin-1", "replace")
        self._most = most_bytes
        self._pending = bytearray()
        self._looked = 0  # of what is pending, so many bytes hold no delimiter
        self._state: Callable[[list[bytes]], bool] = self._between
        self._length: int | None = None
        self.ended = False

    def add(self, data: bytes) -> list[bytes]:
        """Take bytes; returns the bodies that they complete.

        Raises:
            MultipartError: what came is larger than allowed.
        """
        bodies: list[bytes] = []
        self._pending += data
        while not self.ended and self._state(bodies):
            pass
        return bodies

    def _between(self, _: list[bytes]) -> bool:
        """Up to the end of a delimiter's line."""
        start = self._find()
        if start < 0:
            del self._pending[: max(0, len(self._pending) - len(self._delimiter))]
            self._looked = 0
            return False
        end = self._pending.find(b"\n", start)
        tail = bytes(self._pending[start + len(self._delimiter) :][:2])
        if tail == b"--":
            self.ended = True
            return False
        if end < 0:
            self._hold(len(self._pending) - start, _MOST_BETWEEN, "a boundary's line")
            return False
        self._cut(end + 1)
        self._state = self._header
        return True

    def _header(self, _: list[bytes]) -> bool:
        """Up to the blank line; a part may have no header at all."""
        if self._pending[:2] == b"\r\n" or self._pending[:1] == b"\n":
            self._cut(self._pending.index(b"\n") + 1)
            self._length = None
        else:
            blank = _BLANK.search(self._pending)
            self._hold(blank.start() if blank else len(self._pending), _MOST_HEADER, "a header")
            if blank is None:
                return False
            said = _LENGTH.search(bytes(self._pending[: blank.start()]).replace(b"\r", b""))
            self._length = int(said[1]) if said else None
            self._cut(blank.end())
        if self._length is not None:
            self._hold(self._length, self._most, "a frame")
        self._state = self._body
        return True

    def _body(self, bodies: list[bytes]) -> bool:
        """By its length, or up to the next delimiter."""
        if self._length is not None:
            if len(self._pending) < self._length:
                return False
            bodies.append(bytes(self._pending[: self._length]))
            self._cut(self._length)
        else:
            end = self._find()
            self._hold(end if end >= 0 else len(self._pending), self._most, "a frame")
            if end < 0:
                return False
            bodies.append(_without_line_end(bytes(self._pending[:end])))
            self._cut(end)
        self._state = self._between
        return True

    def _find(self) -> int:
        position = self._pending.find(self._delimiter, self._looked)
        self._looked = max(0, len(self._pending) - len(self._delimiter))
        if position >= 0:
            self._looked = position
        return position

    def _cut(self, size: int) -> None:
        del self._pending[:size]
        self._looked = 0

    def _hold(self, size: int, most: int, what: str) -> None:
        if size > most:
            raise MultipartError(f"{what} has more than {most} bytes")


def _without_line_end(body: bytes) -> bytes:
    """Without the line's end that belongs to the delimiter, and dashes that some repeat there."""
    body = body.rstrip(b"-")
    for end in (b"\r\n", b"\n"):
        if body.endswith(end):
            return body[: -len(end)]
    return body
