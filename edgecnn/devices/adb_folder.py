"""Files and programs in a folder of a phone that has no Python: `adb shell` with cat and sha256sum.

Nothing is pushed with adb's sync protocol: it would make the folder anew when the guard, and with
it the folder, is gone.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import re
import secrets
import shlex
import socket
import subprocess
import tempfile
import threading
import time
from typing import IO, TYPE_CHECKING, Protocol

from edgecnn import digests
from edgecnn.devices import adb_guard
from edgecnn.devices.device import Completed
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
from edgecnn.errors import DeviceError, InputError

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping, Sequence
    from pathlib import Path

_START_S = 60.0
_END_S = 30.0
_LONGEST_S = 3600.0  # for what is given no limit: files that are sent over a slow cable
_CHECK_S = 0.2
_MAX_SAID = 8 << 20
_SUM = re.compile(rb"\b[0-9a-f]{64}\b")
_CODE = re.compile(r"[0-9]{1,3}\n")
_FOLDER = re.compile(r"/[^\x00]{1,4000}")


class Adb(Protocol):
    """What starts shell commands on the phone; `edgecnn.devices.adb.AdbDevice`."""

    target: str

    def start(
        self, script: str, stdin: IO[bytes] | int = subprocess.PIPE
    ) -> subprocess.Popen[bytes]:
        """Start one."""

    def lost(self, step: str, code: int | None, message: str) -> DeviceError:
        """The error for one that ended too soon."""


@contextlib.contextmanager
def open_folder(adb: Adb) -> Generator[AdbFolder, None, None]:
    """Start the guard, and end it with the block.

    Raises:
        DeviceError: it cannot be started or refuses; or, after a block without an error, it did
            not say that all is removed.
    """
    guard = _Guard(adb)
    try:
        folder = guard.greeted()
        yield AdbFolder(adb, guard.process, folder)
    except BaseException:
        guard.end()
        raise
    if not guard.end():
        raise DeviceError(
            f"{adb.target}: the connection broke while clearing up.",
            hint="The device removes what was brought there by itself.",
        )


class _Guard:
    """The guard's process; what it says is bounded, and has to come in time."""

    def __init__(self, adb: Adb) -> None:
        self._adb = adb
        self.process = adb.start(adb_guard.guard(_who()))
        self._stderr = Tail(stream(self.process.stderr))
        self._out = Incoming(stream(self.process.stdout))

    def greeted(self) -> str:
        """The folder that it has made."""
        step = "preparing a folder there"
        try:
            for line in self._lines(_START_S):
                word, _, rest = line.decode(errors="replace").strip().partition(" ")
                if word == "edgecnn-folder" and _FOLDER.fullmatch(rest):
                    return rest
                if word == "edgecnn-refused":
                    raise _refusal(self._adb.target, printable(rest))
        except (SilentError, TooMuchError):
            self.process.kill()
        raise self._adb.lost(step, self.process.wait(), self._stderr.text())

    def end(self) -> bool:
        """End it; whether it said that nothing is left."""
        left = True
        with (
            stopping(self.process),
            contextlib.suppress(OSError, SilentError, TooMuchError, subprocess.TimeoutExpired),
        ):
            stream(self.process.stdin).close()
            left = b"edgecnn-bye" not in b"".join(self._lines(_END_S))
            self.process.wait(_END_S)
        return not left

    def _lines(self, within_s: float) -> Iterator[bytes]:
        return lines_within(self._out, _MAX_SAID, _MAX_SAID, time.monotonic() + within_s)


def _who() -> str:
    return printable(f"{getpass.getuser()}@{socket.gethostname()}, process {os.getpid()}")


def _refusal(target: str, text: str) -> DeviceError:
    reason, _, detail = text.partition(" ")
    if reason == "taken":
        return DeviceError(
            f"{target}: another edgecnn is using it ({detail or 'it does not say who'}).",
            hint="Wait for it to end: two at once would measure each other.",
        )
    if reason == "missing":
        return DeviceError(
            f"{target}: its shell has no {detail}.", hint="Android 7 or newer is needed."
        )
    return DeviceError(
        f"{target}: nothing can be written to {adb_guard.FOLDERS} there.",
        hint="Is its storage full? adb shell df /data",
    )


@contextlib.contextmanager
def _deadline(
    process: subprocess.Popen[bytes], seconds: float
) -> Generator[threading.Event, None, None]:
    """Kill a process when its time is up; the event says so."""
    late = threading.Event()

    def stop() -> None:
        late.set()
        process.kill()

    timer = threading.Timer(seconds, stop)
    timer.start()
    try:
        yield late
    finally:
        timer.cancel()


