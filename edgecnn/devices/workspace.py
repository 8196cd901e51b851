"""A `Workspace` by way of the guard: the same for this machine, SSH, and whatever has a shell."""

from __future__ import annotations

import contextlib
import hashlib
import math
import os
import re
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgecnn.devices import frames
from edgecnn.devices.channel import Channel, Link
from edgecnn.devices.device import Completed, Limits
from edgecnn.devices.facts import printable
from edgecnn.devices.hearing import Lines
from edgecnn.devices.refusals import disk_full, megabytes
from edgecnn.errors import DeviceError, InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping, Sequence

_CHUNK = 1 << 18
_KEY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]{0,200}")
_MOST_FETCHED = 1 << 30
_UNPACKING_S = 900.0  # a runtime is written to a slow card, and read back
_LATE_S = 60.0  # the guard itself stops a program; so much later, it is the guard that hangs
_LIMITS = Limits()
_SLACK_BYTES = 64 << 10  # what the folders themselves take
_DAMAGED = "Run it again; if it stays so, look at the device's memory and disk."


@contextlib.contextmanager
def open_workspace(link: Link, python: str, *, keep: bool) -> Generator[GuardWorkspace, None, None]:
    """Start a guard, and end it with the block.

    Raises:
        DeviceError: it cannot be started or refuses; or, after a block without an error, it did
            not say that all is removed.
    """
    channel = Channel(link, python, "preparing a folder there")
    try:
        yield GuardWorkspace(link.target, channel, python, keep=keep)
    except BaseException:
        channel.close()
        raise
    if not channel.close():
        raise DeviceError(
            f"{link.target}: the connection broke while clearing up.",
            hint="The device removes what was brought there by itself, within a minute.",
        )


