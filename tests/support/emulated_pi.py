"""A Raspberry Pi without the hardware: Debian for ARM with a real OpenSSH on the loopback.

`python tests/support/emulated_pi.py start --machine raspberry-pi-5 --folder DIR` starts one, from
nothing, prints how to reach it, and keeps it until Ctrl-C. Tests use `EmulatedPi`.

Its instructions are qemu-user's, for a core that is always named; its times say nothing about the
device it imitates. Nothing is installed in it beyond Debian's Python (32-bit: and numpy).
"""

from __future__ import annotations

import argparse
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from emulation import ssh
from emulation.foreground import until_interrupted, wait
from emulation.host import UnavailableError, require_host
from emulation.machines import MACHINES
from emulation.plan import machine_plan
from emulation.root import USER, USER_ID
from emulation.running import RunningMachine

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager
    from types import TracebackType

    from emulation.machines import Machine
    from emulation.running import DeviceProcess
    from typing_extensions import Self

PATH = "/usr/local/bin:/usr/bin:/bin:/usr/games"
"""Debian's own, as a login over SSH has it."""

_SSHD = "/usr/sbin/sshd"
_PYTHONS = ("/usr/bin/python3", "/usr/bin/python3.11")


class EmulatedPi:
    """One machine; a context manager. Several may run side by side, of one machine or several.

    Attributes:
        machine: what it imitates.
        folder: holds its keys, ssh's configuration and its log.
        alias: its name in `ssh_config`.
        port: where its OpenSSH listens, on 127.0.0.1.
        ssh_config: `ssh -F` this, and `alias` (or 127.0.0.1 with the port) lets you in.
        device: its processes, files and disks.
    """

    def __init__(self, machine: str, folder: Path) -> None:
        """Name the machine; nothing is started yet.

        Args:
            machine: one of `MACHINES`.
            folder: made when it is not there; one machine's alone.
        """
        self.machine: Machine = MACHINES[machine]
        self.folder = folder.absolute()
        self.alias = f"emulated-{machine}"
        self.port = 0
        self.files = ssh.client_files(self.folder)
        self.ssh_config = self.files.config
        self.device: RunningMachine
        self._path = PATH

    def start(self) -> None:
        """Start it; fetch first what it is made of, where that is not kept yet.

        Raises:
            UnavailableError: this machine cannot emulate.
            RuntimeError: what it is made of cannot be fetched, or it does not come up.
            TimeoutError: its OpenSSH does not come up.
        """
        require_host()
        self.folder.mkdir(parents=True, exist_ok=True)
        public = ssh.make_key(self.files.identity)
        plan = machine_plan(self.machine, self.folder, {ssh.AUTHORIZED_KEYS: public})
        self.device = RunningMachine(plan, self.folder)
        try:
            self.port = ssh.free_port()
            host_key = self._new_host_key()
            ssh.write_client_files(self.files, self.alias, self.port, host_key)
            self.restart_sshd()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop it; all that ran in it and all it wrote is gone."""
        self.device.stop()

    def __enter__(self) -> Self:
        """Start it; see `start`."""
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop it."""
        self.stop()

    @property
    def root(self) -> Path:
        """The machine's root folder as this side reaches it, to read and to write."""
        return self.device.root

    @property
    def home(self) -> Path:
        """The home folder of the user we log in as, as this side reaches it."""
        return self.root / "home" / USER

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        """Run a shell command over SSH, as a user would; its exit code is not checked."""
        return subprocess.run(
            ["ssh", "-F", str(self.ssh_config), "-o", "BatchMode=yes", self.alias, command],  # noqa: S607 - the system's OpenSSH
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def processes(self) -> list[DeviceProcess]:
        """What users run in there: all processes but those of OpenSSH."""
        return [process for process in self.device.processes() if not _is_sshd(process)]

    def kill_sshd(self) -> None:
        """Kill OpenSSH, and with it every connection; what users started goes on."""
        self.device.kill([process for process in self.device.processes() if _is_sshd(process)])

    def cut_connections(self) -> None:
        """Kill the connections that are open; new ones are taken."""
        sessions = [process for process in self.device.processes() if _is_session(process)]
        self.device.kill(sessions)

    def restart_sshd(self) -> None:
        """Start OpenSSH, after killing what runs of it, with the settings as they are now.

        Raises:
            TimeoutError: it does not come up.
        """
        self.kill_sshd()
        environment = {**self.machine.environment, "PATH": self._path}
        (self.root / ssh.SERVER_CONFIG).write_text(ssh.server_config(environment), "utf-8")
        command = [_SSHD, "-D", "-e", "-f", f"/{ssh.SERVER_CONFIG}", "-p", f"{self.port}"]
        self.device.start(command, environment)
        ssh.wait_until_up(self.port)

    def reboot(self) -> None:
        """Cut the power and start again: every process dies, /tmp is emptied.

        Raises:
            TimeoutError: OpenSSH does not come up again.
        """
        self.device.kill_all()
        for entry in (self.root / "tmp").iterdir():
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()
        self.restart_sshd()

    def set_path(self, path: str) -> None:
        """Give later sessions another PATH.

        Raises:
            TimeoutError: OpenSSH, restarted for it, does not come up.
        """
        self._path = path
        self.restart_sshd()

    def change_host_key(self) -> None:
        """Give the machine another host key, which our known_hosts does not know.

        Raises:
            TimeoutError: OpenSSH, restarted for it, does not come up.
        """
        self._new_host_key()
        self.restart_sshd()

    def small_disk(self, at: str, size: str = "1m") -> AbstractContextManager[Path]:
        """Mount an empty disk of this size at a folder of the machine, for the user."""
        return self.device.small_disk(at, size, USER_ID)

    def without_python(self) -> AbstractContextManager[None]:
        """Take Python away while the block runs."""
        return self.device.hidden(*_PYTHONS)

    def _new_host_key(self) -> str:
        key, place = self.folder / "host_key", self.root / ssh.HOST_KEY
        public = ssh.make_key(key)
        place.write_bytes(key.read_bytes())
        place.chmod(0o600)
        return public


def _is_sshd(process: DeviceProcess) -> bool:
    return process.command[0] == _SSHD


def _is_session(process: DeviceProcess) -> bool:
    """OpenSSH runs itself again, with -R, for each connection."""
    return _is_sshd(process) and "-R" in process.command


def start(machine: str, folder: Path) -> None:
    """Run a machine until Ctrl-C."""
    with until_interrupted(), EmulatedPi(machine, folder) as pi:
        print(pi.ssh_config.read_text("utf-8"))
        print(f"ssh -F {shlex.quote(str(pi.ssh_config))} {pi.alias}", flush=True)
        wait()


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse and run; 1 where this machine cannot emulate."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("start", help="start a machine and keep it until Ctrl-C")
    command.add_argument("--machine", choices=sorted(MACHINES), default="raspberry-pi-4b")
    command.add_argument("--folder", type=Path, required=True, help="for its keys and its log")
    options = parser.parse_args(arguments)
    try:
        start(options.machine, options.folder)
    except UnavailableError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
