"""The program that puts a release into its place: all of it or nothing, whatever happens."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tiny_release import environment, make_release, pack, run

import edgecnn
from edgecnn.deploying import install

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from edgecnn.deploying.release import Release

pytestmark = pytest.mark.usefixtures("warm_children")

PROGRAM = Path(edgecnn.__file__).parent / "deploying" / "install.py"
ODD = "a 'net' \"of\" $(touch hacked) ours"
HANGS = b"#!/bin/sh\nexec sleep 600\n"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Release:
    return make_release(tmp_path_factory.mktemp("made") / "artifact")


def other(made: Release, name: str, **files: bytes) -> Release:
    """A release of another name, with other files."""
    return replace(made, name=name * 16, files={**made.files, **files})


def packed(made: Release, folder: Path) -> Path:
    """An archive beside the folder, or beside what has yet to be made of it."""
    there = next(each for each in folder.parents if each.exists())
    return pack(made, there / f"{made.name}.tar.gz")


def put(made: Release, folder: Path, code: int = 0) -> dict[str, Any]:
    """Install a release as a device would, and hold the exit code."""
    archive = packed(made, folder)
    done = run(sys.executable, PROGRAM, archive, folder, code=code)
    told: dict[str, Any] = json.loads(done.stdout)
    assert told["ok"] == (code == 0)
    return told


def current(folder: Path) -> str:
    """The release in use, once it has proved that it can be used."""
    run(folder / "current" / "run", "--prove")
    return (folder / "current").resolve().name


def releases(folder: Path) -> set[str]:
    """All that lies there, hidden or not."""
    assert {each.name for each in folder.iterdir()} == {"releases", "current"}
    return {each.name for each in (folder / "releases").iterdir()}


def test_a_first_release(made: Release, tmp_path: Path) -> None:
    told = put(made, tmp_path / ODD)
    assert told["folder"] == str(tmp_path / ODD)
    assert told["proof"]["images"] == 4
    assert current(tmp_path / ODD) == made.name == told["release"]
    assert releases(tmp_path / ODD) == {made.name}
    assert not list(tmp_path.rglob("hacked"))


def test_everything_that_was_sent_is_there(made: Release, tmp_path: Path) -> None:
    put(made, tmp_path / "net")
    for name, content in made.files.items():
        there = (tmp_path / "net" / "current" / name).read_bytes()
        assert there == (content.read_bytes() if isinstance(content, Path) else content)


def test_one_release_before_stays_and_older_ones_go(made: Release, tmp_path: Path) -> None:
    net = tmp_path / "net"
    put(made, net)
    (net / "releases" / "mine").mkdir()
    assert put(other(made, "a"), net)["previous"] == made.name
    told = put(other(made, "b"), net)
    assert told["removed"] == [made.name]
    assert releases(net) == {"mine", "a" * 16, "b" * 16}
    assert current(net) == "b" * 16


def test_the_same_again_changes_nothing(made: Release, tmp_path: Path) -> None:
    net = tmp_path / "net"
    put(other(made, "a"), net)
    put(made, net)
    before = (net / "current").resolve().stat().st_ino
    told = put(made, net)
    assert told["unchanged"]
    assert (net / "current").resolve().stat().st_ino == before
    assert releases(net) == {made.name, "a" * 16}


def test_back_to_the_release_before(made: Release, tmp_path: Path) -> None:
    net = tmp_path / "net"
    put(made, net)
    put(other(made, "a"), net)
    told = put(made, net)
    assert not told["unchanged"]
    assert told["previous"] == "a" * 16
    assert current(net) == made.name


def test_a_damaged_release_comes_anew_beside_itself(made: Release, tmp_path: Path) -> None:
    net = tmp_path / "net"
    put(made, net)
    (net / "current" / "model.tflite").write_bytes(b"damaged")
    told = put(made, net)
    assert told["release"] == f"{made.name}.2"
    assert current(net) == f"{made.name}.2"


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"model.tflite": b"TFL3 no more"}, "model.tflite was changed or damaged"),
        ({"release.json": b"{"}, "the network ended with exit code 1"),
        ({"run": b"#!/bin/sh\nkill -ILL $$\n"}, "the network was ended by signal 4"),
        ({"run": b"#!/bin/sh\necho libthat.so: cannot open >&2; exit 9\n"}, "libthat.so"),
    ],
)
def test_without_proof_the_old_release_stays(
    made: Release, tmp_path: Path, files: dict[str, bytes], words: str
) -> None:
    net = tmp_path / "net"
    put(made, net)
    told = put(other(made, "a", **files), net, code=1)
    assert told["kind"] == "proof"
    assert words in told["message"]
    assert releases(net) == {made.name}
    assert current(net) == made.name


def test_without_proof_nothing_is_there_that_was_not(made: Release, tmp_path: Path) -> None:
    put(other(made, "a", run=b"#!/bin/sh\nexit 1\n"), tmp_path / "new" / "net", code=1)
    assert not (tmp_path / "new" / "net").exists()


def test_a_home_and_relative_paths_begin_there(
    made: Release, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    monkeypatch.setenv("HOME", str(home))
    archive = pack(made, tmp_path / "r.tar.gz")
    run(sys.executable, PROGRAM, archive, "~/in/a net")
    run(sys.executable, PROGRAM, archive, "nets/$HOME")
    assert current(home / "in" / "a net") == made.name
    assert current(home / "nets" / "$HOME") == made.name


def test_a_folder_where_the_link_should_be_is_left_alone(made: Release, tmp_path: Path) -> None:
    (tmp_path / "net" / "current").mkdir(parents=True)
    told = put(made, tmp_path / "net", code=1)
    assert told["kind"] == "place"
    assert [each.name for each in (tmp_path / "net").iterdir()] == ["current"]


def test_a_file_where_the_folder_should_be_is_left_alone(made: Release, tmp_path: Path) -> None:
    (tmp_path / "net").write_text("mine")
    assert put(made, tmp_path / "net", code=1)["kind"] == "place"
    assert (tmp_path / "net").read_text() == "mine"


@pytest.mark.parametrize("name", ["x/releases/" + "a" * 16 + "/../../../../out", "../out", "x"])
def test_an_archive_that_leads_out_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("hostile")
    with tarfile.open(tmp_path / "bad.tar.gz", "w:gz") as tar:
        tar.add(tmp_path / "file", name)
    done = run(sys.executable, PROGRAM, tmp_path / "bad.tar.gz", tmp_path / "d" / "net", code=1)
    assert "out" not in {each.name for each in tmp_path.rglob("*")}
    assert not (tmp_path / "d").exists()
    assert json.loads(done.stdout)["kind"] == "archive"


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until something is so; the test fails when it never is."""
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def incoming(folder: Path) -> bool:
    """Whether a release is being proved there."""
    return any(folder.glob("releases/.incoming-*/release.json"))


