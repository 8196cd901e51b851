"""This machine, by the same path as any other: probe, guard, lock, folder."""

from __future__ import annotations

import platform
import struct
import subprocess
import sys
from dataclasses import replace

from edgecnn.devices.facts import Probed, printable
from edgecnn.devices.shell import ShellDevice
from edgecnn.errors import DeviceError


class LocalDevice(ShellDevice):
    """The machine and the Python that this process runs in."""

    def shell(self) -> subprocess.Popen[bytes]:
        """Start a shell that no signal to this process group reaches.

        Raises:
            DeviceError: there is none.
        """
        try:
            return subprocess.Popen(
                ["sh"],  # noqa: S607 - whichever is on PATH: POSIX asks for one
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                start_new_session=True,
            )
        except OSError as error:
            raise DeviceError(f"local: sh cannot be started: {error.strerror}.") from error

    def lost(self, step: str, code: int | None, message: str) -> DeviceError:
        """The error for a guard or shell that ended too soon."""
        how = "it had to be stopped" if code is None else f"exit code {code}"
        hint = "Out of memory?" if code in {-9, 137} else f"It said: {printable(message[-160:])}"
        return DeviceError(
            f"local: the process that holds the folder ended while {step} ({how}).",
            hint=hint if message or code in {-9, 137} else "",
        )

    def _ask(self) -> Probed:
        """What the probe says, with this very Python: it is the one that has the runtimes."""
        probed = super()._ask()
        facts = replace(
            probed.facts,
            python=platform.python_version(),
            userland_bits=struct.calcsize("P") * 8,
        )
        return Probed(facts, sys.executable)
