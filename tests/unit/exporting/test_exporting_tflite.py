"""export of a user's own float .tflite: the whole way, without TensorFlow."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import command_line
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from tiny_tflite import TinyModel, conv_options, float_net, int8_net

import edgecnn
from edgecnn.errors import CheckFailedError, EdgeCnnError, InputError
from edgecnn.recipes import RECIPES
from edgecnn.records import Preprocessing

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("warm_children")

SAMPLES = 8


@pytest.fixture(scope="module")
def arrays(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Calibration arrays for the tiny network, as a user would save them."""
    path = tmp_path_factory.mktemp("arrays") / "inputs.npz"
    values = np.random.default_rng(0).normal(size=(40, 8, 8, 3)).astype(np.float32)
    np.savez(path, values)
    return str(path)


@pytest.fixture
def own(tmp_path: Path) -> Path:
    return put(tmp_path / "net.tflite", float_net())


def put(path: Path, net: TinyModel | bytes) -> Path:
    path.write_bytes(net if isinstance(net, bytes) else net.to_bytes())
    return path


def export(model: Path, arrays: str, **options: Any) -> edgecnn.ExportResult:  # noqa: ANN401 - ExportOptions' fields
    chosen = {"out": model.parent / "out", "calibration_samples": SAMPLES, **options}
    return edgecnn.export(str(model), calibration=arrays, **chosen)


def refusal(model: Path, arrays: str, **options: Any) -> EdgeCnnError:  # noqa: ANN401 - likewise
    with pytest.raises(EdgeCnnError) as caught:
        export(model, arrays, **options)
    out = model.parent / "out"
    assert not out.exists() or list(out.iterdir()) == []
    return caught.value


def test_every_recipe_is_written_verified_and_told_truly(own: Path, arrays: str) -> None:
    result = export(own, arrays, recipes=tuple(RECIPES))
    assert [artifact.manifest.recipe for artifact in result.artifacts] == list(RECIPES)
    sizes = {}
    for artifact in result.artifacts:
        manifest, recipe = artifact.manifest, RECIPES[artifact.manifest.recipe]
        names = {path.name for path in artifact.folder.iterdir()}
        assert names == {"model.tflite", "manifest.json", "reference.npz"}
        assert edgecnn.verify(artifact.folder).ok
        (file,) = manifest.files
        assert (file.inputs[0].dtype, file.outputs[0].dtype) == (recipe.io, recipe.io)
        assert file.parity.snr_db is None or file.parity.snr_db > 25
        assert manifest.model.name == "net"
        assert manifest.model.weights == "net.tflite"
        assert manifest.model.parameters == 4 * 27 + 4 + 5 * 256 + 5
        assert (manifest.calibration is not None) == recipe.calibrated
        sizes[manifest.recipe] = file.bytes
    assert sizes["float32"] > sizes["float16"] > sizes["int8"]
    assert result.float32_size_bytes == {"tflite": sizes["float32"]}


def test_calibration_is_told_in_the_manifest(own: Path, arrays: str) -> None:
    (artifact,) = export(own, arrays, calibration_method="percentile").artifacts
    calibration = artifact.manifest.calibration
    assert calibration is not None
    assert (calibration.source, calibration.samples) == ("inputs.npz", SAMPLES)
    assert calibration.method == "percentile"
    assert len(calibration.sha256) == 64


@pytest.mark.parametrize("io", ["float32", "int8", "uint8"])
def test_the_ends_are_of_the_dtype_asked_for(own: Path, arrays: str, io: str) -> None:
    (artifact,) = export(own, arrays, io=io).artifacts
    (file,) = artifact.manifest.files
    assert (file.inputs[0].dtype, file.outputs[0].dtype) == (io, io)
    assert (file.inputs[0].scale is None) == (io == "float32")
    assert set(file.graph.macs_by_dtype) == {"int8"}
    assert edgecnn.verify(artifact.folder).ok


def test_a_second_export_takes_the_place_of_the_first(own: Path, arrays: str) -> None:
    (before,) = export(own, arrays).artifacts
    (after,) = export(own, arrays, io="uint8").artifacts
    assert after.folder == before.folder
    assert after.manifest.files[0].inputs[0].dtype == "uint8"
    assert edgecnn.verify(after.folder).ok
    assert {path.name for path in after.folder.parent.iterdir()} == {"int8"}


