"""A network at its full size: the main job, `edgecnn export xception --int8`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import command_line
import pytest

from edgecnn.latency.files import costs_of_file
from edgecnn.latency.zoo_nets import costs_of_zoo
from edgecnn.zoo import MODELS

pytestmark = [pytest.mark.tensorflow, pytest.mark.slow]


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    out = tmp_path_factory.mktemp("xception")
    # Of very few images the last layer's answers hardly differ, and it stays float.
    args = ("export", "xception", "--int8", "--calibration-samples", "16", "--out", out)
    (made,) = command_line.forked_json(*args)["artifacts"]
    assert isinstance(made, dict)
    return made


def test_the_manifest_is_the_networks(artifact: dict[str, Any]) -> None:
    model = artifact["manifest"]["model"]
    assert model["input_shape"] == [1, 299, 299, 3]
    assert model["parameters"] == MODELS["xception"].parameters == 22_910_480
    assert model["macs"] == pytest.approx(8.4e9, rel=0.01)


def test_the_tflite_is_one_partition_in_int8(artifact: dict[str, Any]) -> None:
    (tflite, onnx) = artifact["manifest"]["files"]
    assert (tflite["format"], onnx["format"]) == ("tflite", "onnx")
    assert tflite["graph"]["delegate_partitions"] == 1
    assert set(tflite["graph"]["undelegated_ops"]) <= {"SOFTMAX"}
    assert set(tflite["graph"]["macs_by_dtype"]) == {"int8"}
    assert 22e6 < tflite["bytes"] < 25e6


def test_it_verifies(artifact: dict[str, Any]) -> None:
    assert command_line.forked_json("verify", artifact["folder"], "--threads", "2")["ok"]


def test_nothing_but_the_artifact_is_left(artifact: dict[str, Any]) -> None:
    folder = Path(artifact["folder"])
    assert [path.name for path in folder.parent.iterdir()] == ["int8"]


def test_its_costs_are_those_written_down(artifact: dict[str, Any]) -> None:
    found = costs_of_file(Path(artifact["folder"]) / "model.tflite")
    assert found.operators == costs_of_zoo("xception", recipe="int8").operators
