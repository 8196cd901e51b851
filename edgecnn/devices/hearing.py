"""What comes from a device, read as it comes: never more of it, and never longer, than is allowed.

A device may send without end, or nothing at all. Nothing here takes its word for a size.
"""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import threading
import time
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

_CHUNK = 1 << 18
_MAX_TAIL = 4000
_MAX_STDERR = 64 << 10
_LAST_WORDS_S = 1.0


class SilentError(Exception):
    """Nothing came in time."""


class TooMuchError(Exception):
    """More came than is allowed."""


class Incoming:
    """The stdout of a process that talks to a device; one reader at a time."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._poll = select.poll()  # `select` takes no descriptor above 1023
        self._poll.register(stream, select.POLLIN)
        self._pending = bytearray()

    def line(self, longest: int, until: float) -> bytes:
        """The next line; without its newline's byte where the stream ended before it.

        Args:
            longest: bytes of a line.
            until: when it must be there, by `time.monotonic`.

        Raises:
            SilentError: it was not.
            TooMuchError: it is longer.
        """
        looked_at = 0
        while (end := self._pending.find(b"\n", looked_at)) < 0:
            looked_at = len(self._pending)
            if looked_at > longest:
                raise TooMuchError
            if not self._more(until):
                return self._take(looked_at)
        if end > longest:
            raise TooMuchError
        return self._take(end + 1)

    def block(self, size: int, until: float) -> bytes:
        """The next bytes, `size` of them; fewer where the stream ended before.

        Raises:
            SilentError: they were not there in time.
        """
        while len(self._pending) < size and self._more(until):
            pass
        return self._take(size)

    def rest(self, most: int, until: float) -> bytes:
        """All that comes until the stream ends.

        Raises:
            SilentError: it had not ended in time.
            TooMuchError: there were more bytes than `most`.
        """
        while self._more(until):
            if len(self._pending) > most:
                raise TooMuchError
        return self._take(len(self._pending))

    def _more(self, until: float) -> bool:
        """Wait for bytes; False at the stream's end."""
        left_s = until - time.monotonic()
        if left_s <= 0 or not self._poll.poll(1e3 * left_s):
            raise SilentError
        chunk = os.read(self._stream.fileno(), _CHUNK)
        self._pending += chunk
        return bool(chunk)

    def _take(self, size: int) -> bytes:
        data = bytes(self._pending[:size])
        del self._pending[:size]
        return data


class Tail:
    """The end of what a process writes to stderr, which is read as it comes, and no more kept."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._kept = b""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        with self._stream, contextlib.suppress(OSError, ValueError):  # closed under our hands
            while chunk := os.read(self._stream.fileno(), _CHUNK):
                self._kept = (self._kept + chunk)[-_MAX_TAIL:]

    def text(self) -> str:
        """What it said last; of a process that is ending, to its last word."""
        self._reader.join(_LAST_WORDS_S)
        return self._kept.decode(errors="replace").strip()


@dataclass(frozen=True)
class Heard:
    """How a short conversation went.

    Attributes:
        stdout: all that was printed.
        stderr: the end of its stderr.
        code: the exit code; None where it had to be stopped.
    """

    stdout: bytes
    stderr: str
    code: int | None


def converse(process: subprocess.Popen[bytes], text: bytes, *, within_s: float, most: int) -> Heard:
    """Give a process this text (less than a pipe holds) to read, and hear it to its end.

    The process has pipes for stdin, stdout and stderr, and has ended when this returns or raises.

    Raises:
        TooMuchError: it printed more than `most` bytes.
    """
    until = time.monotonic() + within_s
    with stopping(process):
        tail = Tail(stream(process.stderr))
        incoming = Incoming(stream(process.stdout))
        # Where it has ended already, its code says why.
        with contextlib.suppress(OSError), stream(process.stdin) as stdin:
            stdin.write(text)
        try:
            stdout = incoming.rest(most, until)
            code: int | None = process.wait(max(0.0, until - time.monotonic()))
        except (SilentError, subprocess.TimeoutExpired):
            process.kill()
            stdout, code = b"", None
        return Heard(stdout, tail.text(), code)


@contextlib.contextmanager
def stopping(process: subprocess.Popen[bytes]) -> Generator[None, None, None]:
    """Make sure that a process has ended, and its stdin and stdout are closed, after the block."""
    try:
        yield
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):  # what was not written yet has no reader
                    pipe.close()


def stream(pipe: IO[bytes] | None) -> IO[bytes]:
    """A pipe that was asked for: for the type checker."""
    assert pipe is not None  # noqa: S101 - see above
    return pipe


def lines_within(incoming: Incoming, longest: int, most: int, until: float) -> Iterator[bytes]:
    """The lines that come, until the stream ends.

    Raises:
        SilentError: one was not there in time.
        TooMuchError: they are more bytes than `most`, or one is longer than `longest`.
    """
    remaining = most
    while line := incoming.line(longest, until):
        remaining -= len(line)
        if remaining < 0:
            raise TooMuchError
        yield line


class Lines:
    """Cuts stderr into lines as it comes, and keeps its end."""

    def __init__(self, on_line: Callable[[str], None] | None, longest: int) -> None:
        self._on_line = on_line
        self._longest = longest
        self._pending = bytearray()
        self._tail = b""

    def add(self, data: bytes) -> None:
        """Take what came, and hand on the lines that are whole, or longer than allowed."""
        self._tail = (self._tail + data)[-_MAX_STDERR:]
        if self._on_line is None:
            return
        *lines, rest = data.split(b"\n")
        for line in lines:
            self._pending += line
            self._hand_on(self._on_line)
        self._pending += rest
        if len(self._pending) > self._longest:
            self._hand_on(self._on_line)

    def _hand_on(self, on_line: Callable[[str], None]) -> None:
        line = self._pending.decode(errors="replace")
        self._pending.clear()
        on_line(line)

    def end(self) -> None:
        """Hand on a last line that has no end."""
        if self._pending and self._on_line is not None:
            self._hand_on(self._on_line)

    def tail(self) -> str:
        """What was said last."""
        return self._tail.decode(errors="replace")
