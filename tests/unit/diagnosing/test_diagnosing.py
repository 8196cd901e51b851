"""diagnose: files spoiled on purpose are found out, and the command it names repairs them."""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from random_nets import RandomNet

import edgecnn
from edgecnn import caching
from edgecnn.cli.app import run
from edgecnn.errors import InputError
from edgecnn.records import Preprocessing
from edgecnn.reporting.diagnosis import worst

pytestmark = pytest.mark.usefixtures("warm_children")

UNIT = Preprocessing()  # pixels to 0..1


@pytest.fixture(scope="module")
def floats(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A float network of a normal shape, and inputs for it in several scalings."""
    folder = tmp_path_factory.mktemp("floats")
    net = RandomNet(3, (1, 12, 12, 3))
    x = net.conv(net.image, 8, activation="RELU")
    x = net.sum_of(net.depthwise(net.conv(net.relu(x), 8)), x)
    x = net.pool(net.relu(x), "MAX_POOL_2D")
    (folder / "net.tflite").write_bytes(net.finish(net.softmax(net.dense(net.flatten(x), 5))))
    inputs = np.random.default_rng(0).uniform(0, 1, (60, 12, 12, 3)).astype(np.float32)
    for name, values in {
        "right": inputs,
        "others": np.random.default_rng(1).uniform(0, 1, inputs.shape).astype(np.float32),
        "pixels": inputs * 255,
        "dark": inputs * np.float32(0.05),
    }.items():
        np.savez(folder / f"{name}.npz", np.asarray(values, np.float32))
    return folder


@pytest.fixture(scope="module")
def artifact(floats: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An int8 artifact in order, with its float twin beside it; not to be changed."""
    return exported(floats, "right", tmp_path_factory.mktemp("artifact"), ("float32", "int8"))


def exported(
    floats: Path,
    calibration: str,
    out: Path,
    recipes: tuple[str, ...] = ("int8",),
    **options: Any,  # noqa: ANN401 - ExportOptions' fields
) -> Path:
    """The folder of the last recipe."""
    result = edgecnn.export(
        str(floats / "net.tflite"), recipes=recipes, out=out, calibration_samples=40,
        calibration=str(floats / f"{calibration}.npz"), **options,
    )  # fmt: skip
    return result.artifacts[-1].folder


def kinds(found: edgecnn.Diagnosis) -> list[str]:
    return [cause.kind for cause in found.causes]


def test_a_file_in_order_has_no_cause_and_its_layers_stand_in_order(
    floats: Path, artifact: Path
) -> None:
    found = edgecnn.diagnose(artifact, data=str(floats / "others.npz"))
    assert kinds(found) == []
    assert found.observed.skipped == 0
    assert [each.index for each in found.layers] == sorted(each.index for each in found.layers)
    operators = [each.operator for each in found.layers]
    assert operators[0] == "CONV_2D"
    assert operators[-1] == "SOFTMAX"
    assert all(each.matched_by == "name" for each in found.layers)
    assert all(each.snr_db is not None and each.snr_db > 15 for each in found.layers)
    assert sum(each.share for each in found.layers) == pytest.approx(1)
    assert max(found.layers, key=lambda each: each.share) in worst(found.layers[:11])
    assert len(worst(found.layers)) == min(len(found.layers), 10)
    manifest = json.loads((artifact / "manifest.json").read_text())
    by_reference = edgecnn.diagnose(artifact)
    recorded = manifest["files"][0]["parity"]
    assert by_reference.samples == recorded["samples"]
    assert by_reference.observed.worst.snr_db == pytest.approx(recorded["snr_db"])
    assert "--min-snr" in by_reference.next_command


@pytest.mark.parametrize(
    ("calibration", "kind"),
    [("dark", "range too narrow"), ("pixels", "double normalization")],
)  # fmt: skip
def test_a_wrong_calibration_is_named_and_its_command_repairs_it(
    floats: Path, tmp_path: Path, calibration: str, kind: str
) -> None:
    folder = exported(floats, calibration, tmp_path / "spoilt", strict=True)
    data, twin = str(floats / "right.npz"), floats / "net.tflite"
    found = edgecnn.diagnose(folder, float_file=twin, data=data)
    before_db = found.observed.worst.snr_db
    assert kind in kinds(found)
    assert before_db is not None
    assert before_db < 15
    cause = next(each for each in found.causes if each.kind == kind)
    program, *arguments = shlex.split(cause.command)
    assert program == "edgecnn"
    assert run([*arguments, "--quiet"]) == 0
    repaired = edgecnn.diagnose(
        folder.parent / "diagnosed" / "int8", float_file=twin, data=str(floats / "others.npz")
    )
    assert repaired.causes == ()
    assert repaired.observed.worst.snr_db is not None
    assert repaired.observed.worst.snr_db > before_db + 10


def test_calibrated_on_black_images(floats: Path, tmp_path: Path) -> None:
    black = tmp_path / "black"
    black.mkdir()
    Image.new("RGB", (12, 12)).save(black / "night.png")
    edgecnn.export(
        str(floats / "net.tflite"), out=tmp_path, calibration=str(black), preprocessing=UNIT
    )
    found = edgecnn.diagnose(
        tmp_path / "int8", float_file=floats / "net.tflite", data=str(floats / "right.npz")
    )
    assert "range too narrow" in kinds(found)
    assert max(each.clipped_share for each in found.layers) > 0.1


def test_pixels_that_were_scaled_before_they_were_saved(artifact: Path, tmp_path: Path) -> None:
    dim = tmp_path / "dim"
    dim.mkdir()
    random = np.random.default_rng(0)
    for number in range(8):
        pixels = random.integers(0, 2, (12, 12, 3), np.uint8)
        Image.fromarray(pixels).save(dim / f"{number}.png")
    found = edgecnn.diagnose(artifact, data=str(dim), preprocessing=UNIT)
    assert kinds(found)[0] == "double normalization"
    assert "0..1 already" in found.causes[0].finding
    assert "--input-range 0,255" in found.causes[0].command


def test_without_a_float_twin_it_says_how_to_make_one(
    floats: Path, artifact: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGECNN_CACHE", str(tmp_path / "cache"))
    shutil.copytree(artifact, tmp_path / "int8")
    with pytest.raises(InputError, match="no float file beside it") as caught:
        edgecnn.diagnose(tmp_path / "int8")
    assert "--float32 --format tflite" in caught.value.hint
    assert "--against" in caught.value.hint
    found = edgecnn.diagnose(tmp_path / "int8", float_file=floats / "net.tflite")
    assert found.layers


def test_the_twin_is_found_in_the_cache_by_what_it_answers(
    floats: Path, artifact: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(artifact, tmp_path / "int8")
    manifest = json.loads((tmp_path / "int8" / "manifest.json").read_text())
    outputs = [{k: v for k, v in end.items() if k != "kind"} for end in manifest["outputs"]]
    counts = {k: manifest["model"][k] for k in ("parameters", "trainable_parameters")}
    network = {"inputs": manifest["inputs"], "outputs": outputs, **counts}
    layouts = {
        "inputs": [end["layout"] for end in manifest["inputs"]],
        "outputs": [end["layout"] for end in outputs],
    }
    info = {"network": network, "layouts": {"tflite": layouts}, "own_scaling": ""}
    monkeypatch.setenv("EDGECNN_CACHE", str(tmp_path / "cache"))
    for key, data, told in (
        ("0" * 64, b"half a file", info),
        ("1" * 64, (floats / "net.tflite").read_bytes(), {"input_shape": [1, 12, 12, 3]}),
        ("a" * 64, another_net(), info),
        ("b" * 64, (floats / "net.tflite").read_bytes(), info),
    ):

        def fill(entry: Path, data: bytes = data, told: dict[str, Any] = told) -> None:
            (entry / "model.tflite").write_bytes(data)
            (entry / "info.json").write_text(json.dumps(told))

        caching.cached("float-tflite", key, fill)
    found = edgecnn.diagnose(tmp_path / "int8")
    assert Path(found.against).parent.name == "b" * 64
    assert all(each.matched_by == "name" for each in found.layers)


def test_a_float_file_beside_it_that_is_another_network_is_passed_over(
    artifact: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGECNN_CACHE", str(tmp_path / "cache"))
    shutil.copytree(artifact, tmp_path / "int8")
    (tmp_path / "float32").mkdir()
    (tmp_path / "float32" / "model.tflite").write_bytes(another_net())
    with pytest.raises(InputError, match="of another network or other weights"):
        edgecnn.diagnose(tmp_path / "int8")


def another_net() -> bytes:
    net = RandomNet(9, (1, 12, 12, 3))
    return net.finish(net.dense(net.flatten(net.image), 5))


def test_a_file_of_another_network_is_refused(floats: Path, artifact: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.tflite"
    other.write_bytes(another_net())
    with pytest.raises(InputError, match="not of one network"):
        edgecnn.diagnose(artifact, float_file=other)
    half = tmp_path / "half.tflite"
    half.write_bytes(another_net()[:900])
    with pytest.raises(InputError, match="not of one network"):
        edgecnn.diagnose(artifact, float_file=half)
    alone = tmp_path / "alone.tflite"  # without manifest and reference only the graphs can tell
    alone.write_bytes((artifact / "model.tflite").read_bytes())
    with pytest.raises(InputError, match=r"counterpart|not of one network"):
        edgecnn.diagnose(alone, float_file=other, data=str(floats / "right.npz"))
    with pytest.raises(InputError, match="half"):
        edgecnn.diagnose(alone, float_file=half, data=str(floats / "right.npz"))


@pytest.mark.parametrize(("recipe", "least_db"), [("int16x8", 30), ("dynamic", 25)])
def test_other_recipes(floats: Path, tmp_path: Path, recipe: str, least_db: float) -> None:
    folder = exported(floats, "right", tmp_path, (recipe,))
    found = edgecnn.diagnose(folder, float_file=floats / "net.tflite")
    assert found.causes == ()
    assert found.observed.worst.snr_db is not None
    assert found.observed.worst.snr_db > least_db


def test_a_file_without_manifest_needs_images_and_their_scaling(
    floats: Path, artifact: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "int8"
    shutil.copytree(artifact, folder)
    (folder / "manifest.json").unlink()
    with pytest.raises(InputError, match="no samples to run"):
        edgecnn.diagnose(folder)
    with pytest.raises(InputError, match="how its input is scaled"):
        edgecnn.diagnose(folder, data="fashion-mnist")
    twin, data = artifact.parent / "float32", str(floats / "right.npz")
    assert edgecnn.diagnose(folder, float_file=twin, data=data).causes == ()


def test_the_command_prints_a_table_or_one_object(
    floats: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = exported(floats, "dark", tmp_path, strict=True)
    arguments = ["diagnose", str(folder), "--data", str(floats / "right.npz")]
    arguments += ["--against", str(floats / "net.tflite")]
    assert run([*arguments, "--all"]) == 0
    shown = capsys.readouterr().out
    assert "range too narrow" in shown
    assert "edgecnn export" in shown
    assert run([*arguments, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["schema"] == 1
    assert {"index", "layer", "operator", "snr_db"} <= found["layers"][0].keys()
    assert {"kind", "layer", "finding", "command"} == found["causes"][0].keys()
    assert run(["diagnose", str(tmp_path / "nothing")]) == 2


def test_pixels_for_a_file_that_was_fed_arrays_need_their_scaling(
    artifact: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="how pixels are scaled") as caught:
        edgecnn.diagnose(artifact, data=str(tmp_path))
    assert "--input-range" in caught.value.hint


def two_ends_net() -> bytes:
    """A picture and three numbers in; scores and a map out."""
    net = RandomNet(5, (1, 8, 6, 3))
    numbers = net.tiny.tensor("float32", (1, 3), name="numbers")
    features = net.conv(net.image, 4, activation="RELU")
    together = net.concat([net.mean(features), net.dense(numbers, 4)], axis=1)
    net.finish(net.softmax(net.dense(together, 5)), net.conv(features, 2))
    net.tiny.border([net.image, numbers], list(net.tiny.graph.outputs))
    net.tiny.model.signatureDefs = []
    return net.tiny.to_bytes()


@pytest.fixture(scope="module")
def two_ends(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An int8 artifact of it, as if its source had been channels first; float32 is beside it."""
    folder = tmp_path_factory.mktemp("two")
    (folder / "net.tflite").write_bytes(two_ends_net())
    random = np.random.default_rng(0)
    picture = random.uniform(0, 1, (60, 8, 6, 3)).astype(np.float32)
    numbers = random.normal(size=(60, 3)).astype(np.float32)
    np.savez(folder / "last.npz", image=picture, numbers=numbers)
    np.savez(folder / "first.npz", image=picture.transpose(0, 3, 1, 2).copy(), numbers=numbers)
    edgecnn.export(
        str(folder / "net.tflite"), recipes=("float32", "int8"), out=folder,
        calibration_samples=40, calibration=str(folder / "last.npz"),
    )  # fmt: skip
    for recipe in ("float32", "int8"):
        _put_channels_first(folder / recipe)
    return folder


def _put_channels_first(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    picture, out = manifest["inputs"][0], manifest["outputs"][1]
    for end in (picture, out):
        assert end["layout"] == "NHWC"
        batch, *size, channels = end["shape"]
        end["layout"], end["shape"] = "NCHW", [batch, channels, *size]
    manifest["calibration"] = {
        "source": "first.npz", "samples": 40, "sha256": "", "method": "auto",
    }  # fmt: skip
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with np.load(folder / "reference.npz") as stored:
        arrays = dict(stored)
    for name in ("x0", "y1"):
        arrays[name] = np.ascontiguousarray(arrays[name].transpose(0, 3, 1, 2))
    np.savez(folder / "reference.npz", **arrays)


def test_several_ends_of_a_network_that_was_channels_first(two_ends: Path) -> None:
    found = edgecnn.diagnose(two_ends / "int8")
    recorded = json.loads((two_ends / "int8" / "manifest.json").read_text())["files"][0]
    seen = found.observed.outputs
    assert [each.measured_on for each in seen] == ["logits", "values"]
    assert [each.snr_db for each in seen] == [
        pytest.approx(each["snr_db"]) for each in recorded["parities"]
    ]
    assert found.observed.worst.snr_db == min(each.snr_db or 0 for each in seen)
    assert [each.name for each in found.observed.inputs] == ["image", "numbers"]
    assert [each.first_layer[:4] for each in found.observed.inputs] == ["conv", "full"]
    assert sum(each.share for each in found.layers) == pytest.approx(1)
    by_data = edgecnn.diagnose(two_ends / "int8", data=str(two_ends / "first.npz"))
    assert by_data.observed.worst.snr_db is not None
    assert by_data.observed.worst.snr_db > 20
    with pytest.raises(InputError, match="wrong shape"):
        edgecnn.diagnose(two_ends / "int8", data=str(two_ends / "last.npz"))


def test_a_command_with_arrays_starts_from_a_file_in_their_layout(two_ends: Path) -> None:
    found = edgecnn.diagnose(two_ends / "int8")
    words = shlex.split(found.next_command or found.causes[0].command)
    assert words[words.index("--calibration") + 1] == str(two_ends / "int8" / "reference.npz")
    assert words[2] == "net.tflite"  # the source by its name: no .onnx lies beside the float file
    beside = two_ends / "float32" / "model.onnx"
    beside.write_bytes(b"channels first")
    try:
        found = edgecnn.diagnose(two_ends / "int8")
    finally:
        beside.unlink()
    words = shlex.split(found.next_command or found.causes[0].command)
    assert words[2] == str(beside)
    assert words[words.index("--format") + 1] == "tflite"


def test_a_foreign_file_with_several_ends(two_ends: Path, tmp_path: Path) -> None:
    alone = tmp_path / "alone.tflite"
    alone.write_bytes((two_ends / "int8" / "model.tflite").read_bytes())
    found = edgecnn.diagnose(
        alone, float_file=two_ends / "net.tflite", data=str(two_ends / "last.npz")
    )
    assert len(found.observed.outputs) == len(found.observed.inputs) == 2
    program, *arguments = shlex.split(found.next_command or found.causes[0].command)
    assert program == "edgecnn"
    assert run([*arguments, "--quiet"]) == 0
    assert (tmp_path / "diagnosed" / "int8" / "model.tflite").is_file()


def test_the_reference_stands_in_for_arrays_that_are_not_at_hand(
    artifact: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for recipe in ("float32", "int8"):
        shutil.copytree(artifact.parent / recipe, tmp_path / recipe)
    program, *arguments = shlex.split(edgecnn.diagnose("int8").next_command)
    assert program == "edgecnn"
    assert arguments[arguments.index("--calibration") + 1] == "int8/reference.npz"
    assert run([*arguments, "--quiet"]) == 0
    assert (tmp_path / "diagnosed" / "int8" / "model.tflite").is_file()


def test_a_mixed_file_keeps_layers_in_float(floats: Path, tmp_path: Path) -> None:
    folder = exported(floats, "right", tmp_path, min_snr_db=29.5)
    found = edgecnn.diagnose(folder, float_file=floats / "net.tflite")
    assert found.causes == ()
    in_float = [each for each in found.layers if each.step is None]
    assert 0 < len(in_float) < len(found.layers)
    assert found.observed.skipped == 0
