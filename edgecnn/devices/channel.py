"""This side of the guard's frames: one process (ssh, adb, a shell here) and its pipes.

A device may answer anything, or nothing: each frame is checked, has its bounds, and has to come in
time. What is wrong with one is a `DeviceError`.
"""

from __future__ import annotations

import contextlib
import getpass
import io
import json
import os
import select
import shlex
import socket
import subprocess
import threading
import time
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from edgecnn.devices import frames, guard
from edgecnn.devices.facts import printable
from edgecnn.devices.hearing import (
    Incoming,
    SilentError,
    Tail,
    TooMuchError,
    lines_within,
    stopping,
    stream,
)
from edgecnn.devices.refusals import refusal
from edgecnn.errors import DeviceError
from edgecnn.strict import UnfitError, parse, structured

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

Header = dict[str, Any]
_Frame = TypeVar("_Frame")
_MARKER = "edgecnn-guard"
_START_S = 90.0
_END_S = 20.0
_ALIVE_S = 10.0
_PATIENCE_S = 60.0
ANSWER_S = 180.0  # a slow card that is written to takes a fraction of it
_MAX_LINE = 1 << 20
_MAX_CHATTER = 4 << 20  # of login scripts, before the guard's first word
_MAX_LAST = 64 << 20  # what was on its way when a connection is given up


