"""A device over SSH: the system's own OpenSSH, with the user's configuration, agent and keys.

One connection carries everything (ssh_config(5), ControlMaster); its socket lies in a private
folder and goes with it. The connection lives as long as the stdin of its first command, which is a
pipe from this process: however this process ends, it ends, and the guard over there clears up.

What goes to the device's login shell is always the word `sh`, so that any shell will do; all else
goes through stdin.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgecnn.devices import ssh_errors
from edgecnn.devices.facts import printable
from edgecnn.devices.hearing import Tail, stream
from edgecnn.devices.shell import ShellDevice
from edgecnn.errors import DeviceError

if TYPE_CHECKING:
    from collections.abc import Generator

    from edgecnn.devices.target import Target

CONFIG_VARIABLE = "EDGECNN_SSH_CONFIG"
_CONNECT_S = 10
_AUTHENTICATE_S = 60.0
_CLOSE_S = 5.0
_POLL_S = 0.02
_PREFIX = "edgecnn-ssh-"
_LOOPBACK = "127.0.0.1"
_OPTIONS = (
    "BatchMode=yes",  # never a question: a bench runs unattended
    "StrictHostKeyChecking=yes",  # an unknown key is the user's to accept, by hand
    f"ConnectTimeout={_CONNECT_S}",
    "ConnectionAttempts=1",
    "ServerAliveInterval=5",  # a cut connection is noticed after 15 s
    "ServerAliveCountMax=3",
    "TCPKeepAlive=yes",
    "LogLevel=INFO",  # whatever the user's is: its sentences are read
    # What the user may have set for working by hand.
    "RequestTTY=no",
    "RemoteCommand=none",
    "PermitLocalCommand=no",
    "ClearAllForwardings=yes",
    "ForwardAgent=no",
    "ForwardX11=no",
    "Tunnel=no",
)


class SshDevice(ShellDevice):
    """A host over SSH. Nothing is connected before it is first used.

    The environment variable EDGECNN_SSH_CONFIG names a configuration file to use instead of
    ~/.ssh/config and the system's (as `ssh -F` does).
    """

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self._parsed = target
        self._connection: _Connection | None = None

    def shell(self) -> subprocess.Popen[bytes]:
        """Start `sh` over there, in the one connection.

        Raises:
            DeviceError: the device cannot be reached, or does not let us in.
        """
        if self._connection is not None and self._connection.ended(within_s=0.0) is not None:
            self.close()  # the device was started anew, say
        if self._connection is None:
            self._connection = self._connect()
        return self._connection.shell()

    def lost(self, step: str, code: int | None, message: str) -> DeviceError:
        """The error for a shell over there that ended too soon."""
        connection, self._connection = self._connection, None
        if connection is None:  # it was closed meanwhile
            return self._broken(step, message)
        ended = connection.ended(within_s=1.0)
        first = connection.message()
        connection.close()
        # Its exit code is 255 too for a program that a signal has ended over there.
        if ended is None or _SSH_FAILED not in {ended, code}:
            return self._program_ended(step, code, message)
        return self._broken(step, f"{first}\n{message}")

    def _broken(self, step: str, message: str) -> DeviceError:
        reason = ssh_errors.why(message, self._parsed, _config())
        what = f" ({reason.what})" if reason else ""
        return DeviceError(
            f"{self.target}: the connection broke while {step}{what}.",
            hint="The device clears up by itself. Is it still on, and its network too? "
            f"Try {ssh_errors.by_hand('ssh', self._parsed, _config())}, and run it again.",
        )

    def _program_ended(self, step: str, code: int | None, message: str) -> DeviceError:
        """The connection stood: something over there went wrong."""
        hint = f"It said: {printable(message[-200:])}" if message else "Try again."
        if code in {_SSH_FAILED, _KILLED} and not message:
            hint = "Out of memory over there? Close what else runs on it."
        how = "it did not end by itself" if code is None else f"exit code {code}"
        return DeviceError(
            f"{self.target}: our program there ended while {step} ({how}).", hint=hint
        )

    @contextlib.contextmanager
    def forwarded(self, port: int, local_port: int = 0) -> Generator[int, None, None]:
        """Reach a port of the device's loopback; see `ShellDevice.forwarded`."""
        connection = self._connection
        if connection is None or connection.ended(within_s=0.0) is not None:
            connection = self._connection = self._connect()
        here = local_port or _free_port()
        problem = connection.forward(here, port)
        if problem is not None:
            raise DeviceError(
                f"{self.target}: port {port} there cannot be reached through SSH:"
                f" {printable(problem[-200:]) or 'refused'}.",
                hint="Does its sshd_config set AllowTcpForwarding? Is the port here in use?",
            )
        yield here  # it ends with the connection

    def close(self) -> None:
        """End the connection; a later use makes a new one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _connect(self) -> _Connection:
        ssh = shutil.which("ssh")
        if ssh is None:
            raise DeviceError(
                f"{self.target}: there is no ssh on this machine.",
                hint="On Debian and Ubuntu: sudo apt install openssh-client",
            )
        connection = _Connection(_command(ssh, self._parsed), self._parsed.address)
        try:
            connection.wait()
        except TimeoutError:
            message = connection.message()
            connection.close()
            raise self._no_connection(message) from None
        except BaseException:
            connection.close()
            raise
        return connection

    def _no_connection(self, message: str) -> DeviceError:
        reason = ssh_errors.why(message, self._parsed, _config())
        if reason is not None:
            return DeviceError(f"{self.target}: {reason.what}.", hint=reason.hint)
        words = printable(message.rpartition("\n")[2]) or "it does not answer"
        return DeviceError(
            f"{self.target}: ssh cannot connect: {words}.",
            hint=f"Try by hand: {ssh_errors.by_hand('ssh', self._parsed, _config())}",
        )


def _free_port() -> int:
    """A port of our loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((_LOOPBACK, 0))
        return int(probe.getsockname()[1])


