"""A `Workspace` by way of the guard: the same for this machine, SSH, and whatever has a shell."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgecnn.devices.channel import Channel, Link, disk_full, megabytes
from edgecnn.devices.device import Completed
from edgecnn.devices.facts import printable
from edgecnn.errors import DeviceError, InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping, Sequence

_CHUNK = 1 << 18
_KEY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]{0,200}")
_MAX_STDERR = 64 << 10
_MAX_STDOUT = 256 << 20
_MAX_ERROR_LINE = 1 << 20
_SLACK_BYTES = 64 << 10  # what the folders themselves take


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
        self.folder: str = channel.hello["folder"]
        self.python: str = channel.hello["python"] or python

    def send(self, files: Mapping[str, Path | bytes]) -> None:
        """Put files into the folder; each is read back by its SHA-256 before this returns.

        Raises:
            DeviceError: the connection broke, the device's disk is full, or a sum differs.
            InputError: a file of this machine cannot be read.
        """
        sources = {name: _source(content) for name, content in files.items()}
        self._make_sure_of(sum(each.size for each in sources.values()))
        for name, source in sources.items():
            step = f"sending {printable(name)}"
            header = {
                "op": "send",
                "name": name,
                "size": source.size,
                "sha256": source.sha256,
                "mode": source.mode,
            }
            reply = self._channel.ask(step, header, source.chunks())
            if reply["sha256"] != source.sha256:
                raise self._differs(step)

    def _make_sure_of(self, needed: int, free: int | None = None) -> None:
        step = "looking for room"
        if free is None:
            free = int(self._channel.ask(step, {"op": "space"})["free"])
        if needed + _SLACK_BYTES > free:
            raise disk_full(self._target, step, free, needed + _SLACK_BYTES)

    def _differs(self, step: str) -> DeviceError:
        return DeviceError(
            f"{self._target}: the SHA-256 sums here and there differ after {step}.",
            hint="The file changed meanwhile, or the device's disk or memory is failing.",
        )

    def fetch(self, name: str, to: Path) -> None:
        """Bring one file back, checked; `to` appears whole or not at all.

        Raises:
            DeviceError: it is not there, the connection broke, or the sum differs.
            InputError: it cannot be written here.
        """
        step = f"fetching {printable(name)}"
        left = int(self._channel.ask(step, {"op": "fetch", "name": name})["size"])
        total = hashlib.sha256()
        with self._local_errors(to), _appearing(to) as part:
            with part.open("wb") as file:
                while left:
                    chunk = self._channel.read(step, min(left, _CHUNK))
                    total.update(chunk)
                    file.write(chunk)
                    left -= len(chunk)
            if self._channel.hear(step)["sha256"] != total.hexdigest():
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
    ) -> Completed:
        """Run a program in the folder; each line of its stderr is handed on as it comes.

        Its stdin is open and silent, and ends when the connection does. When it has ended, all
        that it started and left running is ended too.

        Raises:
            DeviceError: it could not be started, the connection broke, or the time is up;
                the program does not go on over there.
        """
        step = f"running {printable(' '.join(command[:2]))}"
        header = {
            "op": "run",
            "argv": list(command),
            "environment": dict(environment or {}),
            "timeout_s": timeout_s,
        }
        lines = _Lines(on_error_line)
        stdout = bytearray()
        reply = self._channel.ask(step, header)
        while reply["op"] != "exit":
            data = self._channel.read(step, int(reply["size"]))
            self._take(reply["op"], data, lines, stdout)
            reply = self._channel.hear(step)
        lines.end()
        if reply["late"]:
            raise DeviceError(
                f"{self._target}: the time was up after {timeout_s} s ({step}); it was stopped."
            )
        return Completed(reply["code"], stdout.decode(errors="replace"), lines.tail())

    def _take(self, op: str, data: bytes, lines: _Lines, stdout: bytearray) -> None:
        """Keep what a program printed; a caller's error ends the program with the connection."""
        if op == "err":
            try:
                lines.add(data)
            except BaseException:
                self._channel.broken = True
                raise
            return
        stdout += data
        if len(stdout) > _MAX_STDOUT:
            self._channel.broken = True
            raise DeviceError(
                f"{self._target}: a program printed more than {megabytes(_MAX_STDOUT)}."
            )

    def runtime(self, key: str, archive: Path) -> str:
        """The folder over there that holds a runtime's libraries, for PYTHONPATH.

        Raises:
            DeviceError: the connection broke, the device's disk is full, or a sum differs.
            InputError: the key is none, or the archive cannot be read.
        """
        if not _KEY.fullmatch(key):
            raise InputError(f"{key!r} does not name a runtime: letters, digits, '._+-'.")
        step = f"sending the runtime {key}"
        reply = self._channel.ask(step, {"op": "runtime", "key": key})
        if reply["folder"]:
            return str(reply["folder"])
        source = _source(archive)
        self._make_sure_of(source.size, int(reply["free"]))
        header = {
            "op": "unpack",
            "key": key,
            "size": source.size,
            "sha256": source.sha256,
            "keep": self._keep,
        }
        return str(self._channel.ask(step, header, source.chunks())["folder"])


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
        left = self.size
        with _reading(self.content), self.content.open("rb") as file:
            while left:
                chunk = file.read(min(left, _CHUNK)) or bytes(min(left, _CHUNK))
                left -= len(chunk)
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


class _Lines:
    """Cuts stderr into lines as it comes, and keeps its end."""

    def __init__(self, on_line: Callable[[str], None] | None) -> None:
        self._on_line = on_line
        self._pending = b""
        self._tail = b""

    def add(self, data: bytes) -> None:
        self._tail = (self._tail + data)[-_MAX_STDERR:]
        if self._on_line is None:
            return
        *lines, self._pending = (self._pending + data).split(b"\n")
        for line in lines:
            self._on_line(line.decode(errors="replace"))
        if len(self._pending) > _MAX_ERROR_LINE:
            self.end()

    def end(self) -> None:
        """Hand on a last line that has no end."""
        if self._pending and self._on_line is not None:
            self._on_line(self._pending.decode(errors="replace"))
        self._pending = b""

    def tail(self) -> str:
        return self._tail.decode(errors="replace")
