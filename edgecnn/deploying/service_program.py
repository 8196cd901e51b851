"""Makes a deployed network a service of the device's user, and moves it to another release.

`edgecnn` sends it to a device, and a service keeps a copy in its folder: it runs on Python 3.9 and
newer, with the standard library alone.

    python3 service_program.py install|update|status|logs|stop|remove FOLDER [JSON]
    python3 service_program.py before-start FOLDER

In FOLDER, beside releases/ and the link `current`: service.json says that there is a service, and
pending.json that the release in use has yet to answer as one. Whoever moves the link writes it
before, and the release removes it once it answers. If nobody is left to wait for that (the power
was cut), `before-start` counts the starts, and moves the link back after three.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ANSWER_S = 30.0
_STARTS = 3
_POLL_S = 0.1
_COMMAND_S = 100.0
_MOST_LOG = 256 << 10  # characters
_SHOWN = ("ActiveState", "SubState", "Result", "NRestarts", "UnitFileState")
_UNIT = """\
[Unit]
Description=edgecnn live: {name}
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=main
ExecStartPre={python} {program} before-start {folder}
ExecStart={live}
Restart=on-failure
RestartSec=2
# Of systemd 254 and newer; an older one restarts every two seconds.
RestartSteps=6
RestartMaxDelaySec=60
TimeoutStartSec=120
TimeoutStopSec=10
WatchdogSec=60
NoNewPrivileges=yes
StandardOutput=null
LogRateLimitIntervalSec=30
LogRateLimitBurst=100

[Install]
WantedBy=default.target
"""


class ServiceError(Exception):
    """What went wrong: `kind` for the program that asked, the sentence for its user."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind, self.message = kind, message


class Systemd:
    """The user's service manager: all that is asked of it.

    Untried on a real one: what the tests have is a stand-in that keeps to the same commands.
    """

    def __init__(self) -> None:
        os.environ.setdefault("XDG_RUNTIME_DIR", f"/run/user/{os.getuid()}")
        base = os.environ.get("XDG_CONFIG_HOME") or Path(_home(), ".config")
        self.folder = Path(base, "systemd", "user")

    def write(self, unit: str, text: str) -> None:
        """Add a unit, or change it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        _write(self.folder / unit, text)
        self._run("daemon-reload")
        self._run("enable", unit)

    def restart(self, unit: str) -> None:
        """Start it anew; whether it comes up is seen by what it answers."""
        self._run("reset-failed", unit, check=False)
        self._run("restart", "--no-block", unit)

    def stop(self, unit: str) -> None:
        """Stop it until it is started again, or the device is."""
        self._run("stop", unit)

    def remove(self, unit: str) -> None:
        """Stop it, and take the unit away."""
        self._run("disable", "--now", unit, check=False)
        with contextlib.suppress(FileNotFoundError):
            (self.folder / unit).unlink()
        self._run("daemon-reload")

    def show(self, unit: str) -> dict[str, str]:
        """Its state, as `systemctl show` has it."""
        said = self._run("show", unit, "--property", ",".join(_SHOWN))
        pairs = (line.partition("=") for line in said.splitlines())
        return {name: value for name, _, value in pairs if name in _SHOWN}

    @staticmethod
    def lingers() -> bool:
        """Whether the user's services run while he is not logged in."""
        command = ["loginctl", "show-user", str(os.getuid()), "--property", "Linger"]
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=_COMMAND_S, check=False
            )
            return done.stdout.strip() == "Linger=yes"
        return False

    @staticmethod
    def _run(*words: str, check: bool = True) -> str:
        command = ["systemctl", "--user", *words]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=_COMMAND_S, check=False
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise ServiceError("systemd", f"systemctl cannot be run: {error}") from error
        if check and done.returncode != 0:
            said = done.stderr.strip().rpartition("\n")[2][:500]
            raise ServiceError("systemd", f"systemctl --user {words[0]}: {said}")
        return done.stdout


