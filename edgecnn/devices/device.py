"""What every kind of device can do: say what it is, and lend a folder to run programs in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from edgecnn.measurements import DeviceFacts


@dataclass(frozen=True)
class Completed:
    """A program that ended on a device.

    Attributes:
        exit_code: as a shell reports it; 128 + n for one that signal n ended.
        stdout: all it printed.
        stderr: its last 64 KiB of errors.
    """

    exit_code: int
    stdout: str
    stderr: str


@dataclass(frozen=True)
class Limits:
    """What a program on a device may give; beyond, it is stopped and is the device's failure.

    Attributes:
        stdout_bytes: all that it prints.
        stderr_bytes: all that it complains of; it is not kept.
        line_bytes: of one line of stderr; a longer one is handed on in pieces.
        silence_s: between two things that it prints.
    """

    stdout_bytes: int = 8 << 20
    stderr_bytes: int = 64 << 20
    line_bytes: int = 1 << 20
    silence_s: float = 1800.0


class Workspace(Protocol):
    """A folder on a device, ours alone, that is gone when we are gone, however we go.

    Nothing a workspace is given passes through a shell unquoted: names may hold anything.

    Attributes:
        folder: its absolute path there.
        python: the Python over there that was found fit (3.9 or newer), as `run` takes it.
    """

    folder: str
    python: str

    def send(self, files: Mapping[str, Path | bytes]) -> None:
        """Put files (relative name on the device to local file or bytes) into the folder.

        Each is read back by its SHA-256 over there before this returns.

        Raises:
            DeviceError: the connection broke, the device's disk is full, or a sum differs.
        """

    def fetch(self, name: str, to: Path, most_bytes: int = ...) -> None:
        """Bring one file back, likewise checked.

        Raises:
            DeviceError: it is not there or has more bytes, the connection broke, or the sum
                differs.
        """

    def run(
        self,
        command: Sequence[str],
        *,
        environment: Mapping[str, str] | None = None,
        on_error_line: Callable[[str], None] | None = None,
        timeout_s: float | None = None,
        limits: Limits = ...,
    ) -> Completed:
        """Run a program in the folder; each line of its stderr is handed on as it comes.

        Raises:
            DeviceError: it could not be started, the connection broke, the time is up, or it gave
                more than its limits allow; the program does not go on over there.
        """

    def runtime(self, key: str, archive: Path) -> str:
        """The folder over there that holds a runtime's libraries, to be put on PYTHONPATH.

        One that an earlier run kept is used as it is when its sums still hold, and nothing is
        sent. Else the archive is sent and unpacked: to stay when the workspace was asked to
        keep, else to go with it.

        Args:
            key: names the runtime and its version; letters, digits, "._+-".
            archive: a .tar (or .tar.gz) of regular files and folders.

        Raises:
            DeviceError: the connection broke, the device's disk is full, or a sum differs.
        """


class Device(Protocol):
    """One thing to measure on. Nothing is brought there before `workspace`."""

    target: str

    def facts(self) -> DeviceFacts:
        """What it is.

        Raises:
            DeviceError: it cannot be reached, or does not let us in.
        """

    def workspace(self, *, keep: bool = False) -> AbstractContextManager[Workspace]:
        """A folder there, and the device's lock: one bench at a time.

        Args:
            keep: leave the runtime's libraries there for the next run (never the model).

        Raises:
            DeviceError: another bench holds the device, there is no place to write, or no
                Python 3.9 or newer.
        """

    def close(self) -> None:
        """End the connection, if there is one; the device can be used again, by a new one."""
