"""Evaluating on a Ray cluster of three nodes: the same figures, whatever the number of shards."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from command_line import run_json
from ray_cluster import three_nodes
from task_nets import boxes_in_pixels, channel_of_most, save, spelt, write_folder
from tiny_artifact import write_artifact

import edgecnn
from edgecnn.errors import InputError, MissingPartError
from edgecnn.evaluating.options import EvaluateOptions
from edgecnn.progress import Silent
from edgecnn.records import OutputInfo

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from ray_cluster import RayCluster

PICTURES = 11
ROWS = (OutputInfo("rows", "float32", (1, 1, 6), kind="values"),)
SCORES = (OutputInfo("scores", "float32", (1, 8, 8, 3), "NHWC", "values"),)


@pytest.fixture(scope="module")
def cluster() -> Generator[RayCluster, None, None]:
    with three_nodes() as made:
        yield made


class Steps(Silent):
    """Counts the samples that are done."""

    def __init__(self) -> None:
        super().__init__()
        self.steps = 0

    def advance(self, steps: int = 1) -> None:
        """Count."""
        self.steps += steps


def figures(report: Any) -> Any:  # noqa: ANN401 - a report
    """All that depends neither on time nor on how many were at work."""
    names = ("evaluations", "detections", "segmentations", "agreements")
    runs = {
        name: tuple(replace(each, processes=0, seconds=0.0) for each in getattr(report, name))
        for name in names
    }
    return replace(report, **runs)


def labelled(folder: Path) -> Path:
    random = np.random.default_rng(0)
    for number in range(PICTURES):
        name = "abcde"[number % 5]
        save(folder / "test" / name / f"{number}.png", random.integers(0, 256, (8, 8, 3)))
        save(folder / "train" / name / f"{number}.png", random.integers(0, 256, (8, 8, 3)))
    (folder / "test" / "a" / "damaged.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    return folder


@pytest.mark.parametrize("shards", [1, 5, 1000])
def test_top_1(cluster: RayCluster, tmp_path: Path, shards: int) -> None:
    artifact = write_artifact(tmp_path / "net" / "float32", ("tflite",))
    options: dict[str, Any] = {"data": str(labelled(tmp_path / "data"))}
    here, steps = edgecnn.evaluate(artifact, **options), Steps()
    there = edgecnn.evaluate(
        artifact, **options, ray=cluster.address, shards=shards, progress=steps
    )
    assert figures(there) == figures(here)
    assert here.evaluations[0].images == PICTURES
    assert here.evaluations[0].unusable == 1
    assert steps.steps == len(here.evaluations) * (PICTURES + 1)


def test_mean_average_precision(cluster: RayCluster, tmp_path: Path) -> None:
    """Boxes come back; they are held against the annotations in one place."""
    write_folder(tmp_path / "net" / "float32", boxes_in_pixels(), ROWS)
    random = np.random.default_rng(1)
    images, boxes = [], []
    for number in range(PICTURES):
        right, bottom = random.integers(3, 9, 2).tolist()
        score = int(random.integers(10, 99))
        save(tmp_path / "photos" / f"{number}.png", spelt((0, 0, right, bottom, score, 0)))
        images.append({"id": number, "file_name": f"{number}.png", "height": 8, "width": 8})
        boxes.append({"id": number, "image_id": number, "category_id": 1, "bbox": [0, 0, 5, 5]})
    content = {"images": images, "annotations": boxes, "categories": [{"id": 1, "name": "cat"}]}
    (tmp_path / "truth.json").write_text(json.dumps(content))
    options: dict[str, Any] = {
        "data": str(tmp_path / "photos"),
        "annotations": tmp_path / "truth.json",
        "head": "end2end",
    }
    here = edgecnn.evaluate(tmp_path / "net" / "float32", **options)
    assert 0 < here.detections[0].map < 1
    for shards in (2, 5):
        there = edgecnn.evaluate(
            tmp_path / "net" / "float32", **options, ray=cluster.address, shards=shards
        )
        assert figures(there) == figures(here)


def test_mean_iou_and_agreement(
    cluster: RayCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counts of pixels come back; paths are relative here, and workers have another folder."""
    monkeypatch.chdir(tmp_path)
    write_folder(tmp_path / "net" / "float32", channel_of_most(), SCORES)
    write_folder(tmp_path / "net" / "int8", channel_of_most((1, 0, 1)), SCORES, recipe="int8")
    random = np.random.default_rng(2)
    for number in range(PICTURES):
        save(tmp_path / "photos" / f"{number}.png", random.integers(0, 256, (8, 8, 3)))
        save(tmp_path / "masks" / f"{number}.png", random.integers(0, 3, (8, 8)))
    asked: tuple[dict[str, Any], ...] = (
        {"masks": "masks"}, {"task": "segment", "agreement": True}
    )  # fmt: skip
    for options in asked:
        here = edgecnn.evaluate("net", data="photos", **options)
        there = edgecnn.evaluate("net", data="photos", **options, ray=cluster.address, shards=4)
        assert figures(there) == figures(here)
        values = [
            *(each.miou for each in here.segmentations), *(each.miou for each in here.agreements)
        ]  # fmt: skip
        assert all(value is not None and 0 < value < 1 for value in values)


def test_on_the_command_line(cluster: RayCluster, tmp_path: Path) -> None:
    artifact, data = write_artifact(tmp_path / "float32", ("tflite",)), labelled(tmp_path / "data")
    on_ray = ("--ray", cluster.address, "--shards", "2")
    here, there = (run_json("evaluate", artifact, "--data", data, *more) for more in ((), on_ray))
    for told in (here, there):
        for each in told["evaluations"]:
            assert each.pop("processes") >= 1
            assert each.pop("seconds") > 0
            assert each.pop("images_per_second") > 0
    assert there == here


def test_a_node_that_does_not_see_the_same_file(cluster: RayCluster, tmp_path: Path) -> None:
    """The images go while the network is looked at: what workers find missing is told."""
    artifact, data = write_artifact(tmp_path / "float32", ("tflite",)), labelled(tmp_path / "data")

    class Remove(Silent):
        def stage(self, name: str, total: int | None = None) -> None:
            """Take the images away once they are listed, before they are read."""
            if total is not None and name.startswith("evaluating"):
                shutil.rmtree(data)

    with pytest.raises(MissingPartError, match="does not see") as caught:
        edgecnn.evaluate(artifact, data=str(data), ray=cluster.address, progress=Remove())
    assert "all nodes see" in caught.value.hint


@pytest.mark.parametrize("wrong", [{"ray": "auto", "threads": 2}, {"shards": 2}, {"shards": 0}])
def test_options_that_contradict_each_other(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        EvaluateOptions(data="photos", **wrong)
