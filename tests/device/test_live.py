"""`edgecnn live` and `edgecnn collect` over a real OpenSSH, and on an emulated Raspberry Pi."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import service_manager
from emulated_pi import PATH
from live_program import asked, pictures, port_of, wait_for
from service_manager import ServiceManager
from sshd_server import SshdServer, find_sshd, running_sshd
from tiny_artifact import write_artifact
from tiny_release import FAILS_ON_ITS_FIRST_FRAME, changed, make_release, write_out

import edgecnn
from edgecnn.cli.app import run
from edgecnn.deploying import place, release, services
from edgecnn.errors import DeviceError, InputError
from edgecnn.progress import Silent

if TYPE_CHECKING:
    from collections.abc import Generator

    from emulated_pi import EmulatedPi


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[SshdServer, None, None]:
    """A server with a network in its home, and pictures beside it."""
    if not find_sshd():
        pytest.skip("no sshd: install openssh-server")
    with running_sshd(tmp_path / "device") as started:
        monkeypatch.setenv("EDGECNN_SSH_CONFIG", str(started.client_config))
        put_network(started, tmp_path)
        yield started
        wait_for(lambda: not started.left(), "for the device to be empty")


def test_places_are_taken_apart() -> None:
    assert place.parse("ssh://pi@host:22/net-int8") == place.Place(
        "ssh://pi@host:22", "edgecnn/net-int8"
    )
    assert place.parse("ssh://host//opt/net/") == place.Place("ssh://host", "/opt/net")
    assert place.parse("ssh://host/~/net").folder == "~/net"
    assert place.parse("ssh://[::1]:22/a/b") == place.Place("ssh://[::1]:22", "a/b")
    assert place.parse("local/net") == place.Place("local", "edgecnn/net")
    assert place.parse("ssh://host/").folder is None


def test_live_once_gives_results_and_ends(server: SshdServer) -> None:
    lines: list[dict[str, Any]] = []
    pages: list[str] = []
    done = edgecnn.live(
        f"{server.target}/tiny-float32",
        options=edgecnn.LiveOptions(source="pictures", once=True, every_s=0),
        on_line=lines.append,
        on_page=pages.append,
    )
    assert (done.results, done.interrupted) == (3, False)
    assert [line["file"] for line in lines if line["kind"] == "result"] == [
        "pictures/0.jpg", "pictures/1.jpg", "pictures/2.jpg"
    ]  # fmt: skip
    assert len(pages) == 1


def test_what_fails_there_is_said_here(server: SshdServer) -> None:
    with pytest.raises(DeviceError, match="neither it nor its folder"):
        edgecnn.live(server.target, options=edgecnn.LiveOptions(source="absent/folder/x.jpg"))
    with pytest.raises(InputError, match="no network is deployed") as caught:
        edgecnn.live(f"{server.target}/other")
    assert "edgecnn deploy" in caught.value.hint


def test_the_page_is_reached_frames_are_kept_and_come_back(
    server: SshdServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with live_command(server, "--loop") as (process, port):
        told = asked(port, "GET", "next.json?after=0", {})
        assert told["record"]["top"]
        origin = {"Origin": f"http://127.0.0.1:{port}"}
        kept = asked(port, "POST", "keep", origin, "{}")["kept"]
        # While it runs: nothing is locked for it.
        assert run(["collect", server.target, "--out", str(tmp_path / "photos")]) == 0
        assert "edgecnn export YOUR_MODEL_FILE --float32 --calibration" in capsys.readouterr().out
        assert [each.name for each in (tmp_path / "photos").iterdir()] == [kept]
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    again = edgecnn.collect(server.target, tmp_path / "photos", clear=True)
    assert (again.new, again.removed, again.frames) == (0, 1, (kept,))
    assert edgecnn.collect(server.target, tmp_path / "photos").frames == ()


def test_a_kept_frame_that_was_changed_is_refused(server: SshdServer, tmp_path: Path) -> None:
    kept = server.folder / "edgecnn" / "tiny-float32" / "kept"
    kept.mkdir()
    (kept / f"{'0' * 16}.jpg").write_bytes(b"\xff\xd8\xff and something else")
    (kept / "notes.txt").write_text("no frame")
    with pytest.raises(DeviceError, match="not what its name says"):
        edgecnn.collect(server.target, tmp_path / "photos")
    assert not (tmp_path / "photos").exists()


def test_nothing_runs_on_when_the_connection_is_cut(server: SshdServer) -> None:
    with live_command(server, "--loop") as (process, _):
        server.cut()
        assert process.wait(60) == 3
    wait_for(lambda: not server.left(), "for live to end there")


def test_a_service_is_made_asked_read_stopped_and_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if not find_sshd():
        pytest.skip("no sshd: install openssh-server")
    with tempfile.TemporaryDirectory(prefix="edgecnn-sm-") as short:  # a socket's path is short
        manager = ServiceManager(Path(short))
        environment = {name: manager.environment[name] for name in ("PATH", "XDG_CONFIG_HOME")}
        with running_sshd(tmp_path / "device", environment=environment) as server:
            monkeypatch.setenv("EDGECNN_SSH_CONFIG", str(server.client_config))
            net = put_network(server, tmp_path)
            with pytest.raises(DeviceError, match="no service is installed"):
                edgecnn.service(server.target)
            options = edgecnn.ServiceOptions(source=str(server.folder / "pictures"), port=0)
            device, _ = place.opened(server.target)
            with contextlib.closing(device), device.workspace() as workspace:
                made = services.move_over(
                    workspace, server.target, str(net), options, Silent()
                )  # fmt: skip
            assert made.answers
            assert run(["service", "status", server.target]) == 0
            assert "sudo loginctl enable-linger" in " ".join(capsys.readouterr().out.split())
            assert run(["service", "logs", server.target]) == 0
            assert '"started"' in capsys.readouterr().out
            assert not edgecnn.service(server.target, "stop").answers
            assert edgecnn.service(server.target, "remove").removed
            assert {each.name for each in net.iterdir()} == {"releases", "current"}
            manager.stop()


def put_network(server: SshdServer, tmp_path: Path) -> Path:
    """A network in the server's home, and pictures; returns the network's folder."""
    made = make_release(tmp_path / "net")
    home = server.folder / "edgecnn" / "tiny-float32"
    write_out(made, home / "releases" / made.name)
    (home / "current").symlink_to(f"releases/{made.name}")
    pictures(server.folder / "pictures")
    return home


@contextlib.contextmanager
def live_command(
    server: SshdServer, *options: str
) -> Generator[tuple[subprocess.Popen[str], int], None, None]:
    """`edgecnn live` in a process of its own, and the page's port here."""
    command = [sys.executable, "-m", "edgecnn", "live", server.target, "--source", "pictures"]
    process = subprocess.Popen(
        [*command, "--json", "--no-browser", *options], stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(Path(edgecnn.__file__).parents[1])},
    )  # fmt: skip
    try:
        assert process.stdout is not None
        page = next(filter(None, (_url(line) for line in process.stdout)))
        threading.Thread(target=process.stdout.read, daemon=True).start()
        yield process, port_of(page)
    finally:
        process.kill()
        process.wait()


