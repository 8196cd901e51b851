"""SIGKILL at any moment, and two runs at once: an artifact is the old one or the new one, whole."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import command_line
import pytest

import edgecnn

pytestmark = [pytest.mark.tensorflow, pytest.mark.usefixtures("warm_children")]

# As quick as vgg gets: what is killed are the stages, whatever their length.
SMALL = ("--input-size", "8", "--calibration-samples", "2")
ARGS = ("export", "vgg", "--int8", "--format", "tflite", *SMALL)
_MARK = "EDGECNN_TEST_MARK"
_GONE_WITHIN_S = 20.0


@dataclass(frozen=True)
class Prepared:
    """A full cache, and the artifacts that the two commands below write."""

    cache: Path
    old: dict[str, bytes]
    new: dict[str, bytes]
    seconds: float


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """The old artifact has uint8 ends, the new one int8 ends."""
    cache = tmp_path_factory.mktemp("prepared") / "cache"
    out = cache.parent / "out"
    assert command_line.forked(*ARGS, "--io", "uint8", "--out", out, EDGECNN_CACHE=cache).stderr
    old = command_line.contents(out / "int8")
    begun = time.monotonic()
    assert command_line.run(*ARGS, "--out", out, EDGECNN_CACHE=cache).returncode == 0
    seconds = time.monotonic() - begun
    new = command_line.contents(out / "int8")
    assert old.keys() == new.keys()
    assert old != new
    return Prepared(cache, old, new, seconds)


def put_old(prepared: Prepared, out: Path) -> Path:
    """The old artifact, in the place of whatever lies there."""
    folder = out / "int8"
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    for name, content in prepared.old.items():
        (folder / name).write_bytes(content)
    return folder


def start(out: Path, cache: Path) -> subprocess.Popen[str]:
    """Start an export that can be found again, children and all, by a mark."""
    return subprocess.Popen(
        [*command_line.COMMAND, *ARGS, "--out", str(out)],
        env=command_line.environment(**{"EDGECNN_CACHE": cache, _MARK: out}),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def marked(out: Path) -> list[int]:
    """Processes of that export that still run."""
    mark = f"{_MARK}={out}".encode()
    processes = Path("/proc").glob("[0-9]*")
    return [int(each.name) for each in processes if mark in _variables(each)]


def _variables(process: Path) -> list[bytes]:
    try:
        return (process / "environ").read_bytes().split(b"\0")
    except OSError:  # it has ended meanwhile
        return []


def kill(child: subprocess.Popen[str], out: Path) -> None:
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert child.stderr is not None
    child.stderr.close()
    deadline = time.monotonic() + _GONE_WITHIN_S
    while marked(out) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert marked(out) == []


def check(prepared: Prepared, folder: Path) -> None:
    """One of the two, whole."""
    found = command_line.contents(folder)
    assert found in (prepared.old, prepared.new)
    assert edgecnn.verify(folder).ok


def run_again(prepared: Prepared, folder: Path, cache: Path) -> None:
    """A run that is let be has its way, and clears up behind those before it."""
    done = command_line.forked(*ARGS, "--out", folder.parent, EDGECNN_CACHE=cache)
    assert done.returncode == 0, done.stderr
    assert command_line.contents(folder) == prepared.new
    assert [path.name for path in folder.parent.iterdir()] == ["int8"]
    assert list(cache.glob("*/.*")) == []


@pytest.mark.parametrize("moments", [range(4), range(4, 8)], ids=["early", "late"])
def test_killed_at_random_moments(prepared: Prepared, tmp_path: Path, moments: range) -> None:
    """Several times: what one leaves behind lies there for the next."""
    for moment in moments:
        folder = put_old(prepared, tmp_path / "out")
        # Spread over the whole run, and somewhere else within each eighth by the moment's seed.
        share = (moment + random.Random(moment).random()) / 8  # noqa: S311 - no secret is made
        child = start(tmp_path / "out", prepared.cache)
        time.sleep(share * prepared.seconds)
        kill(child, tmp_path / "out")
        check(prepared, folder)
    run_again(prepared, folder, prepared.cache)


def test_killed_while_a_child_process_works(prepared: Prepared, tmp_path: Path) -> None:
    """At each stage that has one, and in the first that has none; with an empty cache."""
    for stage in ("loading images", "importing TensorFlow", "converting", "float"):
        folder = put_old(prepared, tmp_path / "out")
        child = start(tmp_path / "out", tmp_path / "cache")
        assert child.stderr is not None
        assert any(line.startswith(stage) for line in child.stderr)  # reads until it begins
        time.sleep(0.05)
        assert len(marked(tmp_path / "out")) > 1 or stage == "float"
        kill(child, tmp_path / "out")
        check(prepared, folder)
    run_again(prepared, folder, tmp_path / "cache")


def test_control_c_ends_it_as_cleanly(prepared: Prepared, tmp_path: Path) -> None:
    folder = put_old(prepared, tmp_path / "out")
    child = start(tmp_path / "out", tmp_path / "cache")
    assert child.stderr is not None
    assert any(line.startswith("importing TensorFlow") for line in child.stderr)
    os.kill(child.pid, signal.SIGINT)
    said = child.stderr.read()
    assert child.wait() == 130
    assert said.splitlines()[-1] == "Interrupted."
    assert "Traceback" not in said
    assert marked(tmp_path / "out") == []
    assert command_line.contents(folder) == prepared.old
    assert [path.name for path in folder.parent.iterdir()] == ["int8"]
    child.stderr.close()


@pytest.mark.parametrize("cache_is_warm", [True, False])
def test_two_runs_at_once_on_the_same_output(
    prepared: Prepared, tmp_path: Path, *, cache_is_warm: bool
) -> None:
    folder = put_old(prepared, tmp_path / "out")
    cache = tmp_path / "cache"
    if cache_is_warm:
        shutil.copytree(prepared.cache, cache)
    with ThreadPoolExecutor(2) as pool:
        runs = [
            pool.submit(command_line.forked, *ARGS, "--out", tmp_path / "out", EDGECNN_CACHE=cache)
            for _ in range(2)
        ]
    for done in (run.result() for run in runs):
        assert done.returncode == 0, done.stderr
    assert command_line.contents(folder) == prepared.new
    assert [path.name for path in folder.parent.iterdir()] == ["int8"]
    assert list(cache.glob("*/.*")) == []
