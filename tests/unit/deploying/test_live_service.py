"""A network as a service: installed, updated, gone back, killed at any moment, removed.

systemd's place is taken by a small manager that really runs the programs (`service_manager`); a
real systemd was never tried.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from live_program import pictures, wait_for
from PIL import Image
from service_manager import ServiceManager
from small_disk import small_disk
from tiny_release import FAILS_ON_ITS_FIRST_FRAME, changed, make_release, pack

import edgecnn
from edgecnn.deploying import services
from edgecnn.deploying.service_program import quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from edgecnn.deploying.release import Release

pytestmark = pytest.mark.usefixtures("warm_children")

_DEPLOYING = Path(edgecnn.__file__).parent / "deploying"
_ODD = "a 50% 'net' $HOME"
_HANGS = b"#!/bin/sh\nexec sleep 600\n"
_FAILS = b"#!/bin/sh\nexit 3\n"


class Home:
    """A user's home with a network and its service."""

    def __init__(self, folder: Path, manager: ServiceManager, made: Release) -> None:
        self.manager, self.made, self._others = manager, made, 0
        self.net = folder / _ODD
        self._archives = folder / "archives"
        self._archives.mkdir()
        self.pictures = pictures(folder / "pictures")
        # The half minute that an answer may take is six seconds longer than tests should.
        self.program = folder / "program.py"
        text = (_DEPLOYING / "service_program.py").read_text()
        self.program.write_text(text.replace("ANSWER_S = 30.0", "ANSWER_S = 20.0"))

    def other(self, **files: bytes) -> Release:
        """A release of another name than all before, with other files."""
        self._others += 1
        return changed(self.made, f"{self._others:016x}", files)

    def start(self, *command: str | Path) -> subprocess.Popen[str]:
        """A program of ours on the device."""
        return subprocess.Popen(
            [sys.executable, *map(str, command)], env=self.manager.environment, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            start_new_session=True,
        )  # fmt: skip

    def put(self, made: Release) -> dict[str, Any]:
        """Install a release: the link moves."""
        told = self._told(self.start(*self.installing(made)))
        assert told["ok"], told
        return told

    def installing(self, made: Release) -> tuple[str | Path, ...]:
        """What installs a release on the device."""
        archive = pack(made, self._archives / f"{made.name}.tar.gz")
        return _DEPLOYING / "install.py", archive, self.net

    def do(self, asked: str) -> dict[str, Any]:
        """Have the service's program do something."""
        more = []
        if asked == "install":
            options = edgecnn.ServiceOptions(source=str(self.pictures), port=0, fps=20)
            more = [json.dumps({"arguments": [*options.arguments(), "--loop"]})]
        return self._told(self.start(self.program, asked, self.net, *more))

    @staticmethod
    def _told(process: subprocess.Popen[str]) -> dict[str, Any]:
        out, err = process.communicate(timeout=120)
        assert out, err
        told: dict[str, Any] = json.loads(out)
        return told

    @property
    def current(self) -> str:
        """The release in use."""
        return (self.net / "current").readlink().name

    def log(self) -> str:
        """The service's, as it is now."""
        return (self.net / "service" / "live.log").read_text()

    def answers(self) -> bool:
        """Whether the release in use answers as the service."""
        return bool(self.do("status")["service"]["answers"])


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Release:
    return make_release(tmp_path_factory.mktemp("made") / "artifact")


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory, made: Release) -> Generator[Home, None, None]:
    """A home whose user has services."""
    with tempfile.TemporaryDirectory(prefix="edgecnn-sm-") as short:  # a socket's path is short
        manager = ServiceManager(Path(short))
        found = Home(tmp_path_factory.mktemp("home"), manager, made)
        found.put(made)
        try:
            yield found
        finally:
            manager.stop()


@pytest.fixture
def home(started: Home) -> Home:
    """A home whose service answers, on whichever release the test before has left."""
    if not (started.net / "service.json").exists():
        told = started.do("install")
        assert told["ok"], told
    wait_for(started.answers, "for the service that the test before has left")
    return started


