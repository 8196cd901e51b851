"""This side of the guard's frames: one process (ssh, adb, a shell here) and its pipes."""

from __future__ import annotations

import contextlib
import getpass
import io
import json
import os
import shlex
import socket
import subprocess
import tempfile
import threading
from typing import IO, TYPE_CHECKING, Any, Protocol

from edgecnn.devices import guard
from edgecnn.devices.facts import printable
from edgecnn.errors import DeviceError

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

Header = dict[str, Any]
_MARKER = "edgecnn-guard"
_START_S = 90.0
_END_S = 20.0
_ALIVE_S = 10.0
_PATIENCE_S = 60.0
_MAX_LINE = 1 << 20
_MAX_TAIL = 4000


class Link(Protocol):
    """How the shell of a device is reached."""

    target: str

    def shell(self, errors: IO[bytes]) -> subprocess.Popen[bytes]:
        """Start `sh` there, with unbuffered pipes on stdin and stdout.

        Raises:
            DeviceError: the device cannot be reached.
        """

    def lost(self, step: str, code: int | None, said: str) -> DeviceError:
        """The error for a shell that ended before it should have.

        Args:
            step: what was being done there, such as "sending 0.tflite".
            code: its exit code; None when it had to be stopped.
            said: the end of what it wrote to stderr.
        """