@pytest.mark.parametrize("beside", ["an export", "nothing"])
def test_what_the_user_keeps_at_the_target_stays(own: Path, arrays: str, beside: str) -> None:
    folder = own.parent / "out" / "int8"
    if beside == "an export":
        export(own, arrays)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "thesis.txt").write_text("three years")
    with pytest.raises(InputError, match=r"int8 is not replaced: it holds thesis\.txt"):
        export(own, arrays)
    assert (folder / "thesis.txt").read_text() == "three years"


@pytest.mark.parametrize("name", ["...tflite", "..tflite", ".hidden.tflite"])
def test_a_name_that_is_no_folders_is_refused(
    own: Path, arrays: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(own.parent)
    own.rename(own.parent / name)
    with pytest.raises(InputError, match="is no name for a model"):
        edgecnn.export(name, recipes=["float32"], calibration=arrays)
    assert not (own.parent / "artifacts").exists()
    assert not (own.parent / "float32").exists()


_EXPORT = (
    "import sys, edgecnn; edgecnn.export(sys.argv[1], calibration=sys.argv[2], out=sys.argv[3],"
    " calibration_samples=8, recipes=list(edgecnn.RECIPES))"
)


def test_the_same_command_gives_the_same_bytes_in_every_process(
    own: Path, arrays: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one that starts cold, with a hash seed of its own, and in this one."""
    runs = []
    for place in ("there", "here"):
        out = own.parent / place
        monkeypatch.setenv("EDGECNN_CACHE", str(own.parent / f"cache-{place}"))
        if place == "here":
            export(own, arrays, recipes=list(RECIPES), out=out)
        else:
            subprocess.run(
                [sys.executable, "-c", _EXPORT, str(own), arrays, str(out)],
                env={**os.environ, "PYTHONHASHSEED": "1"},
                check=True,
            )
        files = sorted(path for path in out.rglob("*") if path.is_file())
        runs.append({str(path.relative_to(out)): path.read_bytes() for path in files})
    assert len(runs[0]) == 3 * len(RECIPES)
    assert runs[0] == runs[1]


def test_another_seed_is_another_choice_of_images(own: Path, arrays: str) -> None:
    found = [export(own, arrays, seed=seed).artifacts[0].manifest for seed in (0, 1)]
    digests = {each.calibration.sha256 for each in found if each.calibration}
    assert len(digests) == 2
    assert [each.seed for each in found] == [0, 1]


def test_images_need_to_know_how_the_network_is_fed(own: Path, tmp_path: Path) -> None:
    photographs = tmp_path / "photographs"
    photographs.mkdir()
    random = np.random.default_rng(0)
    for number in range(12):
        pixels = random.integers(0, 256, (20, 20, 3), np.uint8)
        Image.fromarray(pixels).save(photographs / f"{number}.png")
    error = refusal(own, str(photographs))
    assert "How the network's input is scaled is not known" in error.message
    assert "--input-range" in error.hint
    fed = Preprocessing(mean=(10.0, 20.0, 30.0), std=(50.0, 60.0, 70.0), channel_order="BGR")
    (artifact,) = export(own, str(photographs), preprocessing=fed).artifacts
    assert artifact.manifest.preprocessing == fed
    assert edgecnn.verify(artifact.folder).ok
    with np.load(artifact.folder / "reference.npz") as reference:
        assert reference["x0"].dtype == np.uint8


def test_the_default_photographs_too(own: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="input is scaled is not known"):
        edgecnn.export(str(own), out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def two_inputs() -> TinyModel:
    net = float_net()
    second = net.tensor("float32", (1, 8, 8, 3), name="second")
    net.border([*net.graph.inputs, second], net.graph.outputs)
    return net


def open_height() -> TinyModel:
    net = float_net()
    net.graph.tensors[0].shapeSignature = [1, -1, 8, 3]
    return net


def vectors() -> TinyModel:
    net = TinyModel()
    data, matrix = net.tensor("float32", (1, 9)), net.tensor("float32", (5, 9), constant=True)
    bias, result = net.tensor("float32", (5,), constant=True), net.tensor("float32", (1, 5))
    options = schema.FullyConnectedOptionsT()
    net.operator("FULLY_CONNECTED", [data, matrix, bias], [result], options)
    net.border([data], [result])
    return net


def old_int8_net() -> TinyModel:
    """As tflite-micro ships one: LiteRT does not load it, for the axis of its biases' scales."""
    net = int8_net()
    for tensor in net.graph.tensors:
        if tensor.type == schema.TensorType.INT32:
            tensor.quantization.quantizedDimension = 3
    return net


@pytest.mark.parametrize(
    ("net", "said"),
    [
        (two_inputs, "no array for the input 'image' and 'second'"),
        (int8_net, "is quantized already"),
        (old_int8_net, "is quantized already"),
        (open_height, "(1, -1, 8, 3)"),
        (vectors, "(N, 9)"),
    ],
)
def test_a_network_that_cannot_be_quantized_is_refused(
    tmp_path: Path, arrays: str, net: Any, said: str  # noqa: ANN401 - a maker
) -> None:  # fmt: skip
    error = refusal(put(tmp_path / "net.tflite", net()), arrays)
    assert isinstance(error, InputError)
    assert said in error.message


@pytest.mark.parametrize("recipe", ["int8", "int16x8"])
def test_a_file_that_is_not_its_recipes_is_not_left_behind(
    tmp_path: Path, arrays: str, recipe: str
) -> None:
    """An operator that no integer kernel has stays float, and --strict takes no such file."""
    net = TinyModel()
    image = net.tensor("float32", (1, 8, 8, 3), name="image")
    kernel = net.tensor("float32", (4, 3, 3, 3), constant=True)
    bias = net.tensor("float32", (4,), constant=True)
    wave, features = net.tensor("float32", (1, 8, 8, 3)), net.tensor("float32", (1, 8, 8, 4))
    net.operator("SIN", [image], [wave])
    net.operator("CONV_2D", [wave, kernel, bias], [features], conv_options())
    net.border([image], [features])
    path = put(tmp_path / "net.tflite", net)
    error = refusal(path, arrays, recipes=(recipe,), strict=True)
    assert isinstance(error, CheckFailedError)
    assert "1 SIN" in error.message
    assert error.exit_code == 1


def test_an_earlier_artifact_outlives_an_export_that_fails(own: Path, arrays: str) -> None:
    (artifact,) = export(own, arrays).artifacts
    before = {path.name: path.read_bytes() for path in artifact.folder.iterdir()}
    own.write_bytes(own.read_bytes()[:500])
    with pytest.raises(InputError):
        export(own, arrays)
    assert {path.name: path.read_bytes() for path in artifact.folder.iterdir()} == before


def test_a_network_whose_answers_overflow_is_refused(tmp_path: Path, arrays: str) -> None:
    net = float_net()
    matrix = net.model.buffers[net.graph.tensors[7].buffer]
    matrix.data = (matrix.data.view(np.float32) * np.float32(1e38)).view(np.uint8)
    error = refusal(put(tmp_path / "net.tflite", net), arrays, recipes=("float32",))
    assert "float model's own output 'logits' is not finite" in error.message


WHOLE = float_net().to_bytes()


@pytest.mark.parametrize("content", [b"", b"no model", WHOLE[:8], WHOLE[:300], WHOLE[:-900]])
@pytest.mark.parametrize("verb", ["export", "inspect"])
def test_a_damaged_file_is_exit_code_2(
    tmp_path: Path, arrays: str, verb: str, content: bytes
) -> None:
    path = put(tmp_path / "net.tflite", content)
    options = ["--calibration", arrays, "--out", str(tmp_path / "out")] if verb == "export" else []
    done = command_line.forked(verb, path, *options, "--json")
    assert done.returncode == 2
    error = json.loads(done.stdout)["error"]
    assert error["message"]
    assert error["hint"]
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


@given(st.data())
@settings(max_examples=examples(8))
def test_a_hostile_file_is_quantized_or_refused(
    tmp_path_factory: pytest.TempPathFactory, arrays: str, data: st.DataObject
) -> None:
    content = bytearray(WHOLE)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at] = data.draw(st.integers(0, 255))
    folder = tmp_path_factory.mktemp("hostile")
    path = put(folder / "net.tflite", bytes(content))
    try:
        (artifact,) = export(path, arrays, threads=1).artifacts
    except EdgeCnnError as error:
        assert error.message  # noqa: PT017 - many, but not all, must be refused
        out = folder / "out"
        assert not out.exists() or list(out.iterdir()) == []
    else:
        assert edgecnn.verify(artifact.folder).ok
