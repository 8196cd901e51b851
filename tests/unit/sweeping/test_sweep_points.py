"""The points of a sweep, which of them can be, and the keys they are known by."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_tflite import float_net

from edgecnn.errors import InputError
from edgecnn.sweeping import keys, points, spec, tally
from edgecnn.sweeping.records import Impossible, Point


def asked(axes: dict[str, Any], **tables: Any) -> spec.Spec:  # noqa: ANN401 - as TOML has them
    return spec.from_tables({"axes": axes, **tables})


def planned(sweep: spec.Spec) -> list[points.Planned]:
    return [each for each in points.plan_all(sweep) if isinstance(each, points.Planned)]


def test_points_are_the_product_and_a_networks_follow_each_other() -> None:
    axes = asked({"model": "xception-mini", "width": [0.5, 1.0], "recipe": ["float32", "int8"],
                  "format": ["tflite", "onnx"]}).axes  # fmt: skip
    found = list(points.every_point(axes))
    assert len(found) == len(set(found)) == 8
    assert [each.width for each in found] == [0.5] * 4 + [1.0] * 4


def test_what_has_no_part_in_a_point_makes_no_other_point() -> None:
    axes = asked({"model": "vgg", "recipe": ["float32", "int8"], "min_snr": ["none", "30dB"],
                  "calibration_samples": [8, 16], "format": ["tflite", "onnx"]}).axes  # fmt: skip
    found = list(points.every_point(axes))
    floats = [each for each in found if each.recipe == "float32"]
    assert [(each.calibration_samples, each.min_snr_db) for each in floats] == [(8, None)] * 2
    onnx = [each for each in found if (each.recipe, each.format) == ("int8", "onnx")]
    assert [each.calibration_samples for each in onnx] == [8, 16]
    tflite = [each for each in found if (each.recipe, each.format) == ("int8", "tflite")]
    assert len(tflite) == 4


def test_a_name_that_no_file_can_have_is_told() -> None:
    sweep = asked({"model": "xception-mini", "calibration": "x" * 5000})
    with pytest.raises(InputError, match=r"^xxx.*\.\.\. cannot be read: ") as told:
        tally.take_survey(sweep)
    assert len(told.value.message) < 300


def test_what_cannot_be_is_known_with_its_reason() -> None:
    sweep = asked({"model": ["vgg", "xception"], "width": ["none", 0.5],
                   "recipe": "int16x8", "format": ["tflite", "onnx"]})  # fmt: skip
    refused = [each for each in points.plan_all(sweep) if isinstance(each, Impossible)]
    told = {
        (each.point.model, each.point.width, each.point.format): each.message for each in refused
    }
    assert told["vgg", 0.5, "tflite"] == "vgg has no width multiplier."
    assert told["vgg", None, "onnx"] == "Recipe int16x8 exists for tflite only."
    assert ("xception", 0.5, "tflite") not in told
    assert len(told) == 5


def test_what_is_trained_keeps_no_weights_and_is_no_file(tmp_path: Path) -> None:
    file = tmp_path / "net.tflite"
    file.write_bytes(float_net().to_bytes())
    sweep = asked({"model": ["xception-mini", str(file)], "weights": ["random", "none"]},
                  train={"data": "fashion-mnist"})  # fmt: skip
    messages = [each.message for each in points.plan_all(sweep) if isinstance(each, Impossible)]
    assert len(messages) == 4
    sweep = asked({"model": ["xception-mini", str(file)]}, train={"data": "fashion-mnist"})
    (message,) = [e.message for e in points.plan_all(sweep) if isinstance(e, Impossible)]
    assert "not trained in a sweep" in message


BASE: dict[str, Any] = {"model": "vgg", "recipe": "int8", "format": "tflite"}


def key_of(axes: dict[str, Any] | None = None, **tables: Any) -> str:  # noqa: ANN401 - as TOML has them
    sweep = asked({**BASE, **(axes or {})}, **tables)
    (only,) = planned(sweep)
    return keys.Keys(sweep).point(only)


@pytest.mark.parametrize(
    ("axes", "tables"),
    [
        ({"model": "resnet"}, {}),
        ({"recipe": "float32"}, {}),
        ({"format": "onnx"}, {}),
        ({"seed": 1}, {}),
        ({"classes": 7}, {}),
        ({"calibration_samples": 50}, {}),
        ({"calibration_method": "minmax"}, {}),
        ({"min_snr": 20}, {}),
        ({}, {"train": {"data": "fashion-mnist"}}),
        ({}, {"evaluate": {"data": "fashion-mnist"}}),
        ({}, {"predict": {"device": "raspberry-pi-5"}}),
        ({}, {"bench": {"on": "local"}}),
    ],
)
def test_whatever_decides_a_result_changes_the_key(
    axes: dict[str, Any], tables: dict[str, Any]
) -> None:
    assert key_of(axes, **tables) != key_of()


def test_a_key_is_the_same_in_every_process() -> None:
    """A sweep that goes on knows what an earlier process has done."""
    code = (
        "import test_sweep_points as here; "
        "print(here.key_of({'seed': 1, 'min_snr': 20}, evaluate={'data': 'fashion-mnist'}))"
    )
    path = ":".join([str(Path(__file__).parent), *sys.path])
    told = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": "1"},
        check=True,
        capture_output=True,
        text=True,
    )
    ours = key_of({"min_snr": 20, "seed": 1}, evaluate={"data": "fashion-mnist"})
    assert told.stdout.strip() == ours


def test_budgets_have_no_part_in_the_key() -> None:
    assert key_of(budget={"size": "1MB"}) == key_of()


def test_versions_have_a_part_in_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    before = key_of()
    others = {**keys.decisive_versions(), "numpy": "0.1"}
    monkeypatch.setattr(keys, "decisive_versions", lambda: others)
    assert key_of() != before


def test_a_files_content_counts_and_not_its_place(tmp_path: Path) -> None:
    first, second = tmp_path / "first.tflite", tmp_path / "other" / "first.tflite"
    second.parent.mkdir()
    for path in (first, second):
        path.write_bytes(float_net().to_bytes())
    data = tmp_path / "data.npz"
    np.savez(data, image=np.zeros((4, 8, 8, 3), np.float32))
    axes: dict[str, Any] = {"model": str(first), "calibration": str(data)}
    same = key_of({**axes, "model": str(second)})
    assert key_of(axes) == same
    np.savez(data, image=np.ones((4, 8, 8, 3), np.float32))
    assert key_of(axes) != same


def test_a_float_stage_is_shared_by_recipes_and_formats() -> None:
    sweep = asked({"model": ["vgg", "resnet"], "recipe": ["float32", "int8"],
                   "format": ["tflite", "onnx"]})  # fmt: skip
    keyer = keys.Keys(sweep)
    groups = [keyer.group(each) for each in planned(sweep)]
    assert len(set(groups[:4])) == len(set(groups[4:])) == 1
    assert groups[0] != groups[4]


def test_random_weights_are_adapted_to_calibration_images() -> None:
    sweep = asked({"model": "vgg", "calibration_samples": [8, 16], "recipe": "int8"})
    one, other = (keys.Keys(sweep).group(each) for each in planned(sweep))
    assert one != other
    trained = asked({"model": "vgg", "calibration_samples": [8, 16], "recipe": "int8"},
                    train={"data": "fashion-mnist"})  # fmt: skip
    one, other = (keys.Keys(trained).group(each) for each in planned(trained))
    assert one == other


def test_a_title_says_what_is_not_as_usual() -> None:
    point = Point("xception-mini", input_size=32, width=0.5, min_snr_db=25.0)
    assert points.title(point) == "xception-mini 32 px width 0.5 25 dB at least int8 .tflite"
    assert points.title(Point("vgg", recipe="float32", format="onnx")) == "vgg float32 .onnx"


def test_a_workers_files_are_named_from_the_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("net.tflite", "images"):
        (tmp_path / name).mkdir()
    point = Point("net.tflite", calibration="images", weights="imagenet")
    moved = points.absolute(point)
    assert moved == replace(
        point, model=str(tmp_path / "net.tflite"), calibration=str(tmp_path / "images")
    )
    (tmp_path / "fashion-mnist").mkdir()  # a folder of that name is ./fashion-mnist
    assert points.absolute(Point("vgg", calibration="fashion-mnist")).calibration == "fashion-mnist"
