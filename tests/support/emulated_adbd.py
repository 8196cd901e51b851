"""A phone without the hardware: Android's own adbd on the loopback, and Debian's adb to reach it.

`python tests/support/emulated_adbd.py start --folder DIR` builds adbd, starts it in an arm64 root,
prints how to reach it, and keeps it until Ctrl-C. Tests use `EmulatedAndroid`.

Push, shell and pull are the real ones. It is not Android: under /system/bin and /data/local/tmp
lie Debian's programs, built for glibc; authentication, GPU and NNAPI are absent.
"""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from emulation.adbd_build import ADB, ADBD, LOADER, adb_layer
from emulation.cache import readable_by_all
from emulation.foreground import until_interrupted, wait
from emulation.host import UnavailableError, require_host
from emulation.machines import PHONE
from emulation.plan import machine_plan
from emulation.running import RunningMachine
from emulation.ssh import LOOPBACK, free_port, wait_until_up

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager
    from types import TracebackType

    from emulation.running import DeviceProcess
    from typing_extensions import Self

WORK = "/data/local/tmp"
"""The folder where a phone lets adb's shell write and execute."""

PROPERTIES = {
    "ro.product.model": "edgecnn phone (EMULATED)",
    "ro.product.manufacturer": "edgecnn",
    "ro.product.cpu.abi": "arm64-v8a",
    "ro.product.cpu.abilist": "arm64-v8a",
    "ro.build.version.release": "10",
    "ro.build.version.sdk": "29",
    "ro.hardware": "qemu-user",
    "ro.kernel.qemu": "1",
}
"""What `getprop` knows."""

_GETPROP = """#!/bin/sh
if [ -z "$1" ]; then
  sed 's/^\\([^=]*\\)=\\(.*\\)$/[\\1]: [\\2]/' /system/build.prop
  exit
fi
while IFS='=' read -r name value; do
  if [ "$name" = "$1" ]; then echo "$value"; exit; fi
done < /system/build.prop
echo "$2"
"""
_PATH = "/system/bin:/usr/bin:/bin"
_PYTHONS = ("/usr/bin/python3", "/usr/bin/python3.11")
_CONNECT_SECONDS = 30
_SHELL_USER = "2000"  # Android's AID_SHELL, as which adbd runs on a phone that is not rooted