def test_a_service_answers_is_restarted_and_leaves_nothing(home: Home) -> None:
    told = home.do("status")["service"]
    assert told["answers"]
    assert told["systemd"]["ActiveState"] == "active"
    assert told["systemd"]["UnitFileState"] == "enabled"
    assert not told["lingers"]
    unit = home.manager.unit(told["unit"])
    assert unit.process is not None
    first, before = unit.process.pid, unit.restarts
    os.kill(first, signal.SIGKILL)
    wait_for(home.answers, "for the restart")
    assert unit.restarts == before + 1
    assert '"started"' in home.do("logs")["service"]["log"]
    assert not home.do("stop")["service"]["answers"]
    assert home.do("remove")["service"]["removed"]
    assert {each.name for each in home.net.iterdir()} == {"releases", "current"}
    assert list(home.manager.units.iterdir()) == []
    assert home.do("status")["kind"] == "none"


def test_a_loop_that_hangs_is_ended_by_the_watchdog(home: Home) -> None:
    unit = home.manager.unit(home.do("status")["service"]["unit"])
    assert unit.process is not None
    hung = unit.process.pid
    os.kill(hung, signal.SIGSTOP)
    wait_for(lambda: unit.process is not None and unit.process.pid != hung, "for the watchdog")
    wait_for(home.answers, "for the restart")


def test_out_of_memory_is_said_and_it_is_started_anew(home: Home) -> None:
    unit = home.manager.unit(home.do("status")["service"]["unit"])
    assert unit.process is not None
    pid = unit.process.pid
    allow_memory(pid, 8 << 20)
    # 108 MB of pixels: more than there is for one picture, and the others are answered.
    Image.new("RGB", (6000, 6000)).save(home.pictures / "many-pixels.png")
    wait_for(lambda: "too large for the memory" in home.log(), "for the picture")
    assert unit.process.pid == pid
    # More than there is to read a file into: the program ends, and says why.
    (home.pictures / "long.jpg").write_bytes(b"\xff\xd8\xff" + bytes(15 << 20))
    wait_for(lambda: unit.process is not None and unit.process.pid != pid, "for the restart")
    wait_for(home.answers, "for its answer")
    assert '"failed", "why": "this device is out of memory in the reader"' in home.log()
    for name in ("many-pixels.png", "long.jpg"):
        (home.pictures / name).unlink()


def allow_memory(pid: int, more_bytes: int) -> None:
    """Let a process have so much more memory than it has now."""
    status = Path(f"/proc/{pid}/status").read_text()
    (held,) = (line.split()[1] for line in status.splitlines() if line.startswith("VmData"))
    limit = 1024 * int(held) + more_bytes
    resource.prlimit(pid, resource.RLIMIT_DATA, (limit, limit))


def test_a_full_disk_stops_no_service(home: Home, tmp_path: Path) -> None:
    unit, folder = home.manager.unit(home.do("status")["service"]["unit"]), home.net / "service"
    kept = folder.rename(tmp_path / "kept")
    with small_disk(folder):
        shutil.copytree(kept, folder, dirs_exist_ok=True)
        for path in folder.glob("live.log*"):
            path.unlink()
        full = folder / "full"
        with contextlib.suppress(OSError), full.open("wb", buffering=0) as stream:
            while stream.write(b"x" * 4096):
                pass
        assert unit.process is not None
        first = unit.process.pid
        os.kill(first, signal.SIGKILL)
        wait_for(lambda: unit.process is not None and unit.process.pid != first)
        wait_for(lambda: unit.state == "active", "for the program on a full disk")
        assert not home.answers()  # it could not write down that it does
        full.unlink()
        second = unit.process.pid
        os.kill(second, signal.SIGKILL)
        wait_for(home.answers, "for the restart with room")
    folder.rmdir()
    kept.rename(folder)
    os.kill(unit.process.pid, signal.SIGKILL)  # it wrote its state onto the disk that is gone
    wait_for(home.answers, "for the restart in its own folder")


def test_a_new_release_takes_over_once_it_answers(home: Home) -> None:
    new = home.other()
    assert home.put(new)["service"]
    assert (home.net / "pending.json").exists()
    told = home.do("update")
    assert told["ok"]
    assert told["service"]["answers"]
    assert home.current == new.name
    assert not (home.net / "pending.json").exists()


