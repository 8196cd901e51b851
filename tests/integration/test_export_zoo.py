"""Every network of the zoo under every recipe in both formats: written, true, verified, run."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import edgecnn
from edgecnn.latency.cost import INPUT
from edgecnn.latency.files import costs_of_file
from edgecnn.latency.zoo_nets import costs_of_zoo
from edgecnn.recipes import RECIPES
from edgecnn.runtime.session import open_session
from edgecnn.zoo import MODELS

if TYPE_CHECKING:
    from collections.abc import Generator

    from edgecnn.latency.cost import NetCost, OperatorCost
    from edgecnn.records import FileInfo

pytestmark = [pytest.mark.tensorflow, pytest.mark.usefixtures("float_stage_here_throughout")]

# Sizes that are quick, of the same operators. xception's full one is in test_export_full_size.py,
# and every network's numbers at its full size are held to Keras in test_zoo_table.py.
SMALLER: dict[str, dict[str, Any]] = {
    "xception": {"input_size": 96, "width": 0.25},
    "resnet": {"input_size": 8},
    "densenet": {"input_size": 8},
}
# dB that a recipe keeps on random weights and 8 calibration images. Random weights are far harder
# to quantize than trained ones; logits that have nothing to do with the reference have -3 dB.
LEAST_DB = {"float32": 80, "float16": 30, "dynamic": 8, "int8": 4, "int16x8": 6}
LEAST_DB_OF = {
    ("xception-mini", "int8", "onnx"): 0.0,
    ("densenet", "int16x8", "tflite"): 2.0,  # of 8 images of 8 x 8: others reach beyond them
}


@dataclass(frozen=True)
class Exported:
    """One network's export."""

    name: str
    result: edgecnn.ExportResult

    def file(self, recipe: str, file_format: str) -> FileInfo:
        """What the manifest says of one file."""
        (manifest,) = (a.manifest for a in self.result.artifacts if a.manifest.recipe == recipe)
        (found,) = (file for file in manifest.files if file.format == file_format)
        return found


