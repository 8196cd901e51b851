"""Sweeps on local processes and on a Ray cluster of three nodes: the same records, none twice."""

from __future__ import annotations

import contextlib
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from ray_cluster import DEVICE, FARM, NODES, three_nodes
from sweep_tasks import task
from tiny_tflite import float_net

import edgecnn
from edgecnn.engines.on_ray import RayEngine
from edgecnn.errors import InputError
from edgecnn.isolation import CrashedError
from edgecnn.sweeping import journal
from edgecnn.sweeping.records import Run

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from ray_cluster import RayCluster

    from edgecnn.sweeping.records import PointRecord

SAMPLES = 40


@pytest.fixture(scope="module")
def cluster() -> Generator[RayCluster, None, None]:
    with three_nodes() as made:
        yield made


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network of a few kilobytes, and labelled inputs for it."""
    folder = tmp_path_factory.mktemp("sweep")
    (folder / "net.tflite").write_bytes(float_net().to_bytes())
    random = np.random.default_rng(0)
    inputs = random.standard_normal((SAMPLES, 8, 8, 3)).astype(np.float32)
    np.savez(folder / "data.npz", input=inputs, labels=np.arange(SAMPLES) % 5)
    return folder


def tables(files: Path, **axes: Any) -> dict[str, Any]:  # noqa: ANN401 - as TOML has them
    return {
        "axes": {"model": str(files / "net.tflite"), "calibration": str(files / "data.npz"),
                 "calibration_samples": 16, **axes},
        "evaluate": {"data": str(files / "data.npz")},
        "predict": {"device": ["raspberry-pi-4b", "raspberry-pi-5"], "threads": [1, 4]},
    }  # fmt: skip


def records(file: Path) -> list[PointRecord]:
    found = list(journal.read(file, pytest.fail))
    assert len({each.key for each in found}) == len(found)
    return found


def timeless(found: list[PointRecord]) -> set[bytes]:
    """The lines without what may differ from one run to the next."""
    return {journal.line_of(replace(each, run=Run())) for each in found}


def test_the_same_records_here_and_on_a_cluster(
    cluster: RayCluster, files: Path, tmp_path: Path
) -> None:
    asked = tables(files, recipe=["float32", "int8"], format=["tflite", "onnx"])
    here = edgecnn.sweep(asked, out=tmp_path / "here", size_bytes=4000)
    assert (here.points, here.done, here.left, here.networks) == (2, 2, 0, 1)
    assert [each.point.format for each in here.impossible] == ["onnx"] * 2
    assert [front.place and front.place.device for front in here.fronts] == [
        *["raspberry-pi-4b"] * 2, *["raspberry-pi-5"] * 2
    ]  # fmt: skip
    for front in here.fronts:
        assert front.taken is not None
        assert front.taken.point.recipe == "int8"
    ours = records(here.file)
    assert {each.accuracy and each.accuracy.images for each in ours} == {SAMPLES}
    assert all(each.run.peak_bytes > 1 << 24 for each in ours)

    there = edgecnn.sweep(
        asked, out=tmp_path / "there", storage=tmp_path / "shared", ray=cluster.address
    )
    assert (there.done, there.failed) == (2, ())
    assert timeless(records(there.file)) == timeless(ours)

    again = edgecnn.sweep(asked, out=tmp_path / "here", size_bytes=4000)
    assert (again.done, again.earlier) == (2, 2)
    assert again.fronts == here.fronts
    assert records(again.file) == ours


def test_tasks_that_die_on_a_cluster_are_tried_again(cluster: RayCluster, tmp_path: Path) -> None:
    for name in ("always", "once"):
        (tmp_path / name).mkdir()
    tasks = [
        task("double", 21),
        task("refuse", "no"),
        task("die", str(tmp_path / "always"), key="dies"),
        task("die_once", str(tmp_path / "once"), key="dies once", isolated=False),
        task("environment_of", "TF_NUM_INTRAOP_THREADS", key="threads", cores=1),
    ]
    with RayEngine(cluster.address) as engine:
        assert engine.workers == NODES
        ended = {each.task.key: each for each in engine.run(tasks)}
    assert ended["double 21"].value == 42
    assert ended["threads"].value == "1"
    assert isinstance(ended["refuse no"].error, InputError)
    assert (type(ended["dies"].error), ended["dies"].attempts) == (CrashedError, 4)
    assert len(list((tmp_path / "always").iterdir())) == 4
    assert (ended["dies once"].value, ended["dies once"].attempts) == ("alive", 2)


def test_a_node_killed_in_the_middle(cluster: RayCluster, tmp_path: Path) -> None:
    """Its tasks, which have room on no other, are begun again on the one that takes its place."""
    tasks = [task("linger", str(tmp_path), key=str(n), cores=2) for n in range(3)]
    killed = cluster.add_node(num_cpus=2)
    cluster.wait_for_nodes()
    with RayEngine(cluster.address) as engine, contextlib.closing(engine.run(tasks)) as outcomes:
        ended = [next(outcomes)]
        while len(list(tmp_path.iterdir())) < len(("begun", "ended", "begun")):
            time.sleep(0.01)
        cluster.remove_node(killed, allow_graceful=False)
        cluster.add_node(num_cpus=2)
        ended += outcomes
    assert sorted(each.task.key for each in ended) == ["0", "1", "2"]
    assert {each.value for each in ended} == {"rested"}
    assert ended[0].attempts == 1
    assert max(each.attempts for each in ended) == 2


def test_a_device_is_measured_by_the_node_that_offers_it(cluster: RayCluster) -> None:
    asked = [
        task("environment_of", "EDGECNN_FARM", key=str(n), resources=(DEVICE,), isolated=n < 2)
        for n in range(4)
    ]
    with RayEngine(cluster.address, resources=(DEVICE,)) as engine:
        assert [each.value for each in engine.run(asked)] == [FARM] * 4
    with (
        pytest.raises(InputError, match="No node of the Ray cluster offers device:pi and"),
        RayEngine(cluster.address, resources=("device:pi", DEVICE)),
    ):
        pytest.fail("it was entered")


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:1", "here"])
def test_there_is_no_such_cluster(address: str, files: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="There is no Ray cluster at"):
        edgecnn.sweep(tables(files), out=tmp_path, storage=tmp_path, ray=address)
    assert not (tmp_path / "artifacts").exists()