class Service:
    """The service of one folder.

    Args:
        folder: that holds releases/ and `current`.
        manager: of the user's services.
    """

    def __init__(self, folder: Path, manager: Systemd) -> None:
        self.folder, self.manager = folder, manager
        self._own = folder / "service"
        safe = re.sub(r"[^A-Za-z0-9_.-]", "_", folder.name)[:100]
        digest = hashlib.sha256(str(folder).encode("utf-8", "surrogateescape")).hexdigest()[:8]
        self.unit = f"edgecnn-{safe}-{digest}.service"

    def install(self, request: dict[str, Any]) -> dict[str, Any]:
        """Make the service, and hold that it answers.

        Raises:
            ServiceError: it does not; of a new one nothing is left then.
        """
        arguments = [str(word) for word in request["arguments"]]
        new = not (self.folder / "service.json").exists()
        self._own.mkdir(exist_ok=True)
        program = self._own / "program.py"
        _write(program, Path(__file__).read_text("utf-8"))
        _write(self.folder / "service.json", json.dumps({"unit": self.unit, "v": 1}))
        try:
            self.manager.write(self.unit, self._text(program, arguments))
            return self.update()
        except ServiceError as error:
            if new and error.kind != "rolled back":
                self.remove()
            raise

    def _text(self, program: Path, arguments: list[str]) -> str:
        live = [str(self.folder / "current" / "live"), "--service", str(self.folder), *arguments]
        return _UNIT.format(
            name=re.sub(r"[^A-Za-z0-9_.-]", "_", self.folder.name),
            python=quoted(sys.executable),
            program=quoted(str(program)),
            folder=quoted(str(self.folder)),
            live=" ".join(map(quoted, live)),
        )

    def update(self) -> dict[str, Any]:
        """Start the release in use, wait for its answer, and go back where none comes.

        Raises:
            ServiceError: it did not answer; the one before runs again, if there is one.
        """
        pending, release = read(self.folder / "pending.json"), current(self.folder)
        self._start_anew()
        if self._answers_in_time(release):
            return self.status()
        old = pending.get("old", "")
        if current(self.folder) == release:  # else the service has gone back by itself
            if not old or pending.get("new") != release:
                raise ServiceError("silent", f"the service gave no answer within {ANSWER_S:g} s")
            go_back(self.folder, pending, f"it gave no answer within {ANSWER_S:g} s")
            self._start_anew()
        again = "answers" if self._answers_in_time(old) else "does not answer either"
        raise ServiceError(
            "rolled back",
            f"the release {release} gave no answer as a service; back to {old}, which {again}",
        )

    def _start_anew(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            (self._own / "state.json").unlink()
        self.manager.restart(self.unit)

    def _answers_in_time(self, release: str) -> bool:
        """Whether a release answers soon; no, where another takes its place."""
        end = time.monotonic() + ANSWER_S
        while time.monotonic() < end and current(self.folder) == release:
            if self.answers() and not (self.folder / "pending.json").exists():
                return True
            time.sleep(_POLL_S)
        return False

    def answers(self) -> bool:
        """Whether the release in use answers now: on its page, where it has one."""
        state = read(self._own / "state.json")
        release = current(self.folder)
        if state.get("release") != release or not Path(f"/proc/{state.get('pid')}").exists():
            return False
        if state.get("port") is None:
            return True
        connection = http.client.HTTPConnection(state.get("host", ""), state["port"], timeout=2)
        try:
            connection.request("GET", "/health.json")
            answer = json.loads(connection.getresponse().read(4096))
            return bool(answer.get("release") == release)
        except (OSError, ValueError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def status(self) -> dict[str, Any]:
        """What there is to be said of it."""
        state = read(self._own / "state.json")
        return {
            "folder": str(self.folder),
            "unit": self.unit,
            "release": current(self.folder),
            "answers": self.answers(),
            "lingers": self.manager.lingers(),
            "port": state.get("port"),
            "token": self._token(),
            "systemd": self.manager.show(self.unit),
            "went_back": read(self._own / "went-back.json"),
        }

    def logs(self) -> dict[str, Any]:
        """The end of its log."""
        text = ""
        for name in ("live.log.1", "live.log"):
            with contextlib.suppress(FileNotFoundError):
                text += (self._own / name).read_text("utf-8", "replace")
        return {**self.status(), "log": text[-_MOST_LOG:]}

    def _token(self) -> str:
        """What viewers from the network need; "" where none may come."""
        with contextlib.suppress(OSError):
            return (self.folder / "live-token").read_text("utf-8").strip()[:200]
        return ""

    def stop(self) -> dict[str, Any]:
        """Stop it."""
        self.manager.stop(self.unit)
        return self.status()

    def remove(self) -> dict[str, Any]:
        """Take all of it away; the releases and the kept frames stay."""
        self.manager.remove(self.unit)
        shutil.rmtree(self._own, ignore_errors=True)
        names = [self.folder / name for name in ("pending.json", "live-token", "service.json")]
        # What a power cut has left of an update.
        for path in [*names, *self.folder.glob(".*.part"), *self.folder.glob(".current-*")]:
            with contextlib.suppress(FileNotFoundError):
                path.unlink()
        return {"folder": str(self.folder), "unit": self.unit, "removed": True}


def before_start(folder: Path) -> None:
    """Count the starts of a release that has yet to answer; after three go back."""
    pending = read(folder / "pending.json")
    if not pending:
        return
    if pending.get("new") != current(folder):  # the link was never moved
        (folder / "pending.json").unlink()
        return
    starts = int(pending.get("starts", 0)) + 1
    if starts > _STARTS and pending.get("old"):
        go_back(folder, pending, f"it was started {_STARTS} times and gave no answer")
        return
    with contextlib.suppress(OSError):  # a full disk: better started than counted
        _write(folder / "pending.json", json.dumps({**pending, "starts": starts}))


def go_back(folder: Path, pending: dict[str, Any], why: str) -> None:
    """Move the link to the release before, in one step."""
    new = folder / f".current-{os.getpid()}"
    with contextlib.suppress(FileNotFoundError):
        new.unlink()
    new.symlink_to(f"releases/{pending['old']}")
    new.replace(folder / "current")
    with contextlib.suppress(FileNotFoundError):
        (folder / "pending.json").unlink()
    note = {"from": pending["new"], "to": pending["old"], "why": why}
    with contextlib.suppress(OSError):  # a full disk: it is back, and only the note is missing
        _write(folder / "service" / "went-back.json", json.dumps(note))
    os.sync()


def current(folder: Path) -> str:
    """The release in use; "" for none."""
    try:
        return Path(os.readlink(folder / "current")).name  # noqa: PTH115 - Path.readlink is no clearer
    except OSError:
        return ""


def read(path: Path) -> dict[str, Any]:
    """A JSON object; an empty one where there is none that can be read."""
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _write(path: Path, text: str) -> None:
    """Write a file that is whole after a power cut, or as it was."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(path)
    except OSError:
        with contextlib.suppress(OSError):  # it was never made
            part.unlink()
        raise


def quoted(word: str) -> str:
    """A word as systemd.service(5) reads it: nothing in it is expanded."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"'


def _home() -> str:
    return os.path.expanduser("~")  # noqa: PTH111 - Path.home raises where there is none


def done(action: str, service: Service) -> dict[str, Any]:
    """Do what is asked.

    Raises:
        ServiceError: it was not done.
    """
    if action == "install":
        return service.install(json.loads(sys.argv[3]))
    if not (service.folder / "service.json").exists():
        raise ServiceError("none", f"no service is installed for {service.folder}")
    how = {"update": service.update, "status": service.status, "logs": service.logs,
           "stop": service.stop, "remove": service.remove}  # fmt: skip
    return how[action]()


def main() -> int:
    """Do what is asked, and print one JSON object."""
    action, folder = sys.argv[1], Path(_home(), os.path.expanduser(sys.argv[2]))  # noqa: PTH111 - likewise
    if action == "before-start":
        before_start(folder)
        return 0
    answer: dict[str, Any]
    try:
        answer = {"ok": True, "service": done(action, Service(folder, Systemd()))}
    except ServiceError as error:
        answer = {"ok": False, "kind": error.kind, "message": error.message}
    except OSError as error:
        answer = {"ok": False, "kind": "place", "message": str(error)}
    sys.stdout.write(json.dumps(answer) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
