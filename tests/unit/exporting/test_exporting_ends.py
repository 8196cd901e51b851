"""A whole export of files with several ends, without TensorFlow: order, names, refusals."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from judging import Source, files, hold
from random_nets import RandomNet
from small_sources import CALIBRATED, onnx_source, samples, tflite_source
from tiny_tflite import TinyModel, conv_options
from without_packages import lacking

import edgecnn
from edgecnn.cli.app import run
from edgecnn.errors import CheckFailedError, EdgeCnnError, InputError
from edgecnn.formats.tflite_graph import Graph
from edgecnn.recipes import RECIPES

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("warm_children")

TFLITE, ONNX = ("tflite",), ("onnx",)
SIZES = {"image": (1, 3, 12, 16)}
LEAST_DB = {"float16": 45.0, "dynamic": 18.0, "int8": 18.0, "int16x8": 18.0}


@pytest.fixture(scope="module")
def tflite(tmp_path_factory: pytest.TempPathFactory) -> Source:
    return tflite_source(tmp_path_factory.mktemp("tflite"))


@pytest.fixture(scope="module")
def onnx(tmp_path_factory: pytest.TempPathFactory) -> Source:
    return onnx_source(tmp_path_factory.mktemp("onnx"))


def test_a_tflite_keeps_its_ends_under_every_recipe(tflite: Source, tmp_path: Path) -> None:
    result = tflite.export(tmp_path, recipes=tuple(RECIPES), formats=TFLITE)
    assert [a.manifest.recipe for a in result.artifacts] == list(RECIPES)
    hold(tflite, result, **LEAST_DB)
    for artifact in result.artifacts:
        manifest = artifact.manifest
        assert [end.shape for end in manifest.inputs] == [(1, 4), (1, 8, 8, 3)]
        assert [info.kind for info in manifest.outputs] == ["values", "values", "probabilities"]
        (file,) = manifest.files
        assert [info.output for info in file.parities] == ["zeal", "features", "ages"]
        assert file.parity in file.parities
        assert edgecnn.verify(artifact.folder).ok
        with np.load(artifact.folder / "reference.npz") as reference:
            assert {"x0", "x1", "y0", "y1", "y2", "z2"} == set(reference.files)
            assert reference["x1"].shape[1:] == (8, 8, 3)


def test_an_onnx_keeps_its_ends_under_every_recipe(onnx: Source, tmp_path: Path) -> None:
    recipes = tuple(name for name, recipe in RECIPES.items() if "onnx" in recipe.formats)
    with lacking("tensorflow"):
        result = onnx.export(tmp_path, recipes=recipes, formats=ONNX, input_shapes=SIZES)
    hold(onnx, result, **LEAST_DB)
    (said,) = [warning for warning in result.warnings if "do without a .tflite" in warning]
    assert said.endswith("TensorFlow is not installed here. pip install 'edgecnn[export]'")
    noted = {a.manifest.recipe for a in result.artifacts if said in a.manifest.notes}
    assert noted == {"int8"}
    for artifact in result.artifacts:
        manifest = artifact.manifest
        assert [end.layout for end in manifest.outputs][1] == "NCHW"
        assert [info.kind for info in manifest.outputs] == ["values", "values", "probabilities"]
        (file,) = manifest.files
        assert file.inputs[1].shape == SIZES["image"]
        assert edgecnn.verify(artifact.folder).ok


def test_sizes_may_be_said_as_input_size_too(onnx: Source, tmp_path: Path) -> None:
    options: dict[str, Any] = {"recipes": ("float32",), "formats": ONNX}
    shapes = onnx.export(tmp_path / "1", input_shapes=SIZES, **options)
    size = onnx.export(tmp_path / "2", input_size=(12, 16), **options)
    assert files(shapes, "float32")["onnx"].sha256 == files(size, "float32")["onnx"].sha256


def test_an_open_size_that_nobody_said_is_asked_for_by_name(onnx: Source, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="image") as caught:
        onnx.export(tmp_path / "out", formats=ONNX)
    assert "--input-shape" in caught.value.hint
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("shapes", [{"picture": (1, 3, 12, 16)}, {"image": (1, 4, 12, 16)},
                                    {"image": (1, 3, 12)}, {"": (1, 3, 12, 16)}])  # fmt: skip
def test_a_shape_that_cannot_be_is_refused(
    onnx: Source, tmp_path: Path, shapes: dict[str, tuple[int, ...]]
) -> None:
    with pytest.raises(InputError):
        onnx.export(tmp_path / "out", formats=ONNX, input_shapes=shapes)
    assert not (tmp_path / "out").exists()


def test_the_users_word_for_an_output_stands_in_the_manifest(
    tflite: Source, tmp_path: Path
) -> None:
    chosen = {"zeal": "logits", "ages": "values"}
    result = tflite.export(tmp_path, recipes=("float32",), formats=TFLITE, outputs=chosen)
    kinds = [info.kind for info in result.artifacts[0].manifest.outputs]
    assert kinds == ["logits", "values", "values"]


def arrays(**changed: Any) -> dict[str, Any]:  # noqa: ANN401 - arrays
    kept = {"image": samples((8, 8, 3), CALIBRATED, 3), "numbers": samples((4,), CALIBRATED, 4)}
    return {name: values for name, values in {**kept, **changed}.items() if values is not None}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"numbers": None}, "no array for the input 'numbers'"),
        ({"numbers": samples((5,), CALIBRATED, 4)}, "numbers"),
        ({"numbers": samples((4,), 7, 4)}, "different numbers of samples"),
        ({"image": samples((3, 8, 8), CALIBRATED, 4)}, "image"),
        ({"image": np.full((CALIBRATED, 8, 8, 3), np.nan, np.float32)}, "image"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(
    tflite: Source, tmp_path: Path, changed: dict[str, Any], said: str
) -> None:
    np.savez(tmp_path / "wrong.npz", **arrays(**changed))
    with pytest.raises(InputError, match=said) as caught:
        tflite.export(tmp_path / "out", calibration=str(tmp_path / "wrong.npz"))
    assert "wrong.npz" in caught.value.message
    assert not (tmp_path / "out").exists()


def test_pictures_cannot_feed_two_inputs(tflite: Source, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="2 inputs") as caught:
        edgecnn.export(str(tflite.path), out=tmp_path / "out")
    assert ".npz" in caught.value.hint
    floats = edgecnn.export(str(tflite.path), out=tmp_path / "out", recipes=("float32",))
    assert "random numbers" in " ".join(floats.warnings)


@pytest.fixture(scope="module")
def sine(tmp_path_factory: pytest.TempPathFactory) -> Source:
    """A network with an operator that no integer kernel has."""
    net = TinyModel()
    image = net.tensor("float32", (1, 8, 8, 3), name="image")
    kernel = np.random.default_rng(0).normal(0, 0.3, (4, 3, 3, 3)).astype(np.float32)
    weights = net.tensor("float32", kernel.shape, values=kernel)
    bias = net.tensor("float32", (4,), constant=True)
    features, again, wave = (net.tensor("float32", (1, 8, 8, 4)) for _ in range(3))
    result = net.tensor("float32", (1, 8, 8, 4), name="result")
    second = np.random.default_rng(1).normal(0, 0.3, (4, 3, 3, 4)).astype(np.float32)
    other = net.tensor("float32", second.shape, values=second)
    net.operator("CONV_2D", [image, weights, bias], [features], conv_options())
    net.operator("RELU", [features], [again])
    net.operator("SIN", [again], [wave])
    net.operator("CONV_2D", [wave, other, bias], [result], conv_options())
    net.border([image], [result])
    folder = tmp_path_factory.mktemp("sine")
    (folder / "net.tflite").write_bytes(net.to_bytes())
    np.savez(folder / "calibration.npz", image=samples((8, 8, 3), CALIBRATED, 3))
    return Source(folder / "net.tflite", {}, {}, folder / "calibration.npz")


def test_an_operator_without_integer_kernel_stays_float_and_is_named(
    sine: Source, tmp_path: Path
) -> None:
    result = sine.export(tmp_path, recipes=("int8",), formats=TFLITE)
    (file,) = files(result, "int8").values()
    assert file.integer == "mixed"
    assert file.float_ops == {"SIN": 1}
    assert set(file.graph.macs_by_dtype) == {"int8"}
    assert file.parity.snr_db is not None
    assert file.parity.snr_db > 18
    assert edgecnn.verify(result.artifacts[0].folder).ok


def test_strict_refuses_a_mixed_file_and_does_not_sink_the_others(
    sine: Source, tmp_path: Path
) -> None:
    result = sine.export(tmp_path, recipes=("float32", "int8"), formats=TFLITE, strict=True)
    assert [artifact.manifest.recipe for artifact in result.artifacts] == ["float32"]
    assert {path.name for path in tmp_path.iterdir()} == {"float32"}
    (refusal,) = result.refused
    assert (refusal.recipe, refusal.format) == ("int8", "tflite")
    assert isinstance(refusal.error, CheckFailedError)
    assert "1 SIN" in refusal.error.message
    assert "--strict" in refusal.error.message


def test_strict_alone_is_the_error_itself(sine: Source, tmp_path: Path) -> None:
    with pytest.raises(EdgeCnnError, match="1 SIN"):
        sine.export(tmp_path / "out", recipes=("int8",), formats=TFLITE, strict=True)
    assert not list((tmp_path / "out").glob("*"))


def test_the_command_says_what_was_made_and_what_was_refused(
    sine: Source, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["export", str(sine.path), "--calibration", str(sine.calibration), "--strict",
             "--float32", "--int8", "--calibration-samples", "80"]  # fmt: skip
    assert run([*asked, "--out", str(tmp_path / "text")]) == 1
    said = capsys.readouterr()
    assert f"Wrote {tmp_path / 'text' / 'float32'}" in said.out
    assert "int8 .tflite" in said.err
    assert "1 SIN" in " ".join(said.err.split())
    assert run([*asked, "--out", str(tmp_path / "json"), "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert [each["manifest"]["recipe"] for each in told["artifacts"]] == ["float32"]
    assert told["refused"][0]["recipe"] == "int8"


def test_the_command_takes_shapes_and_kinds(
    onnx: Source, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["export", str(onnx.path), "--calibration", str(onnx.calibration), "--json",
             "--float32", "--format", "onnx", "--out", str(tmp_path)]  # fmt: skip
    assert run([*asked, "--input-shape", "image=1x3x12x16", "--output", "zeal=logits"]) == 0
    manifest = json.loads(capsys.readouterr().out)["artifacts"][0]["manifest"]
    assert manifest["inputs"][1]["shape"] == [1, 3, 12, 16]
    assert [info["kind"] for info in manifest["outputs"]] == ["logits", "values", "probabilities"]
    assert run([*asked, "--input-shape", "image=1x3xax16"]) == 2
    assert run([*asked, "--input-shape", "image=1x3x12x16", "--output", "zeel=logits"]) == 2
    capsys.readouterr()


def scalar_output() -> TinyModel:
    net = TinyModel()
    image = net.tensor("float32", (1, 8, 8, 3), name="image")
    axes = net.tensor("int32", (4,), values=np.arange(4, dtype=np.int32))
    result = net.tensor("float32", (), name="mean")
    net.operator("MEAN", [image, axes], [result], schema.ReducerOptionsT())
    net.border([image], [result])
    return net


def test_a_scalar_output_is_one_number_a_run(tmp_path: Path) -> None:
    path = tmp_path / "net.tflite"
    path.write_bytes(scalar_output().to_bytes())
    np.savez(tmp_path / "calibration.npz", image=samples((8, 8, 3), CALIBRATED, 3))
    result = edgecnn.export(
        str(path), recipes=("float32",), calibration=str(tmp_path / "calibration.npz"),
        calibration_samples=80, out=tmp_path / "out",
    )  # fmt: skip
    (artifact,) = result.artifacts
    assert artifact.manifest.outputs[0].shape == ()
    assert edgecnn.verify(artifact.folder).ok


def test_probabilities_that_steps_of_a_softmax_would_hide_leave_as_float32(tmp_path: Path) -> None:
    net = RandomNet(3, (1, 12, 12, 3))
    x = net.pool(net.conv(net.image, 8, activation="RELU"), "MAX_POOL_2D")
    logits = net.mul(net.dense(net.flatten(x), 5), np.array([0.01], np.float32))
    (tmp_path / "net.tflite").write_bytes(net.finish(net.softmax(logits)))
    inputs = np.random.default_rng(0).uniform(0, 1, (60, 12, 12, 3)).astype(np.float32)
    np.savez(tmp_path / "inputs.npz", inputs)
    parts = []
    for strict in (False, True):
        (artifact,) = edgecnn.export(
            str(tmp_path / "net.tflite"), out=tmp_path / str(strict), strict=strict,
            calibration=str(tmp_path / "inputs.npz"), calibration_samples=40,
        ).artifacts  # fmt: skip
        (end,) = Graph.read((artifact.folder / "model.tflite").read_bytes()).outputs
        parts.append((end.dtype, artifact.manifest.files[0].integer))
        said = [note for note in artifact.manifest.notes if "steps of 1/256" in note]
        assert bool(said) is not strict
    assert parts == [("FLOAT32", "mixed"), ("INT8", "full")]
