"""Bundles with real wheels, and deployments on this machine by the true path; no TensorFlow."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import signal
import struct
import subprocess
import sys
import tarfile
import threading
from typing import TYPE_CHECKING, Any

import pytest
from command_line import COMMAND, forked_json
from small_disk import small_disk
from tiny_artifact import write_artifact
from tiny_release import PYTHON, environment, make_release, pack, run

import edgecnn
from edgecnn.deploying import install
from edgecnn.errors import DeviceError, InputError

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("warm_children")

ODD = "some 'net' \"here\" $(touch hacked)"
ELF_MACHINES = {"aarch64": 183, "armv7l": 40, "x86_64": 62}


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_artifact(tmp_path_factory.mktemp("made") / "float32", ("tflite",))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of one's own; `python3` is the suite's Python."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PATH", environment()["PATH"])
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


def members(path: Path) -> dict[str, bytes]:
    """The regular files of a bundle, by their names in the release."""
    with tarfile.open(path) as tar:
        opened = {
            each.name.split("/", 3)[-1]: tar.extractfile(each) for each in tar if each.isreg()
        }
        return {name: stream.read() for name, stream in opened.items() if stream}


def test_a_bundle_runs_with_nothing_but_python(artifact: Path, tmp_path: Path) -> None:
    told = forked_json(
        *("deploy", artifact, "--bundle", tmp_path / "b.tar.gz"),
        *("--machine", platform.machine(), "--python", PYTHON),
    )["bundle"]
    with tarfile.open(tmp_path / "b.tar.gz") as tar:
        tar.extractall(tmp_path)  # noqa: S202 - of our own making; `filter` came in Python 3.11.4
    # -S: without site-packages, in which the suite's own numpy is.
    done = subprocess.run(
        [sys.executable, "-S", "current/run.py", "--prove"],
        cwd=tmp_path / told["folder"],
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["outputs"][0]["max_difference"] == 0
    assert (tmp_path / told["folder"] / "current").resolve().name == told["release"]


@pytest.mark.parametrize(("machine", "bits"), [("aarch64", 64), ("armv7l", 32)])
def test_a_bundle_is_for_its_machine_and_the_same_every_time(
    artifact: Path, tmp_path: Path, machine: str, bits: int
) -> None:
    one, two = (
        edgecnn.bundle(artifact, tmp_path / name, machine=machine) for name in ("1.tgz", "2.tgz")
    )
    assert one.sha256 == two.sha256
    assert one.release == two.release
    libraries = [each for name, each in members(one.path).items() if ".so" in name]
    assert libraries
    for each in libraries:
        assert each[4] == bits // 32
        assert struct.unpack_from("<H", each, 18)[0] == ELF_MACHINES[machine]
    assert ("python3-pil" in one.needs) == (machine == "armv7l")


def test_a_full_disk_leaves_no_half_bundle(artifact: Path, tmp_path: Path) -> None:
    made = make_release(artifact, x=os.urandom(100_000))
    with small_disk(tmp_path / "disk", "size=16k") as disk:
        (disk / "b.tar.gz").write_text("the one before")
        with pytest.raises(InputError, match="The disk is full"):
            pack(made, disk / "b.tar.gz")
        assert [each.name for each in disk.iterdir()] == ["b.tar.gz"]
        assert (disk / "b.tar.gz").read_text() == "the one before"


def test_deploying_here_goes_the_way_it_goes_everywhere(artifact: Path, home: Path) -> None:
    first = edgecnn.deploy(artifact, "local", to=ODD)
    assert first.folder == str(home / ODD)
    assert first.proof.bit_identical
    done = subprocess.run(
        [home / ODD / "current" / "run", "--prove"], capture_output=True, check=True
    )
    assert json.loads(done.stdout)["output_sha256"] == first.proof.output_sha256
    again = forked_json("deploy", artifact, "local", "--to", ODD)["deployed"]
    assert again["unchanged"]
    assert again["release"] == first.release
    assert {each.name for each in home.rglob("*")}.isdisjoint({"hacked"})
    assert not list((home / ".cache" / "edgecnn" / "work").glob("*"))


def test_what_a_killed_deploy_leaves_goes_with_the_next(
    artifact: Path, home: Path, tmp_path: Path
) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    child = subprocess.Popen(
        [*COMMAND, "deploy", artifact, "local"],
        env={**os.environ, "TMPDIR": str(temporary)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    with child:
        assert child.stderr is not None
        assert any(line.startswith("sending") for line in child.stderr)  # reads until it begins
        child.send_signal(signal.SIGKILL)
    assert [each.suffix for each in temporary.iterdir()] == [".tmp"]
    assert forked_json("deploy", artifact, "local", TMPDIR=temporary)["deployed"]["release"]
    assert list(temporary.iterdir()) == []
    assert [each.name for each in (home / "edgecnn").iterdir()] == ["tiny-float32"]


def test_a_full_disk_leaves_what_was_there(artifact: Path, home: Path, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "size=4m") as disk:
        (disk / "mine").touch()
        with pytest.raises(DeviceError, match="are needed in") as caught:
            edgecnn.deploy(artifact, "local", to=str(disk / "net"))
        assert "Free some space" in caught.value.hint
        assert [each.name for each in disk.rglob("*")] == ["mine"]
    assert not list((home / ".cache" / "edgecnn" / "work").glob("*"))


@pytest.mark.parametrize(
    ("options", "kind"),
    [("size=99m,nr_inodes=12", "full"), ("size=99m,noexec", "place"), ("size=99m,ro", "place")],
)
def test_a_disk_that_will_not_have_it_stays_as_it_was(
    artifact: Path, tmp_path: Path, options: str, kind: str
) -> None:
    archive = pack(make_release(artifact), tmp_path / "r.tar.gz")
    with small_disk(tmp_path / "disk", options) as disk:
        done = run(sys.executable, install.__file__, archive, disk / "our" / "net", code=1)
        assert list(disk.iterdir()) == []
    assert json.loads(done.stdout)["kind"] == kind


def test_two_deploys_at_once_leave_one_whole_release(artifact: Path, home: Path) -> None:
    found: list[Any] = []

    def deploy() -> None:
        with contextlib.suppress(DeviceError):
            found.append(edgecnn.deploy(artifact, "local"))

    threads = [threading.Thread(target=deploy) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found
    net = home / "edgecnn" / "tiny-float32"
    assert {each.name for each in net.iterdir()} == {"releases", "current"}
    assert [each.name for each in (net / "releases").iterdir()] == [found[0].release]