@pytest.fixture(scope="module", params=list(MODELS))
def exported(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Generator[Exported, None, None]:
    name: str = request.param
    out = tmp_path_factory.mktemp(name)
    result = edgecnn.export(
        name, recipes=list(RECIPES), calibration_samples=8, out=out, **SMALLER.get(name, {})
    )
    yield Exported(name, result)
    shutil.rmtree(out)


def test_every_recipe_has_its_folder_and_nothing_else_is_left(exported: Exported) -> None:
    folders = [artifact.folder for artifact in exported.result.artifacts]
    assert [folder.name for folder in folders] == list(RECIPES)
    assert {path.name for path in folders[0].parent.iterdir()} == set(RECIPES)
    for folder in folders:
        models = {f"model.{each}" for each in RECIPES[folder.name].formats}
        assert {path.name for path in folder.iterdir()} == models | {
            "manifest.json",
            "reference.npz",
        }


def test_every_folder_verifies(exported: Exported) -> None:
    for artifact in exported.result.artifacts:
        result = edgecnn.verify(artifact.folder, threads=2)
        assert result.ok, result
        for file, recorded in zip(result.files, artifact.manifest.files, strict=True):
            if artifact.manifest.recipe == "float32":  # recorded: against Keras, on other samples
                assert file.parity is not None
                assert file.parity.snr_db is None or file.parity.snr_db > 60
            else:
                # On the machine that made it; what a softmax makes of logits is recorded alone.
                alone = replace(recorded.parity, values_db=None, values_spread_db=None)
                assert file.parity == alone


def test_every_file_runs_on_what_its_manifest_says(exported: Exported) -> None:
    for artifact in exported.result.artifacts:
        for file in artifact.manifest.files:
            session = open_session(artifact.folder / file.path, threads=2)
            assert session.inputs == tuple(replace(end, layout="") for end in file.inputs)
            assert session.outputs == tuple(replace(end, layout="") for end in file.outputs)
            assert [end.name for end in file.inputs] == [e.name for e in artifact.manifest.inputs]
            assert [end.name for end in file.outputs] == [e.name for e in artifact.manifest.outputs]
            (image,), (scores,) = file.inputs, file.outputs
            zeros = np.zeros(image.shape, image.dtype)
            assert session.run([zeros])[0].shape == scores.shape


def test_the_manifest_tells_the_networks_truth(exported: Exported) -> None:
    spec = MODELS[exported.name]
    for artifact in exported.result.artifacts:
        model = artifact.manifest.model
        assert (model.name, model.weights) == (spec.name, "random")
        assert model.classes == spec.classes
        assert any("random" in note for note in artifact.manifest.notes)
        if exported.name not in SMALLER:
            side = spec.input_size
            assert model.input_shape == (1, side, side, 3)
            assert model.parameters == spec.parameters
            assert model.trainable_parameters == spec.trainable_parameters
            assert model.macs == pytest.approx(spec.macs, rel=0.01)


def test_every_file_is_what_its_recipe_says(exported: Exported) -> None:
    computed = {
        "float32": {"float32"}, "float16": {"float32", "float16"},
        "dynamic": {"dynamic", "float32"}, "int8": {"int8"}, "int16x8": {"int16"},
    }  # fmt: skip
    for artifact in exported.result.artifacts:
        recipe = RECIPES[artifact.manifest.recipe]
        for file in artifact.manifest.files:
            io = recipe.io if file.format == "tflite" else "float32"
            assert file.inputs[0].dtype == file.outputs[0].dtype == io
            graph = file.graph
            assert graph.flex_ops == graph.variable_ops == graph.custom_ops == ()
            allowed = computed[recipe.name] | ({"uint8"} if file.format == "onnx" else set())
            assert set(graph.macs_by_dtype) <= allowed, (recipe.name, file.format)
            assert (artifact.manifest.calibration is not None) == recipe.calibrated


def test_logits_stay_close_to_the_float_network(exported: Exported) -> None:
    for artifact in exported.result.artifacts:
        for file in artifact.manifest.files:
            found, recipe = file.parity.snr_db, artifact.manifest.recipe
            least = LEAST_DB_OF.get((exported.name, recipe, file.format), LEAST_DB[recipe])
            assert found is None or found >= least, (recipe, file.format, found)


def test_quantizing_makes_files_smaller(exported: Exported) -> None:
    for file_format in ("tflite", "onnx"):
        whole = exported.file("float32", file_format).bytes
        assert whole == exported.result.float32_size_bytes[file_format]
        assert exported.file("float16", file_format).bytes < 0.55 * whole
        assert exported.file("int8", file_format).bytes < 0.32 * whole
        assert exported.file("dynamic", file_format).bytes < 0.4 * whole


@pytest.mark.parametrize("recipe", ["float32", "float16", "dynamic", "int8"])
def test_xnnpack_takes_the_graph_in_one_piece(exported: Exported, recipe: str) -> None:
    graph = exported.file(recipe, "tflite").graph
    assert graph.delegate_partitions == 1
    assert set(graph.undelegated_ops) <= ({"SOFTMAX"} if recipe == "int8" else set())


def test_the_int8_file_needs_no_relu_of_its_own(exported: Exported) -> None:
    """XNNPACK takes no int8 RELU: each has become a requantize that saturates."""
    assert "RELU" not in exported.file("int8", "tflite").graph.ops


@pytest.mark.parametrize("recipe", ["float32", "float16", "dynamic", "int8"])
def test_the_costs_written_down_are_the_files_operator_by_operator(
    exported: Exported, recipe: str
) -> None:
    (artifact,) = (each for each in exported.result.artifacts if each.folder.name == recipe)
    found = costs_of_file(artifact.folder / "model.tflite")
    written = costs_of_zoo(exported.name, recipe=recipe, **SMALLER.get(exported.name, {}))
    assert _comparable(found) == _comparable(written)
    # Which concatenations need another scale, the calibration decides.
    most = costs_of_zoo(
        exported.name, recipe=recipe, parted=True, **SMALLER.get(exported.name, {})
    ).counts()
    assert found.counts().get("quantize", 0) <= most.get("quantize", 0)
    assert found.counts().get("quantize", 0) >= written.counts().get("quantize", 0)
    if recipe in {"float32", "int8"}:  # what a microcontroller's arena is asked about
        assert _flow(found) == _flow(written)


def _flow(cost: NetCost) -> list[tuple[str, list[int]]]:
    """What each operator reads, as if nothing were requantized."""
    results, flow = {INPUT: INPUT}, list[tuple[str, list[int]]]()
    for place, (operator, sources) in enumerate(zip(cost.operators, cost.sources, strict=True)):
        if operator.kind == "quantize":
            results[place] = results[sources[0]]
        else:
            results[place] = len(flow)
            flow.append((operator.name, sorted(results[source] for source in sources)))
    return flow


def _comparable(cost: NetCost) -> list[OperatorCost]:
    return [_without_zero_biases(each) for each in cost.operators if each.kind != "quantize"]


def _without_zero_biases(cost: OperatorCost) -> OperatorCost:
    """The float converter drops the biases of random dense layers, which are zero."""
    return replace(cost, weight_elements=0) if cost.kind == "dense" else cost


@pytest.mark.parametrize("recipe", ["float32", "int8"])
def test_the_onnx_file_costs_what_the_tflite_does(exported: Exported, recipe: str) -> None:
    (artifact,) = (each for each in exported.result.artifacts if each.folder.name == recipe)
    tflite, onnx = (costs_of_file(artifact.folder / f"model.{each}") for each in ("tflite", "onnx"))
    # Where normalizations are not folded, ONNX has them as products with one tap.
    assert onnx.macs == pytest.approx(tflite.macs, rel=0.001)
    for kind in ("convolution", "pointwise", "dense", "mean"):
        assert onnx.counts().get(kind) == tflite.counts().get(kind)
    assert onnx.unknown == tflite.unknown == {}
