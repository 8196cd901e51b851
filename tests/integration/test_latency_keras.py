"""predict and fit for what only TensorFlow can build: through the float stage's cache."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import command_line
import experiment_devices
import pytest
from experiments import contenders
from experiments.experiment_record import FOLDER

import edgecnn
from edgecnn.errors import InputError
from edgecnn.evidence import files
from edgecnn.latency.files import costs_of_file
from edgecnn.latency.precision import for_recipe
from edgecnn.zoo import MODELS

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.tensorflow

PI = ("--device", "raspberry-pi-4b", "--threads", "4")


def test_mobilenet_v2_has_its_published_multiplications_and_is_built_once(tmp_path: Path) -> None:
    args = ("predict", "keras:MobileNetV2", *PI)
    first = command_line.forked(*args, "--float32", "--int8", EDGECNN_CACHE=tmp_path)
    assert first.returncode == 0, first.stderr
    assert "building the network" in first.stderr
    warnings = [line for line in first.stderr.splitlines() if "warning" in line]
    assert all("measured in int8 without TFLite's XNNPACK" in line for line in warnings)
    again = command_line.forked(*args, "--json", EDGECNN_CACHE=tmp_path)
    assert "building the network" not in again.stderr
    found = command_line.forked_json(*args, "--float32", "--int8", EDGECNN_CACHE=tmp_path)
    float32, int8 = found["predictions"]
    # Sandler et al., arXiv:1801.04381, table 4: 300 M, and 3.4 M parameters.
    assert float32["macs"] == int8["macs"] == 300_774_272
    assert int8["latency_ms"] < float32["latency_ms"]
    assert float32["size_bytes"] == pytest.approx(4 * 3.5e6, rel=0.02)
    assert int8["size_bytes"] == pytest.approx(float32["size_bytes"] / 4, rel=0.2)


@pytest.mark.usefixtures("float_stage_here")
def test_the_costs_before_an_export_are_those_of_the_exported_file(tmp_path: Path) -> None:
    options: dict[str, Any] = {"input_size": 64, "classes": 10}
    exported = edgecnn.export(
        "keras:MobileNetV3Small", recipes=("float32", "int8", "dynamic"), formats=("tflite",),
        calibration_samples=2, out=tmp_path, **options,
    )  # fmt: skip
    for artifact in exported.artifacts:
        recipe = artifact.manifest.recipe
        (before,) = edgecnn.predict(
            "keras:MobileNetV3Small", device="raspberry-pi-4b", recipes=(recipe,), **options
        ).predictions
        (after,) = edgecnn.predict(artifact.folder, device="raspberry-pi-4b").predictions
        assert before.macs == after.macs
        assert before.latency_ms == pytest.approx(after.latency_ms, rel=0.05), recipe


@pytest.mark.usefixtures("float_stage_here")
def test_a_float_file_under_a_recipe_is_the_file_of_that_recipe(tmp_path: Path) -> None:
    edgecnn.export(
        "vgg", recipes=("float32", "int8"), formats=("tflite",), calibration_samples=2, out=tmp_path
    )
    float32, int8 = (costs_of_file(tmp_path / r / "model.tflite") for r in ("float32", "int8"))
    kinds = [
        (each.kind, each.macs, each.precision) for each in for_recipe(float32, "int8").operators
    ]
    assert kinds == [(each.kind, each.macs, each.precision) for each in int8.operators]


def test_fit_of_a_keras_network_has_its_recipes_and_the_sizes_named(tmp_path: Path) -> None:
    args = ("fit", "keras:MobileNetV2", "--device", "raspberry-pi-4b", "--latency", "1s")
    found = command_line.forked_json(*args, "--input-sizes", "96,128", EDGECNN_CACHE=tmp_path)
    shapes = {(each["input_size"], each["recipe"]) for each in found["candidates"]}
    assert shapes == {(s, r) for s in (96, 128) for r in ("float32", "dynamic", "int8")}
    assert found["taken"]["input_size"] == 128


def test_fit_exports_what_it_takes(tmp_path: Path) -> None:
    args = (
        "fit",
        "vgg",
        "--device",
        "raspberry-pi-4b",
        "--latency",
        "10ms",
        "--recipes",
        "float32",
    )
    found = command_line.forked_json(*args, "--input-sizes", "16", "--export", "--out", tmp_path)
    (exported,) = found["exported"]
    assert exported["manifest"]["recipe"] == "float32"
    assert exported["manifest"]["model"]["input_shape"] == [1, 16, 16, 3]
    size_bytes = (tmp_path / "float32" / "model.tflite").stat().st_size
    assert found["taken"]["size_bytes"] == pytest.approx(size_bytes, rel=0.03)


def test_a_width_that_keras_networks_do_not_have() -> None:
    with pytest.raises(InputError, match="no width multiplier"):
        edgecnn.predict("keras:MobileNetV2", device="raspberry-pi-4b", width=0.5)


@pytest.mark.slow
def test_the_records_predictions_of_keras_networks_are_the_predictors_present_answers() -> None:
    """Two of the six. The zoo's are compared in tests/unit/tools.

    `experiment_devices.py --predictions-only` makes them all again.
    """
    record = files.read_all(FOLDER).devices
    assert record is not None
    kept = {
        (each.label, each.recipe, each.device, each.threads): each
        for each in record.latencies
        if each.provenance == "predicted"
    }
    built = [each for each in contenders.entries(record.fits) if each.model not in MODELS]
    assert len(built) == 6
    for entry in built[::3]:
        for now in experiment_devices.on_profiles(entry, entry.costs()):
            then = kept[now.label, now.recipe, now.device, now.threads]
            assert (then.basis, then.interval) == (now.basis, now.interval)
            assert [then.low_ms, then.latency_ms, then.high_ms] == pytest.approx(
                [now.low_ms, now.latency_ms, now.high_ms], rel=1e-6
            )