@contextlib.contextmanager
def hanging(made: Release, folder: Path) -> Generator[subprocess.Popen[bytes], None, None]:
    """An installation that hangs in the proof."""
    archive = packed(other(made, "c", run=HANGS), folder)
    marked = {**environment(), "EDGECNN_GUARD": "of this test"}
    command = [sys.executable, str(PROGRAM), str(archive), str(folder)]
    with subprocess.Popen(command, env=marked, start_new_session=True) as process:
        try:
            wait_for(lambda: incoming(folder))
            yield process
        finally:
            process.kill()
            wait_for(lambda: not incoming(folder))


def test_a_cut_connection_leaves_the_old_release_and_nothing_else(
    made: Release, tmp_path: Path
) -> None:
    net = tmp_path / "net"
    put(made, net)
    with hanging(made, net) as process:
        os.killpg(process.pid, signal.SIGKILL)  # as edgecnn's guard does
        wait_for(lambda: not incoming(net))
    wait_for(lambda: releases(net) == {made.name})
    assert current(net) == made.name


def test_a_cut_connection_at_the_first_deploy_leaves_nothing(made: Release, tmp_path: Path) -> None:
    with hanging(made, tmp_path / "d" / "net") as process:
        os.killpg(process.pid, signal.SIGKILL)
        wait_for(lambda: not (tmp_path / "d").exists())
    assert process.returncode == -signal.SIGKILL


def test_who_comes_after_a_cut_connection_waits_for_the_cleaning_up(
    made: Release, tmp_path: Path
) -> None:
    net = tmp_path / "net"
    with hanging(made, net) as process:
        process.kill()
        put(made, net)
    assert releases(net) == {made.name}


def worker_of(process: subprocess.Popen[bytes]) -> int:
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return int(children[0])


def test_what_a_power_cut_leaves_is_swept_by_the_next_deploy(made: Release, tmp_path: Path) -> None:
    net = tmp_path / "net"
    put(made, net)
    with contextlib.suppress(AssertionError), hanging(made, net) as process:
        worker = worker_of(process)
        os.killpg(worker, signal.SIGKILL)
        process.wait()
        assert incoming(net)
        (net / ".current-77").symlink_to("releases/nowhere")
        put(other(made, "a"), net)
    assert releases(net) == {made.name, "a" * 16}
    assert current(net) == "a" * 16


def test_two_at_once(made: Release, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    net = tmp_path / "net"
    put(made, net)
    monkeypatch.setattr(install, "_PATIENCE_S", 0.0)
    holder = os.open(net, os.O_RDONLY)
    fcntl.flock(holder, fcntl.LOCK_EX)
    archive = pack(other(made, "a"), tmp_path / "a.tar.gz")
    with pytest.raises(install.InstallError, match="another deploy is at work"):
        install.install(archive, net, lambda: True)
    os.close(holder)
    assert releases(net) == {made.name}


@pytest.mark.parametrize("steps", [0, 1, 5, 12])
def test_a_connection_cut_at_any_step(made: Release, tmp_path: Path, steps: int) -> None:
    net = tmp_path / "net"
    put(made, net)
    left = iter([True] * steps)
    archive = pack(other(made, "a", run=HANGS), tmp_path / "a.tar.gz")
    with pytest.raises(install.InstallError, match="the connection was cut"):
        install.install(archive, net, lambda: next(left, False))
    assert releases(net) == {made.name}


def test_a_release_that_vanished_does_not_keep_a_new_one_away(
    made: Release, tmp_path: Path
) -> None:
    net = tmp_path / "net"
    put(made, net)
    shutil.rmtree(net / "releases" / made.name)
    assert not put(made, net)["unchanged"]
    assert current(net) == made.name