class Channel:
    """Frames to a guard and back. Whatever fails on it ends it: the guard then clears up."""

    def __init__(self, link: Link, python: str, step: str) -> None:
        """Start the guard.

        Args:
            link: how the device's shell is reached.
            python: the path of a Python 3.9 or newer over there.
            step: for the errors' sentences.

        Raises:
            DeviceError: the guard cannot be started, or refuses.
        """
        self._link = link
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the channel
        self._sending = threading.Lock()
        self._ending = threading.Event()
        self.broken = False
        try:
            self._process = link.shell(self._errors)
        except BaseException:
            self._errors.close()
            raise
        self._in, self._out = _pipes(self._process)
        try:
            self.hello = self._greet(python, step)
        except BaseException:
            self.broken = True
            self.close()
            raise
        threading.Thread(target=self._say_alive, daemon=True).start()

    def _greet(self, python: str, step: str) -> Header:
        options = {"marker": _MARKER, "who": _who(), "patience_s": _PATIENCE_S}
        # The shell has nothing else to read before the guard takes its place, so that no shell
        # can read ahead of itself.
        words = ["exec", python, "-I", "-S", "-X", "utf8", "-c", guard.source()]
        with _deadline(self._process, _START_S):
            self._write(step, f"{shlex.join([*words, json.dumps(options)])}\n".encode())
            while line := self._out.readline(_MAX_LINE):
                if line.rstrip() == _MARKER.encode():  # before it, login scripts may chatter
                    return self.hear(step)
        raise self._lost(step)

    def tell(self, step: str, header: Header, payload: Iterable[bytes] = ()) -> None:
        """Send one frame.

        Raises:
            DeviceError: the connection broke.
        """
        with self._ends_on_error(), self._sending:
            self._write(step, json.dumps(header).encode() + b"\n")
            for chunk in payload:
                self._write(step, chunk)

    def hear(self, step: str) -> Header:
        """The next frame's line; its payload, if any, is still to be read.

        Raises:
            DeviceError: the connection broke, or the guard refused what was asked for.
        """
        with self._ends_on_error():
            line = self._out.readline(_MAX_LINE)
            if not line.endswith(b"\n"):
                raise self._lost(step)
            try:
                header: Header = json.loads(line)
            except ValueError as error:
                raise DeviceError(
                    f"{self._link.target}: an answer that makes no sense came while {step}.",
                    hint=f"It began {printable(line[:60].decode(errors='replace'))!r}.",
                ) from error
        if header.get("op") == "error":
            raise _refusal(self._link.target, step, header)
        if header.get("op") == "bye":
            self.broken = True
            raise DeviceError(
                f"{self._link.target}: our program there was asked to end while {step}.",
                hint="Is the device shutting down? It has cleared up; run it again later.",
            )
        return header

    def read(self, step: str, size: int) -> bytes:
        """The next bytes of a payload, `size` of them.

        Raises:
            DeviceError: the connection broke.
        """
        with self._ends_on_error():
            data = self._out.read(size)
            if len(data) < size:
                raise self._lost(step)
        return data

    def ask(self, step: str, header: Header, payload: Iterable[bytes] = ()) -> Header:
        """Send one frame, and wait for its answer."""
        self.tell(step, header, payload)
        return self.hear(step)

    @contextlib.contextmanager
    def _ends_on_error(self) -> Generator[None, None, None]:
        """After an interruption nobody knows which frame comes next."""
        if self.broken:
            raise DeviceError(f"{self._link.target}: the connection has ended.")
        try:
            yield
        except BaseException:
            self.broken = True
            raise

    def close(self) -> bool:
        """End the guard; whether it said that nothing is left over there."""
        self._ending.set()
        with _deadline(self._process, _END_S):
            if self._sending.acquire(timeout=1.0):  # else a write hangs: it ends with the process
                with contextlib.suppress(OSError):
                    self._in.close()
            else:
                self._process.kill()
            last = b""
            while line := self._out.readline(_MAX_LINE):
                last = line
            self._process.wait()
        self._out.close()
        self._errors.close()
        return last.strip() == b'{"op": "bye"}'

    def _write(self, step: str, data: bytes) -> None:
        view = memoryview(data)
        try:
            while view:
                view = view[self._in.write(view) :]
        except OSError as error:
            raise self._lost(step) from error

    def _lost(self, step: str) -> DeviceError:
        """What ended the shell, once it has ended."""
        try:
            code = self._process.wait(timeout=5.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = None
        return self._link.lost(step, code, tail(self._errors))

    def _say_alive(self) -> None:
        """Tell the guard now and then that we are there; while a frame goes out it knows."""
        while not self._ending.wait(_ALIVE_S):
            if self._sending.acquire(blocking=False):
                try:
                    self._in.write(b'{"op": "alive"}\n')
                except (OSError, ValueError):  # whoever uses the channel next gets the reason
                    return
                finally:
                    self._sending.release()


def _pipes(process: subprocess.Popen[bytes]) -> tuple[io.RawIOBase, io.BufferedReader]:
    assert isinstance(process.stdin, io.RawIOBase)  # noqa: S101 - for the type checker: Link says so
    assert isinstance(process.stdout, io.RawIOBase)  # noqa: S101 - likewise
    return process.stdin, io.BufferedReader(process.stdout)


@contextlib.contextmanager
def _deadline(process: subprocess.Popen[bytes], seconds: float) -> Generator[None, None, None]:
    timer = threading.Timer(seconds, process.kill)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def tail(errors: IO[bytes]) -> str:
    """The end of what a program wrote into this file."""
    size = errors.seek(0, os.SEEK_END)
    errors.seek(max(0, size - _MAX_TAIL))
    return errors.read().decode(errors="replace").strip()


def _who() -> str:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a user without a name, as containers have them
        user = f"user {os.getuid()}"
    return printable(f"{user}@{socket.gethostname()}, process {os.getpid()}")


def megabytes(size_bytes: int) -> str:
    """A size for a sentence."""
    return f"{size_bytes / 1e6:.1f} MB"


def _refusal(target: str, step: str, header: Header) -> DeviceError:
    kind, text = str(header.get("kind")), printable(str(header.get("text", "")))
    if kind == "taken":
        return DeviceError(
            f"{target}: another edgecnn is using it ({text or 'it does not say who'}).",
            hint="Wait for it to end: two at once would measure each other.",
        )
    if kind == "full":
        return disk_full(target, step, int(header.get("free", 0)))
    if kind == "place":
        return DeviceError(
            f"{target}: there is no place to write: {text}.",
            hint="Set XDG_CACHE_HOME over there to a folder that this user can write to.",
        )
    return DeviceError(f"{target}: {text} (while {step}).")


def disk_full(target: str, step: str, free: int, needed: int | None = None) -> DeviceError:
    """The error for a device's disk that has no room."""
    room = f"{megabytes(free)} are free"
    if needed is not None:
        room += f", and {megabytes(needed)} are needed"
    return DeviceError(
        f"{target}: its disk is full: {room} ({step}).",
        hint="Free some space over there (df -h ~), and run it again.",
    )