class EmulatedAndroid:
    """One phone and an adb server of its own; a context manager.

    Attributes:
        folder: holds its log, and adb's own home.
        serial: what adb calls it.
        adb: the client; to be run in `environment`.
        device: its processes, files and disks.
    """

    def __init__(self, folder: Path) -> None:
        """Name the phone's folder, made when it is not there; nothing is started yet."""
        self.folder = folder.absolute()
        self.adb = self.folder / "bin" / "adb"
        self.device: RunningMachine
        self._adbd_port = 0
        self._server_port = 0

    def start(self) -> None:
        """Start it; build adbd first, where that is not kept yet.

        Raises:
            UnavailableError: this machine cannot emulate.
            RuntimeError: something cannot be fetched or built, or does not come up.
            TimeoutError: adb does not find the phone.
        """
        require_host()
        self.adb.parent.mkdir(parents=True, exist_ok=True)
        layer = adb_layer()
        self._write_client(layer / ADB)
        properties = "".join(f"{name}={value}\n" for name, value in PROPERTIES.items())
        files = {"system/bin/getprop": _GETPROP, "system/build.prop": properties}
        plan = machine_plan(PHONE, self.folder, files, [layer])
        self.device = RunningMachine(plan, self.folder)
        try:
            self._make_folders()
            self._adbd_port = free_port()
            self._start_server()
            self.plug_in()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop the phone and the adb server; all that was on it is gone."""
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
    def serial(self) -> str:
        """As `adb devices` lists it."""
        return f"{LOOPBACK}:{self._adbd_port}"

    @property
    def environment(self) -> dict[str, str]:
        """The variables under which `adb` is this client, with this server, and its own keys."""
        return {
            "ANDROID_ADB_SERVER_PORT": str(self._server_port),
            "HOME": str(self.folder),
            "PATH": f"{self.adb.parent}:{os.environ.get('PATH', os.defpath)}",
        }

    @property
    def root(self) -> Path:
        """The phone's root folder as this side reaches it, to read and to write."""
        return self.device.root

    @property
    def work(self) -> Path:
        """The phone's /data/local/tmp as this side reaches it."""
        return self.root / WORK.lstrip("/")

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run adb with this phone's serial; its exit code is not checked."""
        return self._adb("-s", self.serial, *arguments)

    def processes(self) -> list[DeviceProcess]:
        """What users run on it: all processes but adbd and the adb server."""
        return [process for process in self.device.processes() if not _is_ours(process)]

    def plug_in(self) -> None:
        """Start adbd and have adb connect to it.

        Raises:
            TimeoutError: adb does not find it.
        """
        loader = _loaded(ADBD, "adbd")
        user = ["/usr/bin/setpriv", f"--reuid={_SHELL_USER}", f"--regid={_SHELL_USER}"]
        environment = {
            **PHONE.environment,
            "ADBD_PORT": str(self._adbd_port),
            "HOME": WORK,
            "PATH": _PATH,
            "TMPDIR": WORK,
        }
        self.device.start([*user, "--clear-groups", *loader], environment)
        wait_until_up(self._adbd_port, b"")
        self._connect()

    def unplug(self) -> None:
        """Kill adbd: the phone is gone for adb; what was started on it may go on."""
        self.device.kill([process for process in self.device.processes() if _runs(process, "adbd")])

    def without_python(self) -> AbstractContextManager[None]:
        """Take Python away while the block runs: phones have none."""
        return self.device.hidden(*_PYTHONS)

    def small_disk(self, at: str, size: str = "1m") -> AbstractContextManager[Path]:
        """Mount an empty disk of this size at a folder of the phone, for adb's user."""
        return self.device.small_disk(at, size, int(_SHELL_USER))

    def _make_folders(self) -> None:
        (self.root / "system/bin/sh").symlink_to("/bin/dash")
        with readable_by_all():
            self.work.mkdir(parents=True)
        os.chown(self.work, int(_SHELL_USER), int(_SHELL_USER))

    def _start_server(self) -> None:
        """Inside the phone's namespaces, so that it ends with them; the network is the host's."""
        self._server_port = free_port()
        loader = _loaded(ADB, "adb")
        command = [*loader, "-P", str(self._server_port), "nodaemon", "server"]
        self.device.start(command, {"HOME": "/root", "PATH": _PATH})
        wait_until_up(self._server_port, b"")

    def _connect(self) -> None:
        deadline = time.monotonic() + _CONNECT_SECONDS
        self._adb("disconnect", self.serial)
        while self.run("get-state").stdout.strip() != "device":
            if time.monotonic() > deadline:
                raise TimeoutError(f"adb does not find {self.serial}")
            self._adb("connect", self.serial)

    def _write_client(self, program: Path) -> None:
        command = [program / LOADER, "--library-path", program, program / "adb"]
        words = " ".join(shlex.quote(str(word)) for word in command)
        self.adb.write_text(f'#!/bin/sh\nexec {words} "$@"\n', encoding="utf-8")
        self.adb.chmod(0o755)

    def _adb(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(self.adb), *arguments],
            env={**os.environ, **self.environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )


def _loaded(folder: str, program: str) -> list[str]:
    """The command that starts one of our x86-64 programs, with its libraries, in there."""
    return [f"/{folder}/{LOADER}", "--library-path", f"/{folder}", f"/{folder}/{program}"]


def _is_ours(process: DeviceProcess) -> bool:
    return _runs(process, "adbd") or _runs(process, "adb")


def _runs(process: DeviceProcess, program: str) -> bool:
    return f"/opt/{program}/{program}" in process.command


def start(folder: Path) -> None:
    """Run a phone until Ctrl-C."""
    with until_interrupted(), EmulatedAndroid(folder) as phone:
        for name, value in phone.environment.items():
            print(f"export {name}={shlex.quote(value)}")
        print(f"adb -s {phone.serial} shell", flush=True)
        wait()


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse and run; 1 where this machine cannot emulate."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("start", help="start a phone and keep it until Ctrl-C")
    command.add_argument("--folder", type=Path, required=True, help="for its log and adb's keys")
    options = parser.parse_args(arguments)
    try:
        start(options.folder)
    except UnavailableError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
