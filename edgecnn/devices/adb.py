"""A phone over adb: the system's own adb, its server, its keys and its settings.

Where the phone has a Python, everything goes as over SSH: `adb shell` carries the guard. Where it
has none, `folder` lends a folder by a guard in plain shell, enough to run a `benchmark_model`.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from typing import IO, TYPE_CHECKING

from edgecnn.devices import adb_guard, adb_states
from edgecnn.devices.adb_folder import AdbFolder, open_folder
from edgecnn.devices.facts import printable
from edgecnn.devices.shell import ShellDevice
from edgecnn.errors import DeviceError

if TYPE_CHECKING:
    from collections.abc import Generator

    from edgecnn.devices.device import Workspace
    from edgecnn.devices.target import Target

_ASK_S = 30.0
_KILLED = 137


class AdbDevice(ShellDevice):
    """A device that adb knows. Nothing is asked of it before it is first used.

    The variables that adb itself obeys hold: ANDROID_SERIAL, ANDROID_ADB_SERVER_PORT, and so on.
    """

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self._asked_for = target.address
        self._command: list[str] | None = None

    def shell(self) -> subprocess.Popen[bytes]:
        """Start `sh` over there.

        Raises:
            DeviceError: there is no adb, or no such device, or it is not ready.
        """
        return self.start(adb_guard.environment())

    def start(
        self, script: str, stdin: IO[bytes] | int = subprocess.PIPE
    ) -> subprocess.Popen[bytes]:
        """Start a shell command over there, without a terminal, with pipes for what it writes.

        Args:
            script: what the phone's `sh` gets to read.
            stdin: what it reads.

        Raises:
            DeviceError: there is no adb, or no such device, or it is not ready.
        """
        if self._command is None:
            self._command = self._connect()
        return subprocess.Popen(
            [*self._command, "shell", "-T", script],
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,  # Ctrl-C is ours: what runs over there ends in good order
        )

    @contextlib.contextmanager
    def workspace(self, *, keep: bool = False) -> Generator[Workspace, None, None]:
        """A folder there, and the device's lock; see `edgecnn.devices.device.Device`."""
        if not self.facts().python:
            raise DeviceError(
                f"{self.target}: it has no Python 3 that adb's user can run (Termux's is its own).",
                hint="Name a benchmark_model binary for it: --benchmark-model PATH",
            )
        with super().workspace(keep=keep) as opened:
            yield opened

    @contextlib.contextmanager
    def folder(self) -> Generator[AdbFolder, None, None]:
        """A folder there, and the device's lock, without any Python.

        Raises:
            DeviceError: another bench holds the device, there is no place to write, or its system
                is older than Android 7.
        """
        with open_folder(self) as opened:
            yield opened

    def lost(self, step: str, code: int | None, message: str) -> DeviceError:
        """The error for a shell over there that ended too soon."""
        command, self._command = self._command, None
        state = _ask([*(command or []), "get-state"]) if command else "error: not connected"
        if state == adb_states.READY and code is not None and code > 0:
            hint = f"It said: {printable(message[-200:])}" if message else "Try again."
            if code == _KILLED:
                hint = "Out of memory over there? Close what else runs on it."
            return DeviceError(
                f"{self.target}: our program there ended while {step} (exit code {code}).",
                hint=hint,
            )
        why = "" if state == adb_states.READY else f" (adb says: {printable(state)})"
        return DeviceError(
            f"{self.target}: the connection broke while {step}{why}.",
            hint="The device clears up by itself. Is it still plugged in, and on? Try: adb devices",
        )

    def _connect(self) -> list[str]:
        """The adb command for the device that is meant."""
        adb = _program(self.target)
        address = self._asked_for or os.environ.get("ANDROID_SERIAL", "")
        listed = _listed(self.target, adb)
        if address not in listed and adb_states.is_by_network(address):
            _ask([adb, "connect", address])  # what it says does not matter: the list tells
            listed = _listed(self.target, adb)
        serial = adb_states.choose(self.target, address, listed)
        command = [adb, "-s", serial]
        features = _ask([*command, "features"])
        if "shell_v2" not in features.split():
            raise DeviceError(
                f"{self.target}: its adb shell cannot tell how a program ended (no shell_v2).",
                hint="Android 7 or newer is needed, and adb 1.0.36 or newer on this machine.",
            )
        return command


def attached() -> tuple[str, ...]:
    """Serials of the devices that adb knows, whatever state they are in.

    Raises:
        DeviceError: there is no adb here, or it does not list its devices.
    """
    adb = _program("adb")
    return tuple(_listed("adb", adb))


def _program(target: str) -> str:
    adb = shutil.which("adb")
    if adb is None:
        raise DeviceError(
            f"{target}: there is no adb on this machine.",
            hint="On Debian and Ubuntu: sudo apt install adb",
        )
    return adb


def _listed(target: str, adb: str) -> dict[str, str]:
    answer = _ask([adb, "devices"])
    if "List of devices attached" not in answer:
        raise DeviceError(
            f"{target}: adb does not list its devices: {printable(answer) or 'no answer'}",
            hint="Try by hand: adb kill-server; adb devices",
        )
    return adb_states.parse(answer)


def _ask(command: list[str]) -> str:
    """What a short adb command prints; what it complains of when it fails."""
    try:
        ended = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_ASK_S,
            check=False,
            start_new_session=True,  # a server that it starts outlives us
        )
    except subprocess.TimeoutExpired:
        return "no answer"
    chosen = ended.stdout if ended.returncode == 0 else ended.stderr or ended.stdout
    lines = chosen.decode(errors="replace").splitlines()
    # "* daemon not running; starting now": a server starts when it must.
    return "\n".join(line for line in lines if not line.startswith("* ")).strip()