class Link(Protocol):
    """How the shell of a device is reached."""

    target: str

    def shell(self) -> subprocess.Popen[bytes]:
        """Start `sh` there, with unbuffered pipes on stdin, stdout and stderr.

        Raises:
            DeviceError: the device cannot be reached.
        """

    def lost(self, step: str, code: int | None, message: str) -> DeviceError:
        """The error for a shell that ended before it should have.

        Args:
            step: what was being done there, such as "sending 0.tflite".
            code: its exit code; None when it had to be stopped.
            message: the end of what it wrote to stderr.
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
        self._sending = threading.Lock()
        self._ending = threading.Event()
        self.broken = False
        self._process = link.shell()
        self._stderr = Tail(stream(self._process.stderr))
        self._in = _unblocked(self._process)
        self._out = Incoming(stream(self._process.stdout))
        try:
            self.hello = self._greet(python, step)
        except BaseException:
            self.broken = True
            self.close()
            raise
        threading.Thread(target=self._say_alive, daemon=True).start()

    def _greet(self, python: str, step: str) -> frames.Hello:
        options = {"marker": _MARKER, "who": _who(), "patience_s": _PATIENCE_S}
        # The shell has nothing else to read before the guard takes its place, so that no shell
        # can read ahead of itself.
        words = ["exec", python, "-I", "-S", "-X", "utf8", "-c", guard.source()]
        self._write(step, f"{shlex.join([*words, json.dumps(options)])}\n".encode(), _START_S)
        until = time.monotonic() + _START_S
        with self._bounded(step, _START_S):
            for line in lines_within(self._out, _MAX_LINE, _MAX_CHATTER, until):
                if line.rstrip() == _MARKER.encode():  # before it, login scripts may chatter
                    return self.hear(step, frames.Hello)
        raise self._lost(step)

    def tell(self, step: str, header: Header, payload: Iterable[bytes] = ()) -> None:
        """Send one frame.

        Raises:
            DeviceError: the connection broke, or nobody reads over there.
        """
        with self._ends_on_error(), self._sending:
            self._write(step, json.dumps(header).encode() + b"\n", ANSWER_S)
            for chunk in payload:
                self._write(step, chunk, ANSWER_S)

    def hear(self, step: str, kind: type[_Frame], within_s: float | None = None) -> _Frame:
        """The next frame, which has to be of this kind; its payload is still to be read.

        Args:
            step: for the errors' sentences.
            kind: one of `edgecnn.devices.frames`.
            within_s: seconds in which it has to come; ANSWER_S where nothing is said.

        Raises:
            DeviceError: the connection broke, the guard refused what was asked for, or what came
                is no such frame.
        """
        header = self._header(step, within_s or ANSWER_S)
        return self._framed(step, header, kind)

    def hear_program(self, step: str) -> frames.Printed | frames.Exit | None:
        """The next frame of a program that runs over there; None is a mere sign of life.

        Raises:
            DeviceError: as `hear`.
        """
        header = self._header(step, ANSWER_S)
        if header["op"] == "alive":
            return None
        if header["op"] in frames.Exit.OPS:
            return self._framed(step, header, frames.Exit)
        return self._framed(step, header, frames.Printed)

    def _header(self, step: str, within_s: float) -> Header:
        """The next frame's line; after a refusal the channel goes on."""
        with self._ends_on_error():
            header = self._parsed(step, within_s)
        if header["op"] in frames.Refusal.OPS:
            raise refusal(self._link.target, step, self._framed(step, header, frames.Refusal))
        if header["op"] == "bye":
            self.broken = True
            raise DeviceError(
                f"{self._link.target}: our program there was asked to end while {step}.",
                hint="Is the device shutting down? It has cleared up; run it again later.",
            )
        return header

    def _parsed(self, step: str, within_s: float) -> Header:
        with self._bounded(step, within_s):
            line = self._out.line(_MAX_LINE, time.monotonic() + within_s)
        if not line.endswith(b"\n"):
            raise self._lost(step)
        try:
            header = parse(line)
        except UnfitError:
            header = None
        if not isinstance(header, dict) or not isinstance(header.get("op"), str):
            raise self._nonsense(step, line)
        return header

    def _framed(self, step: str, header: Header, kind: type[_Frame]) -> _Frame:
        try:
            frames.check_op(header["op"], kind)
            return structured(header, kind)
        except UnfitError as error:
            raise self._nonsense(step, json.dumps(header).encode(), str(error)) from error

    def _nonsense(self, step: str, line: bytes, why: str = "") -> DeviceError:
        self.broken = True
        text = printable(line[:60].decode(errors="replace"))
        reason = f" ({printable(why)})" if why else ""
        return DeviceError(
            f"{self._link.target}: an answer that makes no sense came while {step}{reason}.",
            hint=f"It began {text!r}.",
        )

    def read(self, step: str, size: int) -> bytes:
        """The next bytes of a payload, `size` of them.

        Raises:
            DeviceError: the connection broke, or they did not come in time.
        """
        with self._ends_on_error(), self._bounded(step, ANSWER_S):
            data = self._out.block(size, time.monotonic() + ANSWER_S)
            if len(data) < size:
                raise self._lost(step)
        return data

    def ask(
        self, step: str, header: Header, kind: type[_Frame], payload: Iterable[bytes] = ()
    ) -> _Frame:
        """Send one frame, and wait for its answer."""
        self.tell(step, header, payload)
        return self.hear(step, kind)

    def give_up(self, message: str, hint: str = "") -> DeviceError:
        """The error for a device that does not keep to what is agreed; ends the connection."""
        self.broken = True
        self._process.kill()
        return DeviceError(f"{self._link.target}: {message}", hint=hint or _GIVEN_UP)

    @contextlib.contextmanager
    def _bounded(self, step: str, seconds: float) -> Generator[None, None, None]:
        """Turn silence and floods into the device's error."""
        try:
            yield
        except SilentError:
            raise self.give_up(f"it gave no answer within {seconds:g} s while {step}.") from None
        except TooMuchError:
            raise self.give_up(f"its answer does not end while {step}.") from None

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
        until = time.monotonic() + _END_S
        last = b""
        with stopping(self._process):
            if self._sending.acquire(timeout=1.0):  # else a write hangs: it ends with the process
                with contextlib.suppress(OSError):
                    self._in.close()
                with contextlib.suppress(SilentError, TooMuchError, subprocess.TimeoutExpired):
                    for line in lines_within(self._out, _MAX_LAST, _MAX_LAST, until):
                        last = line
                    self._process.wait(max(0.0, until - time.monotonic()))
        return last.strip() == b'{"op": "bye"}'

    def _write(self, step: str, data: bytes, within_s: float) -> None:
        """Hand bytes on; they have to move all the time."""
        view, poll = memoryview(data), select.poll()
        poll.register(self._in, select.POLLOUT)
        try:
            while view:
                if not poll.poll(1e3 * within_s):
                    raise self.give_up(f"it read nothing for {within_s:g} s while {step}.")
                view = view[self._in.write(view) or 0 :]
        except OSError as error:
            raise self._lost(step) from error

    def _lost(self, step: str) -> DeviceError:
        """What ended the shell, once it has ended."""
        try:
            code = self._process.wait(timeout=5.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = None
        return self._link.lost(step, code, self._stderr.text())

    def _say_alive(self) -> None:
        """Tell the guard now and then that we are there; while a frame goes out it knows."""
        while not self._ending.wait(_ALIVE_S):
            if self._sending.acquire(blocking=False):
                try:
                    self._in.write(b'{"op": "alive"}\n')  # a full pipe takes none of it
                except (OSError, ValueError):  # whoever uses the channel next gets the reason
                    return
                finally:
                    self._sending.release()


_GIVEN_UP = (
    "The connection was ended, and the device clears up by itself. Is it out of memory, or hung?"
)


def _unblocked(process: subprocess.Popen[bytes]) -> io.RawIOBase:
    """Its stdin, of which a write takes what there is room for, and never waits."""
    assert isinstance(process.stdin, io.RawIOBase)  # noqa: S101 - for the type checker: Link says so
    os.set_blocking(process.stdin.fileno(), False)
    return process.stdin


def _who() -> str:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a user without a name, as containers have them
        user = f"user {os.getuid()}"
    return printable(f"{user}@{socket.gethostname()}, process {os.getpid()}")
