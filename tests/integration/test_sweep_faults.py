"""Sweeps of 24 points that are killed, starved and refused: nothing is lost, nothing done twice.

What is done with a point is a stand-in here (`sweep_tasks.perform`); test_sweep.py does real ones.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import command_line
import pytest
from ray_cluster import three_nodes
from small_disk import small_disk
from sweep_tasks import PERFORM
from tiny_tflite import float_net

import edgecnn
from edgecnn import isolation
from edgecnn.sweeping import journal, run
from edgecnn.sweeping.records import Run

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from ray_cluster import RayCluster

    from edgecnn.sweeping.records import PointRecord

POINTS = 24
_TESTS = Path(command_line.__file__).parent  # where workers find the stand-in
_PATIENCE_S = 300.0
_DRIVER = (
    "from edgecnn.sweeping import run; from edgecnn.cli import main; "
    f"run._PERFORM = {PERFORM!r}; main()"
)


@pytest.fixture(scope="module")
def cluster() -> Generator[RayCluster, None, None]:
    with three_nodes() as made:
        yield made


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, warm_children: None) -> Path:  # noqa: ARG001 - forked
    """What the points are of."""
    # What forks the children dies with the thread that started it: not one of an engine's.
    isolation.run("os:getpid", what="starting")
    monkeypatch.setattr(run, "_PERFORM", PERFORM)
    path = tmp_path / "net.tflite"
    path.write_bytes(float_net().to_bytes())
    return path


def axes(model: Path, points: int = POINTS) -> dict[str, Any]:
    return {"model": str(model), "recipe": "float32", "seed": list(range(points))}


def timeless(file: Path) -> dict[int, bytes]:
    """By its seed, the last line of each point, without what may differ between two runs."""
    found = {each.point.seed: each for each in journal.read(file, pytest.fail)}
    return {seed: journal.line_of(replace(each, run=Run())) for seed, each in found.items()}


def marks(model: Path, what: str) -> Counter[int]:
    """How often it was begun, or its artifact made, by seed."""
    names = [path.name.split() for path in (model.parent / "marks").iterdir()]
    return Counter(int(seed) for kind, seed, *_ in names if kind == what)


def done(file: Path) -> list[PointRecord]:
    return [each for each in journal.read(file, pytest.fail) if each.status == "done"]


def wait_for(condition: Callable[[], object]) -> None:
    end = time.monotonic() + _PATIENCE_S
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def kill_a_driver(model: Path, file: Path, points: int, *more: str) -> int:
    """Begin a sweep, kill it with -9 when some have ended; returns how many."""
    spec = model.with_name("spec.toml")
    lines = [f"{key} = {value!r}" for key, value in axes(model, points).items()]
    spec.write_text("\n".join(["[axes]", *lines, ""]))
    command = ["sweep", str(spec), "--out", str(file.parent), *more]
    driver = subprocess.Popen(
        [sys.executable, "-c", _DRIVER, *command],
        env=command_line.environment(PYTHONPATH=f"{_TESTS.parent}{os.pathsep}{_TESTS}"),
        stderr=subprocess.DEVNULL,
    )
    wait_for(lambda: driver.poll() is not None or done(file))
    driver.send_signal(signal.SIGKILL)
    assert driver.wait() == -signal.SIGKILL
    kept = len(done(file))
    assert 0 < kept < points
    return kept


def test_24_points_on_a_cluster_with_every_misfortune(
    cluster: RayCluster, model: Path, tmp_path: Path
) -> None:
    here = edgecnn.sweep({"axes": axes(model)}, out=tmp_path / "here")
    assert (here.done, here.left, here.failed) == (POINTS, 0, ())
    for path in (model.parent / "marks").iterdir():
        path.unlink()

    # The driver is killed; a task is killed, one takes too much, and one's node is killed.
    (tmp_path / "20.killed").touch()
    (tmp_path / "21.hogs").touch()
    (tmp_path / "23.lingers").touch()
    file = tmp_path / "there" / "sweep.jsonl"
    options: dict[str, Any] = {"storage": f"file://{tmp_path}/shared", "ray": cluster.address}
    earlier = kill_a_driver(model, file, POINTS, *(f"--{k}={v}" for k, v in options.items()))
    extra = cluster.add_node(num_cpus=1)
    cluster.wait_for_nodes()

    def kill() -> None:
        wait_for(lambda: len(done(file)) >= min(earlier + 3, POINTS - 2))
        cluster.remove_node(extra, allow_graceful=False)

    killing = threading.Thread(target=kill)
    killing.start()
    first = edgecnn.sweep({"axes": axes(model)}, out=file.parent, **options)
    killing.join()
    assert (first.earlier, first.done, first.left) == (earlier, POINTS - 1, 0)
    (starved,) = first.failed
    assert starved.point.seed == 21
    assert "emory" in starved.message
    attempts = {each.point.seed: each.run.attempts for each in done(file)}
    assert attempts[20] >= 2  # more where the node that is killed had it

    (tmp_path / "21.hogs").unlink()
    last = edgecnn.sweep({"axes": axes(model)}, out=file.parent, **options)
    assert (last.earlier, last.done, last.failed) == (POINTS - 1, POINTS, ())
    assert timeless(file) == timeless(here.file)
    assert len(done(file)) == POINTS
    # Only what was at work when something was killed was begun again.
    made = marks(model, "made")
    assert set(made) == set(range(POINTS))
    assert sum(made.values()) <= POINTS + 4


def test_a_killed_driver_a_storage_that_refuses_and_one_that_is_full(
    model: Path, tmp_path: Path
) -> None:
    points, file = 6, tmp_path / "out" / "sweep.jsonl"
    asked: dict[str, Any] = {"axes": axes(model, points)}
    (tmp_path / "taken").touch()
    refused = edgecnn.sweep(asked, out=file.parent, storage=tmp_path / "taken" / "storage", limit=1)
    assert (refused.done, len(refused.failed)) == (0, 1)
    assert "cannot be written" in refused.failed[0].message
    with small_disk(tmp_path / "disk", "size=56k") as disk:
        earlier = kill_a_driver(model, file, points, "--storage", str(disk), "--jobs", "1")
        full = edgecnn.sweep(asked, out=file.parent, storage=disk)
        assert full.earlier == earlier
        assert 0 < full.done < points
        assert full.done + len(full.failed) == points
        assert all("The disk is full" in each.message for each in full.failed)
        subprocess.run(["mount", "-o", "remount,size=1m", str(disk)], check=True)  # noqa: S607 - as small_disk
        last = edgecnn.sweep(asked, out=file.parent, storage=disk)
        assert (last.earlier, last.done, last.failed) == (full.done, points, ())
    assert len(done(file)) == points
    assert set(marks(model, "made").values()) <= {1, 2}