def _url(line: str) -> str:
    told = json.loads(line)
    return str(told["url"]) if told["kind"] == "page" else ""


def test_a_service_on_an_emulated_pi_goes_back_and_outlives_a_power_cut(
    own_armv7l: EmulatedPi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pi = own_armv7l
    monkeypatch.setenv("EDGECNN_SSH_CONFIG", str(pi.ssh_config))
    target, net = f"ssh://{pi.alias}", pi.home / "edgecnn" / "net"
    # The emulated device is some fifty times slower than a real one, which answers in 30 s or not.
    patient = tmp_path / "service_program.py"
    patient.write_text(
        services.program().read_text().replace("ANSWER_S = 30.0", "ANSWER_S = 150.0")
    )
    monkeypatch.setattr(services, "program", lambda: patient)
    monkeypatch.setattr(services, "_TIMEOUT_S", 600.0)
    (pi.home / "shots").mkdir()
    for picture in pictures(tmp_path / "pictures").iterdir():
        (pi.home / "shots" / picture.name).write_bytes(picture.read_bytes())
    (pi.home / "service_manager.py").write_text(Path(service_manager.__file__).read_text())
    pi.set_path(f"/home/pi/bin:{PATH}")
    boot(pi)
    artifact = write_artifact(tmp_path / "net", ("tflite",))
    options = edgecnn.ServiceOptions(source="/home/pi/shots", port=0)
    made = edgecnn.deploy(artifact, target, to="edgecnn/net", service=options)
    assert made.service is not None
    assert made.service.answers

    make, names = release.make, iter(("a" * 16, "b" * 16))
    with monkeypatch.context() as patched:
        patched.setattr(
            release, "make", lambda *of: changed(make(*of), next(names), FAILS_ON_ITS_FIRST_FRAME)
        )
        with pytest.raises(DeviceError, match=r"back to .*, which answers"):
            edgecnn.deploy(artifact, target, to="edgecnn/net")
    assert (net / "current").readlink().name == made.release
    assert edgecnn.service(f"{target}/net").went_back["from"] == "a" * 16

    with monkeypatch.context() as patched:
        patched.setattr(release, "make", lambda *of: changed(make(*of), next(names), {}))
        updating = threading.Thread(target=_until_it_is_cut, args=(artifact, target))
        updating.start()
        wait_for(lambda: (net / "current").readlink().name == "b" * 16, "for the new release")
        pi.device.kill_all()
        updating.join()
    pi.reboot()
    boot(pi)
    wait_for(lambda: edgecnn.service(f"{target}/net").answers, "for the service after the cut")
    assert edgecnn.service(f"{target}/net").release == "b" * 16
    assert edgecnn.service(f"{target}/net", "remove").removed
    assert {each.name for each in net.iterdir()} == {"releases", "current"}


def boot(pi: EmulatedPi) -> None:
    """Start the stand-in for systemd, and with it the services that are enabled."""
    pi.run("setsid python3 service_manager.py /home/pi </dev/null >/dev/null 2>&1 &")
    wait_for(lambda: pi.run("systemctl --user daemon-reload").returncode == 0)


def _until_it_is_cut(artifact: Path, target: str) -> None:
    with contextlib.suppress(DeviceError):
        edgecnn.deploy(artifact, target, to="edgecnn/net")


def test_from_an_artifact_to_a_live_page_on_an_emulated_pi(
    emulated_pi4: EmulatedPi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGECNN_SSH_CONFIG", str(emulated_pi4.ssh_config))
    target = f"ssh://{emulated_pi4.alias}"
    # Other tests leave pictures in the home folder that all share.
    folder = emulated_pi4.home / "live-pictures"
    folder.mkdir()
    for picture in pictures(tmp_path / "pictures").iterdir():
        (folder / picture.name).write_bytes(picture.read_bytes())
    artifact = write_artifact(tmp_path / "net", ("tflite",))
    edgecnn.deploy(artifact, target, to="edgecnn/live-test")
    states: list[dict[str, Any]] = []
    frames: list[dict[str, Any]] = []

    def look(page: str) -> None:
        told = asked(port_of(page), "GET", "next.json?after=0", {})
        states.append(told["state"])

    done = edgecnn.live(
        f"{target}/live-test",
        options=edgecnn.LiveOptions(source="live-pictures", once=True, every_s=0),
        on_page=look,
        on_line=frames.append,
    )
    assert done.results == 3
    assert states[0]["device"]["temperature_c"] == 48.312
    assert (states[0]["device"]["clock_mhz"], states[0]["device"]["throttled"]) == (1500.0, False)
    assert states[0]["emulated"]
    wait_for(lambda: not emulated_pi4.processes())