@pytest.mark.parametrize(
    "files",
    [{"live": _HANGS}, {"live": _FAILS}, FAILS_ON_ITS_FIRST_FRAME],
    ids=["hangs", "fails", "crashes on its first frame"],
)
def test_a_new_release_that_gives_no_answer_goes_back(home: Home, files: dict[str, bytes]) -> None:
    old, new = home.current, home.other(**files)
    home.put(new)
    told = home.do("update")
    assert (told["ok"], told["kind"]) == (False, "rolled back")
    assert home.current == old
    state = home.do("status")["service"]
    assert state["answers"]
    assert state["went_back"]["from"] == new.name


def test_after_a_power_cut_a_silent_release_goes_back_by_itself(home: Home) -> None:
    old = home.current
    home.put(home.other(live=_FAILS))
    home.manager.power_cut()  # before anybody waited for its answer
    home.manager.boot()
    wait_for(lambda: home.current == old, "for the way back")
    wait_for(home.answers)
    # Two unanswered releases one after another: the way back leads to the one that answered.
    home.put(home.other(live=_FAILS))
    home.put(home.other(live=_FAILS))
    assert json.loads((home.net / "pending.json").read_text())["old"] == old
    assert home.do("update")["kind"] == "rolled back"
    assert home.current == old


def _unpacking(home: Home, _: Release) -> bool:
    return any(home.net.glob("releases/.incoming-*/*"))


def _proving(_: Home, new: Release) -> bool:
    return bool(_processes_with(f"/releases/.incoming-{new.name}/run"))


def _moved(home: Home, new: Release) -> bool:
    return home.current == new.name


def _starting(home: Home, new: Release) -> bool:
    return _moved(home, new) and not (home.net / "service" / "state.json").exists()


def _answering(home: Home, new: Release) -> bool:
    return _moved(home, new) and not (home.net / "pending.json").exists()


@pytest.mark.parametrize("moment", [_unpacking, _proving, _moved, _starting, _answering])
def test_everything_killed_during_an_update_and_the_service_is_back(
    home: Home, moment: Callable[[Home, Release], bool]
) -> None:
    old, new = home.current, home.other()
    install, program = home.installing(new), (home.program, "update", home.net)
    words = [[sys.executable, *map(str, each)] for each in (install, program)]
    script = f"import subprocess, sys\nfor c in {words!r}: subprocess.run(c)"
    updating = home.start("-c", script)
    wait_for(lambda: moment(home, new), "for the moment")
    _kill_all_of(home.net)
    os.killpg(updating.pid, signal.SIGKILL)
    updating.communicate()
    home.manager.power_cut()
    home.manager.boot()
    wait_for(home.answers, "for the service after a power cut")
    assert home.current in ({old, new.name} if moment in {_unpacking, _proving} else {new.name})
    home.put(home.made)
    assert home.do("update")["ok"]
    assert not list(home.net.glob(".*"))
    assert not list(home.net.glob("releases/.*"))


def _kill_all_of(net: Path) -> None:
    """Kill every process that has the folder on its command line."""
    for pid in _processes_with(str(net)):
        with contextlib.suppress(ProcessLookupError):  # it has ended by itself
            os.kill(pid, signal.SIGKILL)


def _processes_with(words: str) -> list[int]:
    """Those with these words on their command line."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended
            if os.fsencode(words) in (process / "cmdline").read_bytes():
                found.append(int(process.name))
    return found


def test_words_of_a_unit_are_not_expanded() -> None:
    assert quoted('a "b" 5% $HOME \\') == '"a \\"b\\" 5%% $$HOME \\\\"'


def test_what_a_device_says_of_a_service_is_checked() -> None:
    good = {"folder": "/x", "unit": "u", "systemd": {"ActiveState": "active"}}
    report = services._understood("ssh://pi", json.dumps({"ok": True, "service": good}))  # noqa: SLF001 - what stands between us and a device
    assert (report.unit, report.answers) == ("u", False)
    for said in ("", "[]", '{"ok": true}', '{"ok": true, "service": {"folder": 1}}', "{"):
        with pytest.raises(edgecnn.DeviceError, match="damaged"):
            services._understood("ssh://pi", said)  # noqa: SLF001 - likewise
    refused = {"ok": False, "kind": "none", "message": "no\x1b[2J service"}
    with pytest.raises(edgecnn.DeviceError, match=r"no.*service") as caught:
        services._understood("ssh://pi", json.dumps(refused))  # noqa: SLF001 - likewise
    assert "\x1b" not in caught.value.message