class AdbFolder:
    """The folder that the guard lends: what `edgecnn.devices.device.Workspace` can without Python.

    Attributes:
        folder: its absolute path there.
    """

    def __init__(self, adb: Adb, guard: subprocess.Popen[bytes], folder: str) -> None:
        self._adb = adb
        self._guard = guard
        self.folder = folder

    def send(self, files: Mapping[str, Path | bytes]) -> None:
        """Put files into the folder; each is read back by its SHA-256 before this returns.

        Raises:
            DeviceError: the connection broke, the device's disk is full, or a sum differs.
            InputError: a file of this machine cannot be read.
        """
        for name, content in files.items():
            with contextlib.ExitStack() as stack:
                source = stack.enter_context(_opened(content))
                total = digests.of_stream(source)
                source.seek(0)
                self._send(name, source, total)

    def _send(self, name: str, source: IO[bytes], total: str) -> None:
        step = f"sending {printable(name)}"
        there = shlex.quote(f"{self.folder}/{name}")
        script = f"cat > {there} && chmod 700 {there} && sha256sum < {there}"
        ended = self._shell(step, script, stdin=source)
        if ended.exit_code != 0:
            raise self._failed(step, ended.stderr)
        match = _SUM.search(ended.stdout.encode())
        if match is None or match.group().decode() != total:
            raise DeviceError(
                f"{self._adb.target}: the SHA-256 sums here and there differ after {step}.",
                hint="The file changed meanwhile, or the device's disk or memory is failing.",
            )

    def _failed(self, step: str, message: str) -> DeviceError:
        if "No space left" in message:
            return DeviceError(
                f"{self._adb.target}: its disk is full ({step}).",
                hint="Free some space over there (adb shell df /data), and run it again.",
            )
        return DeviceError(
            f"{self._adb.target}: {printable(message) or 'it failed'} (while {step}).",
            hint="Try again; is its storage in order? adb shell df /data",
        )

    def run(self, command: Sequence[str], *, timeout_s: float | None = None) -> Completed:
        """Run a program in the folder, with nothing on its stdin.

        Raises:
            DeviceError: the connection broke, or the time is up; the program does not go on
                over there.
        """
        step = f"running {printable(' '.join(command[:2]))}"
        script = f"cd {shlex.quote(self.folder)} && {shlex.join(command)}"
        return self._shell(step, script, timeout_s=timeout_s)

    def _shell(
        self,
        step: str,
        script: str,
        *,
        stdin: IO[bytes] | None = None,
        timeout_s: float | None = None,
    ) -> Completed:
        """Run a shell command; its own last word tells that it ended, not the connection."""
        if self._guard.poll() is not None:
            raise self._adb.lost(step, None, "")
        mark = f"edgecnn-ended-{secrets.token_hex(8)}"
        process = self._adb.start(
            f"( {script} ); printf '\\n%s %s\\n' {mark} $?", stdin or subprocess.DEVNULL
        )
        stderr = Tail(stream(process.stderr))
        limit_s = _LONGEST_S if timeout_s is None else timeout_s
        stdout, code = b"", None
        try:
            with (
                stopping(process),
                _deadline(process, limit_s) as late,
                _ending_with(self._guard, process),
                contextlib.suppress(SilentError),  # then it is late
            ):
                until = time.monotonic() + limit_s + _END_S
                stdout = Incoming(stream(process.stdout)).rest(_MAX_SAID, until)
                code = process.wait()
        except TooMuchError:
            self._stop_all()
            raise DeviceError(
                f"{self._adb.target}: a program printed without end ({step}); it was stopped.",
                hint="Run it there by hand, and see what it prints.",
            ) from None
        except BaseException:
            self._stop_all()
            raise
        if late.is_set():
            self._stop_all()
            raise DeviceError(
                f"{self._adb.target}: the time was up after {limit_s:g} s ({step}); it was stopped."
            )
        body, marked, ending = stdout.decode(errors="replace").rpartition(f"\n{mark} ")
        if not marked or not _CODE.fullmatch(ending):
            raise self._adb.lost(step, code or None, stderr.text())
        return Completed(int(ending), body, stderr.text())

    def _stop_all(self) -> None:
        """End whatever runs in the folder; where the connection is gone, the guard does it."""
        if self._guard.poll() is None:
            script = adb_guard.kill_all_in(self.folder)
            ending = self._adb.start(script, subprocess.DEVNULL)
            Tail(stream(ending.stderr))
            with stopping(ending), contextlib.suppress(SilentError, TooMuchError):
                Incoming(stream(ending.stdout)).rest(_MAX_SAID, time.monotonic() + _END_S)


@contextlib.contextmanager
def _ending_with(
    guard: subprocess.Popen[bytes], process: subprocess.Popen[bytes]
) -> Generator[None, None, None]:
    """End a process when the guard ends: what it runs over there has been ended too."""
    done = threading.Event()

    def watch() -> None:
        while not done.wait(_CHECK_S):
            if guard.poll() is not None:
                process.kill()
                return

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()


@contextlib.contextmanager
def _opened(content: Path | bytes) -> Generator[IO[bytes], None, None]:
    if isinstance(content, bytes):
        with tempfile.TemporaryFile() as file:
            file.write(content)
            file.seek(0)
            yield file
        return
    try:
        source = content.open("rb")
    except OSError as error:
        raise InputError(f"{content} cannot be read: {error.strerror}.") from error
    with source:
        yield source
