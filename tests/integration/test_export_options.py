"""What `edgecnn export` can be told, through the command line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import command_line
import numpy as np
import pytest

import edgecnn
from edgecnn.cli.app import run
from edgecnn.runtime.session import open_session

pytestmark = pytest.mark.tensorflow

FEW = ("--calibration-samples", "2")


class Exports:
    """`edgecnn export` in this process, which imports TensorFlow once for all.

    Those below that are about what a user sees start the command as a user does.
    """

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def all(self, out: Path, *args: str) -> list[dict[str, Any]]:
        """Run `edgecnn export ARGS`; returns the artifacts."""
        self._capsys.readouterr()
        code = run(["export", *args, *FEW, "--out", str(out), "--json"])
        shown = self._capsys.readouterr()
        assert code == 0, shown.out + shown.err
        artifacts: list[dict[str, Any]] = json.loads(shown.out)["artifacts"]
        return artifacts

    def __call__(self, out: Path, *args: str) -> dict[str, Any]:
        """The manifest of the one artifact."""
        (artifact,) = self.all(out, *args)
        manifest: dict[str, Any] = artifact["manifest"]
        written = json.loads((Path(artifact["folder"]) / "manifest.json").read_text("utf-8"))
        assert written == manifest
        return manifest


@pytest.fixture
def export(capsys: pytest.CaptureFixture[str], float_stage_here: None) -> Exports:  # noqa: ARG001 - in this process
    return Exports(capsys)


def test_a_network_of_keras_applications(export: Exports, tmp_path: Path) -> None:
    manifest = export(tmp_path, "keras:MobileNetV2", "--input-size", "96", "--weights", "none")
    assert manifest["model"]["name"] == "keras:MobileNetV2"
    assert manifest["model"]["input_shape"] == [1, 96, 96, 3]
    assert manifest["model"]["weights"] == "random"
    assert manifest["model"]["parameters"] == 3_538_984
    assert [file["format"] for file in manifest["files"]] == ["tflite", "onnx"]
    assert manifest["files"][0]["graph"]["delegate_partitions"] == 1
    assert set(manifest["files"][0]["graph"]["undelegated_ops"]) <= {"SOFTMAX"}
    assert command_line.forked_json("verify", tmp_path / "int8")["ok"]


@pytest.mark.parametrize("io", ["float32", "uint8"])
def test_the_ends_of_the_int8_file(export: Exports, tmp_path: Path, io: str) -> None:
    manifest = export(tmp_path, "vgg", "--int8", "--io", io, "--format", "tflite")
    (file,) = manifest["files"]
    assert (file["inputs"][0]["dtype"], file["outputs"][0]["dtype"]) == (io, io)
    assert set(file["graph"]["macs_by_dtype"]) == {"int8"}
    # Behind the softmax, which is not XNNPACK's, comes what other ends than int8 ask for.
    assert set(file["graph"]["undelegated_ops"]) <= {"SOFTMAX", "QUANTIZE"}
    assert file["graph"]["delegate_partitions"] <= (2 if io == "float32" else 1)
    session = open_session(tmp_path / "int8" / "model.tflite", threads=1)
    (scores,) = session.run([np.zeros((1, 32, 32, 3), io)])
    assert scores.dtype == io
    assert edgecnn.verify(tmp_path / "int8").ok


def test_classes(export: Exports, tmp_path: Path) -> None:
    manifest = export(tmp_path, "vgg", "--classes", "7", "--float16")
    assert manifest["model"]["classes"] == 7
    assert [file["outputs"][0]["shape"] for file in manifest["files"]] == [[1, 7], [1, 7]]


def test_width_and_input_size(export: Exports, tmp_path: Path) -> None:
    small = ("xception", "--width", "0.25", "--input-size", "71", "--classes", "10")
    manifest = export(tmp_path, *small, "--float32", "--format", "tflite")
    assert manifest["model"]["input_shape"] == [1, 71, 71, 3]
    assert manifest["model"]["parameters"] < 22_910_480 / 10


def test_another_seed_is_another_network(export: Exports, tmp_path: Path) -> None:
    args = ("vgg", "--float32", "--format", "tflite", "--seed")
    digests = [export(tmp_path / s, *args, s)["files"][0]["sha256"] for s in ("0", "1")]
    assert len(set(digests)) == 2


def test_fashion_mnist(export: Exports, tmp_path: Path) -> None:
    args = ("vgg", "--int8", "--calibration", "fashion-mnist", "--calibration-method", "percentile")
    manifest = export(tmp_path, *args)
    assert manifest["calibration"]["source"] == "fashion-mnist"
    assert manifest["calibration"]["method"] == "percentile"


def test_all_formats_and_recipes_that_the_format_has(export: Exports, tmp_path: Path) -> None:
    found = export.all(tmp_path, "vgg", "--all", "--format", "onnx")
    recipes = [artifact["manifest"]["recipe"] for artifact in found]
    assert recipes == ["float32", "float16", "dynamic", "int8"]


def test_weights_of_a_file_are_named_and_kept(export: Exports, tmp_path: Path) -> None:
    from edgecnn.building import BuildRequest, build

    model: Any = build(BuildRequest("vgg", seed=5)).keras_model
    model.save_weights(tmp_path / "mine.weights.h5")
    args = (
        "vgg",
        "--float32",
        "--format",
        "tflite",
        "--weights",
        str(tmp_path / "mine.weights.h5"),
    )
    manifest = export(tmp_path / "out", *args)
    assert manifest["model"]["weights"] == "mine.weights.h5"
    assert not any("random" in note for note in manifest["notes"])


def test_tensorflows_noise_never_reaches_the_user_who_is_told_what_comes_next(
    tmp_path: Path,
) -> None:
    args = ["export", "vgg", *FEW, "--int8"]
    environment = {"EDGECNN_CACHE": tmp_path / "cache"}
    shown = command_line.run(*args, "--float32", "--out", tmp_path / "out", **environment)
    as_json = command_line.forked(*args, "--json", "--out", tmp_path / "again", **environment)
    assert "importing TensorFlow" in shown.stderr  # it did run
    for done in (shown, as_json):
        assert done.returncode == 0
        for noise in command_line.NOISE:
            assert noise not in done.stdout + done.stderr
    for said in ("SNR dB", "partitions", "of float32", "random", f"edgecnn bench {tmp_path}"):
        assert said in shown.stdout
    assert json.loads(as_json.stdout)["schema"] == 1


def test_quiet_says_nothing_but_warnings(tmp_path: Path) -> None:
    done = command_line.forked("export", "vgg", "--int8", "--quiet", *FEW, "--out", tmp_path)
    assert done.returncode == 0
    assert done.stdout == ""
    assert done.stderr
    assert [line for line in done.stderr.splitlines() if not line.startswith("warning: ")] == []


SCRIPT = """
import edgecnn
result = edgecnn.export("vgg", recipes=["int8"], calibration_samples=2)
print(result.artifacts[0].folder)
assert edgecnn.verify(result.artifacts[0].folder).ok
assert edgecnn.inspect(result.artifacts[0].folder / "model.tflite").graph.delegate_partitions == 1
"""


def test_a_plain_script_needs_no_guard(tmp_path: Path) -> None:
    """A process started by multiprocessing's spawn would run the script once more."""
    (tmp_path / "script.py").write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, "script.py"],
        cwd=tmp_path,
        env=command_line.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "artifacts/vgg/int8\n"
    assert {path.name for path in (tmp_path / "artifacts/vgg/int8").iterdir()} == {
        "model.tflite", "model.onnx", "manifest.json", "reference.npz",
    }  # fmt: skip
