"""A device that has a POSIX shell: what it is by the probe, a folder by the guard."""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
from abc import ABC, abstractmethod
from typing import IO, TYPE_CHECKING

from edgecnn.devices.channel import tail
from edgecnn.devices.facts import Probed, is_python_new_enough, parse, printable
from edgecnn.devices.probe import SCRIPT
from edgecnn.devices.workspace import open_workspace
from edgecnn.errors import DeviceError

if TYPE_CHECKING:
    from collections.abc import Generator

    from edgecnn.devices.device import Workspace
    from edgecnn.devices.target import Target
    from edgecnn.measurements import DeviceFacts

_PROBE_S = 60.0


class ShellDevice(ABC):
    """Everything but how the shell is reached. It is asked once what it is.

    Attributes:
        target: as the user named it.
    """

    def __init__(self, target: Target) -> None:
        self.target = target.text
        self._probed: Probed | None = None

    @abstractmethod
    def shell(self, errors: IO[bytes]) -> subprocess.Popen[bytes]:
        """Start `sh` over there; see `edgecnn.devices.channel.Link`."""

    @abstractmethod
    def lost(self, step: str, code: int | None, said: str) -> DeviceError:
        """The error for a shell that ended too soon; likewise."""

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

    def _probe(self) -> Probed:
        if self._probed is None:
            self._probed = self._ask()
        return self._probed

    def _ask(self) -> Probed:
        step = "asking what it is"
        with tempfile.TemporaryFile() as errors:
            process = self.shell(errors)
            code: int | None
            try:
                out, _ = process.communicate(SCRIPT.encode(), timeout=_PROBE_S)
                code = process.returncode
            except subprocess.TimeoutExpired:
                process.kill()
                out, _ = process.communicate()
                code = None
            except BaseException:
                process.kill()
                process.wait()
                raise
            said = tail(errors) or out[-200:].decode(errors="replace")
        probed = parse(out.decode(errors="replace"))
        if probed is not None:
            return probed
        if code == 0:
            words = printable(said)
            raise DeviceError(
                f"{self.target}: it did not answer as a POSIX shell does while {step}.",
                hint=f"It said: {words or 'nothing'}",
            )
        raise self.lost(step, code, said)
