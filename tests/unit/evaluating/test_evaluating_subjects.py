"""What is to be evaluated, and how a network's classes meet the data's."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image
from tiny_artifact import write_artifact

from edgecnn.datasets.labelled import open_labelled
from edgecnn.errors import InputError
from edgecnn.evaluating.labels import network_labels
from edgecnn.evaluating.subjects import Subject, find_subjects
from edgecnn.progress import Silent
from edgecnn.records import Preprocessing

if TYPE_CHECKING:
    from edgecnn.datasets.labelled import LabelledSet

NET = Subject("net.keras", Path("net.keras"), "float32", "keras")


def test_recipes_stand_in_the_tables_order(tmp_path: Path) -> None:
    write_artifact(tmp_path / "a", ("tflite",))
    shutil.copytree(tmp_path / "a", tmp_path / "0")
    path = tmp_path / "0" / "manifest.json"
    path.write_text(path.read_text().replace('"recipe": "float32"', '"recipe": "int8"'))
    found = find_subjects(tmp_path)
    assert [(each.file, each.recipe) for each in found] == [
        ("a/model.tflite", "float32"),
        ("0/model.tflite", "int8"),
    ]
    path.write_text(path.read_text().replace('"recipe": "int8"', '"recipe": "int4"'))
    with pytest.raises(InputError, match="no known recipe: 'int4'"):
        find_subjects(tmp_path)


def test_a_folder_of_train(tmp_path: Path) -> None:
    (tmp_path / "model.keras").write_bytes(b"")
    assert find_subjects(tmp_path)[0].preprocessing is None
    scaling = {"mean": [0.0], "std": [127.5], "channel_order": "BGR"}
    record = {"schema": 1, "model": "vgg", "classes": ["a", "b"], "preprocessing": scaling}
    (tmp_path / "training.json").write_text(json.dumps(record))
    for target in (tmp_path, tmp_path / "model.keras"):
        (found,) = find_subjects(target)
        assert (found.recipe, found.format, found.classes) == ("float32", "keras", ("a", "b"))
        assert found.preprocessing == Preprocessing((0.0,), (127.5,), "BGR")


@pytest.mark.parametrize("text", ["{", "[" * 100_000, '{"classes": ["a"]}', "\udc80"])
def test_a_damaged_training_record(tmp_path: Path, text: str) -> None:
    (tmp_path / "model.keras").write_bytes(b"")
    (tmp_path / "training.json").write_text(text, errors="surrogateescape")
    with pytest.raises(InputError, match=r"training\.json is damaged"):
        find_subjects(tmp_path)


def data(folder: Path, *classes: str) -> LabelledSet:
    for name in classes:
        (folder / "test" / name).mkdir(parents=True)
        Image.new("L", (8, 8)).save(folder / "test" / name / "0.png")
    return open_labelled(str(folder), "test")


def test_names_decide_where_both_have_them(tmp_path: Path) -> None:
    net = replace(NET, classes=("dog", "ant", "cat"))
    images = data(tmp_path, "cat", "dog")
    assert network_labels(net, 3, images, Silent()).tolist() == [2, 0]


def test_other_names_are_matched_by_order_and_warned_of(tmp_path: Path) -> None:
    images, watcher = data(tmp_path, "Hund", "Katze"), Silent()
    net = replace(NET, classes=("cat", "dog"))
    assert network_labels(net, 2, images, watcher).tolist() == [0, 1]
    assert "matched by their order" in watcher.warnings[0]
    assert np.array_equal(network_labels(NET, 2, images, watcher), images.labels)
    assert len(watcher.warnings) == 1
    with pytest.raises(InputError, match="tells 3 classes apart"):
        network_labels(replace(NET, classes=("a", "b", "c")), 3, images, watcher)
