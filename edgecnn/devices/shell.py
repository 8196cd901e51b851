"""A device that has a POSIX shell: what it is by the probe, a folder by the guard."""

from __future__ import annotations

import contextlib
import shlex
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from edgecnn.devices.facts import Probed, is_python_new_enough, parse, printable
from edgecnn.devices.hearing import TooMuchError, converse
from edgecnn.devices.probe import SCRIPT
from edgecnn.devices.workspace import open_workspace
from edgecnn.errors import DeviceError

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Generator, Sequence

    from edgecnn.devices.device import Workspace
    from edgecnn.devices.target import Target
    from edgecnn.measurements import DeviceFacts

_PROBE_S = 60.0
_MOST_BYTES = 1 << 20
_END = "EDGECNN_END_OF_PROGRAM"


class ShellDevice(ABC):
    """Everything but how the shell is reached. It is asked once what it is.

    Attributes:
        target: as the user named it.
    """

    def __init__(self, target: Target) -> None:
        self.target = target.text
        self._probed: Probed | None = None

    @abstractmethod
    def shell(self) -> subprocess.Popen[bytes]:
        """Start `sh` over there; see `edgecnn.devices.channel.Link`."""

    @abstractmethod
    def lost(self, step: str, code: int | None, message: str) -> DeviceError:
        """The error for a shell that ended too soon; likewise."""

    @contextlib.contextmanager
    def forwarded(self, port: int, local_port: int = 0) -> Generator[int, None, None]:  # noqa: ARG002 - of those who forward
        """Reach a port that listens on the device's own loopback.

        Args:
            port: of the device.
            local_port: here; 0 takes a free one.

        Yields:
            The port of 127.0.0.1 that leads there.

        Raises:
            DeviceError: the device does not allow it.
        """
        yield port

    def close(self) -> None:  # noqa: B027 - most devices have nothing to end
        """End the connection, if there is one."""

    def facts(self) -> DeviceFacts:
        """What it is.

        Raises:
            DeviceError: it cannot be reached, does not let us in, or has no POSIX shell.
        """
        return self._probe().facts

    @contextlib.contextmanager
    def workspace(self, *, keep: bool = False) -> Generator[Workspace, None, None]:
        """A folder there, and the device's lock; see `edgecnn.devices.device.Device`."""
        probed = self._probe()
        python = probed.facts.python
        if not is_python_new_enough(python):
            has = f"only Python {python}" if python else "no Python 3"
            raise DeviceError(
                f"{self.target}: it has {has}; measuring there needs Python 3.9 or newer.",
                hint="On Debian and Raspberry Pi OS: sudo apt install python3",
            )
        with open_workspace(self, probed.python, keep=keep) as opened:
            yield opened

    def ask(self, program: str, arguments: Sequence[str], *, step: str) -> str:
        """Run a Python program there and return what it prints: no folder, no lock, nothing left.

        Args:
            program: its source, shorter than a pipe holds; the standard library alone is there.
            arguments: of it.
            step: what is being done, for errors.

        Raises:
            DeviceError: the device cannot be reached, has no Python, or did not answer.
        """
        output = self.ask_bytes(program, arguments, step=step, most_bytes=_MOST_BYTES)
        return output.decode(errors="replace")

    def ask_bytes(
        self,
        program: str,
        arguments: Sequence[str],
        *,
        step: str,
        most_bytes: int,
        within_s: float = _PROBE_S,
    ) -> bytes:
        """Run a program as `ask` does; what it prints may be any bytes, no more than `most_bytes`.

        Raises:
            DeviceError: as `ask`.
        """
        python = self._probe().python
        if not python:
            raise DeviceError(f"{self.target}: it has no Python 3, and nothing of ours runs there.")
        words = " ".join(map(shlex.quote, (python, "-I", "-S", "-", *arguments)))
        text = f"{words} <<'{_END}'\n{program}\n{_END}\n"
        try:
            answer = converse(self.shell(), text.encode(), within_s=within_s, most=most_bytes)
        except TooMuchError:
            raise DeviceError(f"{self.target}: its answer does not end while {step}.") from None
        if answer.code != 0:
            raise self.lost(step, answer.code, answer.stderr)
        return answer.stdout

    def _probe(self) -> Probed:
        if self._probed is None:
            self._probed = self._ask()
        return self._probed

    def _ask(self) -> Probed:
        step = "asking what it is"
        try:
            answer = converse(self.shell(), SCRIPT.encode(), within_s=_PROBE_S, most=_MOST_BYTES)
        except TooMuchError:
            raise DeviceError(
                f"{self.target}: its answer does not end while {step}.",
                hint="Does its login script print without end? Try the login by hand.",
            ) from None
        probed = parse(answer.stdout.decode(errors="replace"))
        if probed is not None:
            return probed
        text = answer.stderr or answer.stdout[-200:].decode(errors="replace")
        if answer.code == 0:
            words = printable(text)
            raise DeviceError(
                f"{self.target}: it did not answer as a POSIX shell does while {step}.",
                hint=f"It said: {words or 'nothing'}",
            )
        raise self.lost(step, answer.code, text)