_SSH_FAILED = 255
_KILLED = 137


def _config() -> str:
    return os.environ.get(CONFIG_VARIABLE, "")


def _command(ssh: str, target: Target) -> list[str]:
    """Ssh with all options but those of multiplexing; the host comes behind them."""
    words = [ssh, *(["-F", _config()] if _config() else []), "-a", "-x", "-T"]
    for option in _OPTIONS:
        words += ["-o", option]
    if target.user:
        words += ["-l", target.user]
    if target.port is not None:
        words += ["-p", str(target.port)]
    return words


def _private_folder() -> str:
    """A new folder for a socket; empty ones that killed processes left are removed."""
    # A socket's path has some 100 bytes, and ssh adds some: a long TMPDIR would not do.
    short = "/tmp"  # noqa: S108 - mkdtemp makes a private folder there
    place = short if os.access(short, os.W_OK) else tempfile.gettempdir()
    for leftover in Path(place).glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):  # another user's, or in use: then it is not empty
            if time.time() - leftover.stat().st_mtime > 2 * _AUTHENTICATE_S:
                leftover.rmdir()
    return tempfile.mkdtemp(prefix=_PREFIX, dir=place)


@dataclass(frozen=True)
class _Parts:
    """What a connection has to give back."""

    folder: str
    process: subprocess.Popen[bytes]
    stderr: Tail

    def release(self) -> None:
        """End the process: by the end of its stdin, by force if need be."""
        if self.process.stdin is not None:
            with contextlib.suppress(OSError):
                self.process.stdin.close()
        try:
            self.process.wait(_CLOSE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.folder)


class _Connection:
    """The first ssh process, which all others go through."""

    def __init__(self, command: list[str], host: str) -> None:
        folder = _private_folder()
        self._socket = f"{folder}/s"
        self._command = command
        self._host = host
        process = subprocess.Popen(
            [*command, "-o", "ControlMaster=yes", "-o", "ControlPersist=no", "-S", self._socket,
             "--", host, "cat"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is ours: the guard ends in good order
        )  # fmt: skip
        self._parts = _Parts(folder, process, Tail(stream(process.stderr)))
        # Also when nobody calls close: at the latest when this process ends in good order.
        self.close = weakref.finalize(self, self._parts.release)

    def wait(self) -> None:
        """Wait until others can go through it.

        Raises:
            TimeoutError: it ended instead, or took too long.
        """
        deadline = time.monotonic() + _AUTHENTICATE_S
        while not Path(self._socket).exists():
            if self._parts.process.poll() is not None or time.monotonic() > deadline:
                raise TimeoutError
            time.sleep(_POLL_S)

    def ended(self, within_s: float) -> int | None:
        """Its exit code, if it ends by itself."""
        try:
            return self._parts.process.wait(within_s)
        except subprocess.TimeoutExpired:
            return None

    def message(self) -> str:
        """What it wrote to stderr."""
        return self._parts.stderr.text()

    def forward(self, here: int, there: int) -> str | None:
        """Lead a port of our loopback to one of the device's; what ssh says where it fails."""
        where = f"{_LOOPBACK}:{here}:{_LOOPBACK}:{there}"
        # Of an option that is given twice the first holds.
        command = [self._command[0], "-o", "ClearAllForwardings=no", *self._command[1:]]
        done = subprocess.run(
            [*command, "-S", self._socket, "-O", "forward", "-L", where, "--", self._host],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_AUTHENTICATE_S,
            check=False,
        )
        return None if done.returncode == 0 else done.stderr.strip()

    def shell(self) -> subprocess.Popen[bytes]:
        """Start `sh` through it, and never by a connection of its own."""
        return subprocess.Popen(
            [*self._command, "-o", "ControlMaster=no", "-o", "ProxyCommand=false",
             "-S", self._socket, "--", self._host, "sh"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
        )  # fmt: skip