class GuardWorkspace:
    """The folder that a guard lends; see `edgecnn.devices.device.Workspace`.

    Attributes:
        folder: its absolute path there.
        python: the Python that the guard runs in.
    """

    def __init__(self, target: str, channel: Channel, python: str, *, keep: bool) -> None:
        self._target = target
        self._channel = channel
        self._keep = keep
        self.folder: str = channel.hello.folder
        self.python: str = channel.hello.python or python

    def send(self, files: Mapping[str, Path | bytes]) -> None:
        """Put files into the folder; each is read back by its SHA-256 before this returns.

        Raises:
            DeviceError: the connection broke, the device's disk is full, or a sum differs.
            InputError: a file of this machine cannot be read.
        """
        sources = {name: _source(content) for name, content in files.items()}
        self._make_sure_of(sum(source.size for source in sources.values()))
        for name, source in sources.items():
            step = f"sending {printable(name)}"
            header = {
                "op": "send",
                "name": name,
                "size": source.size,
                "sha256": source.sha256,
                "mode": source.mode,
            }
            reply = self._channel.ask(step, header, frames.Sum, source.chunks())
            if reply.sha256 != source.sha256:
                raise self._differs(step)

    def _make_sure_of(self, needed: int, free: int | None = None) -> None:
        step = "looking for room"
        if free is None:
            free = self._channel.ask(step, {"op": "space"}, frames.Space).free
        if needed + _SLACK_BYTES > free:
            raise disk_full(self._target, step, free, needed + _SLACK_BYTES)

    def _differs(self, step: str) -> DeviceError:
        return DeviceError(
            f"{self._target}: the SHA-256 sums here and there differ after {step}.",
            hint="The file changed meanwhile, or the device's disk or memory is failing.",
        )

    def fetch(self, name: str, to: Path, most_bytes: int = _MOST_FETCHED) -> None:
        """Bring one file back, checked; `to` appears whole or not at all.

        Raises:
            DeviceError: it is not there or has more bytes, the connection broke, or the sum
                differs.
            InputError: it cannot be written here.
        """
        step = f"fetching {printable(name)}"
        remaining = self._channel.ask(step, {"op": "fetch", "name": name}, frames.Data).size
        if remaining > most_bytes:
            raise self._channel.give_up(
                f"{printable(name)} has {megabytes(remaining)} there, and {megabytes(most_bytes)}"
                " are the most that it can have.",
                _DAMAGED,
            )
        total = hashlib.sha256()
        with self._local_errors(to), _appearing(to) as part:
            with part.open("wb") as file:
                while remaining:
                    chunk = self._channel.read(step, min(remaining, _CHUNK))
                    total.update(chunk)
                    file.write(chunk)
                    remaining -= len(chunk)
            if self._channel.hear(step, frames.Sum).sha256 != total.hexdigest():
                raise self._differs(step)

    @contextlib.contextmanager
    def _local_errors(self, to: Path) -> Generator[None, None, None]:
        try:
            yield
        except OSError as error:
            self._channel.broken = True  # the rest of the file is still on its way
            raise InputError(f"{to} cannot be written: {error.strerror}.") from error

    def run(
        self,
        command: Sequence[str],
        *,
        environment: Mapping[str, str] | None = None,
        on_error_line: Callable[[str], None] | None = None,
        timeout_s: float | None = None,
        limits: Limits = _LIMITS,
    ) -> Completed:
        """Run a program in the folder; each line of its stderr is handed on as it comes.

        Its stdin is open and silent, and ends when the connection does. When it has ended, all
        that it started and left running is ended too.

        Raises:
            DeviceError: it could not be started, the connection broke, the time is up, or it gave
                more than its limits allow; the program does not go on over there.
        """
        step = f"running {printable(' '.join(command[:2]))}"
        header = {
            "op": "run",
            "argv": list(command),
            "environment": dict(environment or {}),
            "timeout_s": timeout_s,
        }
        lines = Lines(on_error_line, limits.line_bytes)
        self._channel.tell(step, header)
        stdout, ended = self._listen(step, lines, limits, timeout_s)
        lines.end()
        if ended.late:
            raise DeviceError(
                f"{self._target}: the time was up after {timeout_s} s ({step}); it was stopped."
            )
        return Completed(ended.code, stdout.decode(errors="replace"), lines.tail())

    def _listen(
        self, step: str, lines: Lines, limits: Limits, timeout_s: float | None
    ) -> tuple[bytes, frames.Exit]:
        """What a program prints until it ends, within its limits."""
        stdout, quota = bytearray(), {"out": limits.stdout_bytes, "err": limits.stderr_bytes}
        end = math.inf if timeout_s is None else time.monotonic() + timeout_s + _LATE_S
        heard_at = time.monotonic()
        while True:
            event = self._channel.hear_program(step)
            now = time.monotonic()
            if isinstance(event, frames.Exit):
                return bytes(stdout), event
            if event is not None:
                quota[event.op] -= event.size
                if quota[event.op] < 0:
                    raise self._flooded(step, limits.stdout_bytes if event.op == "out" else None)
                self._take(event.op, self._channel.read(step, event.size), lines, stdout)
                heard_at = now
            if now > end:
                raise self._hanging(step, f"did not end within {timeout_s:g} s")
            if now > heard_at + limits.silence_s:
                raise self._hanging(step, f"said nothing for {limits.silence_s:g} s")

    def _hanging(self, step: str, what: str) -> DeviceError:
        return self._channel.give_up(
            f"the program there {what} ({step}).",
            "It was stopped. Is the device out of memory, or does the file run without end?",
        )

    def _flooded(self, step: str, most: int | None) -> DeviceError:
        much = "without end" if most is None else f"more than {megabytes(most)}"
        return self._channel.give_up(f"a program printed {much} ({step}).", _DAMAGED)

    def _take(self, op: str, data: bytes, lines: Lines, stdout: bytearray) -> None:
        """Keep what a program printed; a caller's error ends the program with the connection."""
        if op == "out":
            stdout += data
            return
        try:
            lines.add(data)
        except BaseException:
            self._channel.broken = True
            raise

    def runtime(self, key: str, archive: Path) -> str:
        """The folder over there that holds a runtime's libraries, for PYTHONPATH.

        Raises:
            DeviceError: the connection broke, the device's disk is full, or a sum differs.
            InputError: the key is none, or the archive cannot be read.
        """
        if not _KEY.fullmatch(key):
            raise InputError(f"{key!r} does not name a runtime: letters, digits, '._+-'.")
        step = f"sending the runtime {key}"
        self._channel.tell(step, {"op": "runtime", "key": key})
        reply = self._channel.hear(step, frames.Kept, _UNPACKING_S)
        if reply.folder:
            return reply.folder
        source = _source(archive)
        self._make_sure_of(source.size, reply.free)
        header = {
            "op": "unpack",
            "key": key,
            "size": source.size,
            "sha256": source.sha256,
            "keep": self._keep,
        }
        self._channel.tell(step, header, source.chunks())
        return self._channel.hear(step, frames.Unpacked, _UNPACKING_S).folder


@dataclass(frozen=True)
class _Source:
    """Something to send: a file of this machine, or bytes."""

    content: Path | bytes
    size: int
    sha256: str
    mode: int

    def chunks(self) -> Iterator[bytes]:
        """Exactly `size` bytes; the sum tells whether they are still the same."""
        if isinstance(self.content, bytes):
            yield self.content
            return
        remaining = self.size
        with _reading(self.content), self.content.open("rb") as file:
            while remaining:
                chunk = file.read(min(remaining, _CHUNK)) or bytes(min(remaining, _CHUNK))
                remaining -= len(chunk)
                yield chunk


def _source(content: Path | bytes) -> _Source:
    if isinstance(content, bytes):
        return _Source(content, len(content), hashlib.sha256(content).hexdigest(), 0o600)
    total = hashlib.sha256()
    size = 0
    with _reading(content), content.open("rb") as file:
        for chunk in iter(lambda: file.read(_CHUNK), b""):
            total.update(chunk)
            size += len(chunk)
        runs = os.fstat(file.fileno()).st_mode & 0o100
    return _Source(content, size, total.hexdigest(), 0o700 if runs else 0o600)


@contextlib.contextmanager
def _reading(path: Path) -> Generator[None, None, None]:
    try:
        yield
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from error


@contextlib.contextmanager
def _appearing(final: Path) -> Generator[Path, None, None]:
    """A file to write; it takes the name `final` when the block ends without an error."""
    descriptor, name = tempfile.mkstemp(prefix=f".{final.name}.", dir=final.parent)
    os.close(descriptor)
    part = Path(name)
    try:
        yield part
        part.replace(final)
    finally:
        part.unlink(missing_ok=True)
