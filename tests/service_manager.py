"""A stand-in for a user's systemd: it really starts, watches, restarts and kills programs.

It knows as much of units as edgecnn writes into them. `systemctl` and `loginctl` in its folder
`bin` talk to it over a socket. Its waits are a tenth of those that a unit asks for.

    python3 service_manager.py HOME    # on a device: starts what is enabled, and goes on
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

_SCALE, _DEVICE_SCALE = 0.1, 0.5
_PROGRAM = """\
#!{python}
import json, os, socket, sys
with socket.socket(socket.AF_UNIX) as manager:
    manager.connect({address!r})
    manager.sendall(json.dumps([os.path.basename(sys.argv[0]), *sys.argv[1:]]).encode() + b"\\n")
    answer = json.loads(manager.makefile().read())
sys.stdout.write(answer["out"])
sys.stderr.write(answer["err"])
sys.exit(answer["code"])
"""


class Unit:
    """One service, watched by a thread."""

    def __init__(self, manager: ServiceManager, name: str) -> None:
        self.name, self.state, self.restarts = name, "inactive", 0
        self.process: subprocess.Popen[bytes] | None = None
        self._manager = manager
        self._wanted = threading.Event()
        self._ended = threading.Event()
        self._ended.set()

    def setting(self, name: str) -> str:
        """A line of the unit's file."""
        text = (self._manager.units / self.name).read_text()
        found = [line for line in text.splitlines() if line.startswith(f"{name}=")]
        return found[-1].partition("=")[2] if found else ""

    def start(self) -> None:
        """Begin to watch it."""
        self._wanted.set()
        self._ended.clear()
        threading.Thread(target=self._watch, daemon=True).start()

    def stop(self, number: int = signal.SIGTERM) -> None:
        """End it."""
        self._wanted.clear()
        end = time.monotonic() + 20
        while not self._ended.wait(0.05):
            self._signal(number if time.monotonic() < end else signal.SIGKILL)
        self.state = "inactive"

    def _signal(self, number: int) -> None:
        process = self.process
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, number)

    def _watch(self) -> None:
        try:
            while self._wanted.is_set():
                failed = self._run()
                if not failed or self.setting("Restart") != "on-failure":
                    self.state = "failed" if failed else "inactive"
                    return
                self.restarts += self._wanted.is_set()
                self._wait(float(self.setting("RestartSec")) * self._manager.scale)
        finally:
            self._ended.set()

    def _wait(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while self._wanted.is_set() and time.monotonic() < end:
            time.sleep(0.02)

    def _run(self) -> bool:
        """Run it once; whether it failed."""
        before = self._words("ExecStartPre")
        if subprocess.run(before, env=self._manager.environment, check=False).returncode:
            return True
        address = self._manager.folder / f"{self.name[-20:]}.notify"
        address.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
            heard.bind(str(address))
            heard.settimeout(0.05)
            return self._hear(heard, address)

    def _hear(self, heard: socket.socket, address: Path) -> bool:
        watchdog_s = float(self.setting("WatchdogSec")) * self._manager.scale
        environment = {
            **self._manager.environment,
            "NOTIFY_SOCKET": str(address),
            "WATCHDOG_USEC": str(int(watchdog_s * 1e6)),
        }
        self.state, last = "activating", float("inf")
        with self._manager.log.open("ab") as log:
            self.process = subprocess.Popen(
                self._words("ExecStart"), env=environment, start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log,
            )  # fmt: skip
        while self.process.poll() is None:
            with contextlib.suppress(TimeoutError):
                said = heard.recv(4096)
                self.state = "active" if b"READY=1" in said else self.state
                if self.state == "active":  # as systemd does: the watchdog waits for READY
                    last = time.monotonic()
            if time.monotonic() - last > watchdog_s:
                self._signal(signal.SIGKILL)
        return self.process.returncode not in {0, -signal.SIGTERM}

    def _words(self, name: str) -> list[str]:
        line = self.setting(name)
        return [word.replace("%%", "%").replace("$$", "$") for word in shlex.split(line)]


class ServiceManager:
    """A user's services.

    Args:
        folder: a short path; the home of the user, and holds all that belongs to it.
        scale: its waits, of those that a unit asks for.

    Attributes:
        units: where unit files lie.
        environment: for programs that are to find it.
    """

    def __init__(self, folder: Path, scale: float = _SCALE) -> None:
        self.folder, self.units = folder, folder / ".config" / "systemd" / "user"
        self.log, self.scale = folder / "stderr.log", scale
        self._bin, self._enabled = folder / "bin", folder / "enabled"
        for each in (self._bin, self._enabled):
            each.mkdir(parents=True, exist_ok=True)
        address = str(folder / "manager")
        for name in ("systemctl", "loginctl"):
            program = self._bin / name
            program.write_text(_PROGRAM.format(python=sys.executable, address=address))
            program.chmod(0o755)
        self.environment = {
            **os.environ,
            "PATH": f"{self._bin}:{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(folder),
            "XDG_CONFIG_HOME": str(folder / ".config"),
        }
        self._units: dict[str, Unit] = {}
        Path(address).unlink(missing_ok=True)  # of the manager before a power cut
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(address)
        self._socket.listen()
        threading.Thread(target=self._serve, daemon=True).start()

    def unit(self, name: str) -> Unit:
        """The service of this name."""
        return self._units.setdefault(name, Unit(self, name))

    def power_cut(self) -> None:
        """Kill all that runs."""
        for unit in self._units.values():
            unit.stop(signal.SIGKILL)

    def boot(self) -> None:
        """Start what is enabled."""
        for entry in self._enabled.iterdir():
            self.unit(entry.name).start()

    def stop(self) -> None:
        """End everything."""
        self.power_cut()
        self._socket.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client = self._socket.accept()[0]
                threading.Thread(target=self._answer, args=(client,), daemon=True).start()

    def _answer(self, client: socket.socket) -> None:
        with client, client.makefile() as asked, contextlib.suppress(OSError):
            words = json.loads(asked.readline())
            out, err = self._obey(words)
            answer: dict[str, Any] = {"out": out, "err": err, "code": 1 if err else 0}
            client.sendall(json.dumps(answer).encode())

    def _obey(self, words: list[str]) -> tuple[str, str]:
        if words[0] == "loginctl":
            return "Linger=no\n", ""
        _, user, verb, *rest = words
        names = [word for word in rest if word.endswith(".service")]
        if user != "--user" or (names and not (self.units / names[0]).exists()):
            return "", f"Unit {names} not found.\n"
        return self._done(verb, names[0] if names else "", rest), ""

    def _done(self, verb: str, name: str, rest: list[str]) -> str:
        unit = self.unit(name) if name else None
        if verb == "enable":
            (self._enabled / name).touch()
        elif verb == "disable":
            (self._enabled / name).unlink(missing_ok=True)
        if unit is not None and (verb in {"stop", "restart"} or "--now" in rest):
            unit.stop()
        if unit is not None and verb == "restart":
            unit.start()
        if unit is None or verb != "show":
            return ""
        enabled = "enabled" if (self._enabled / name).exists() else "disabled"
        return (
            f"ActiveState={unit.state}\nSubState=running\nResult=success\n"
            f"NRestarts={unit.restarts}\nUnitFileState={enabled}\n"
        )


if __name__ == "__main__":
    ServiceManager(Path(sys.argv[1]), _DEVICE_SCALE).boot()
    threading.Event().wait()
