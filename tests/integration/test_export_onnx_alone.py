"""An int8 .onnx asked for alone: the one that would lie beside a .tflite, or a word of why not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
from onnx_nets import Net

import edgecnn
from edgecnn.convert import float_cache
from edgecnn.errors import InputError
from edgecnn.exporting import ingredients
from edgecnn.isolation import CrashedError
from edgecnn.quantize import integer

if TYPE_CHECKING:
    from pathlib import Path

    from edgecnn.exporting import ExportResult

pytestmark = [pytest.mark.tensorflow, pytest.mark.usefixtures("float_stage_here_throughout")]

SHAPE = (1, 3, 10, 8)
WITHOUT = "do without a .tflite"


def network(last: str) -> onnx.ModelProto:
    """Enough for ranges, equalization and rounding to matter.

    Args:
        last: operator that the network ends in.
    """
    net = Net(SHAPE, seed=2)
    stem = net.node("Relu", net.conv("input", 3, 8, pads=[1] * 4))
    deep = net.node("Relu", net.conv(stem, 8, 8, group=8, pads=[1] * 4))
    pooled = net.node("GlobalAveragePool", net.conv(net.node("Add", deep, stem), 8, 16))
    scores = net.node("Gemm", net.node("Flatten", pooled), net.normal(16, 9), net.normal(9))
    if last == "Det":
        square = net.node("Reshape", scores, net.constant(np.array([1, 3, 3])))
        return net.model(net.node("Det", square), (1,))
    return net.model(scores, (1, 9))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("alone")
    for last in ("Gemm", "Det"):
        onnx.save(network(last), folder / f"{last}.onnx")
    inputs = np.random.default_rng(0).uniform(0, 1, (48, *SHAPE[1:])).astype(np.float32)
    inputs *= np.linspace(0.2, 1.5, 48, dtype=np.float32)[:, None, None, None]
    np.savez(folder / "inputs.npz", inputs)
    return folder


def export(folder: Path, last: str, formats: tuple[str, ...]) -> ExportResult:
    out = folder / "out" / last / "-".join(formats)
    return edgecnn.export(
        str(folder / f"{last}.onnx"), recipes=("int8",), formats=formats, out=out,
        calibration=str(folder / "inputs.npz"), calibration_samples=32,
    )  # fmt: skip


def onnx_bytes(result: ExportResult) -> bytes:
    (artifact,) = result.artifacts
    return (artifact.folder / "model.onnx").read_bytes()


@pytest.fixture(scope="module")
def beside(folder: Path, float_stage_here_throughout: None) -> ExportResult:  # noqa: ARG001 - before it
    return export(folder, "Gemm", ("tflite", "onnx"))


def test_it_has_the_bytes_of_the_one_beside_a_tflite(folder: Path, beside: ExportResult) -> None:
    alone = export(folder, "Gemm", ("onnx",))
    assert onnx_bytes(alone) == onnx_bytes(beside)
    (artifact,) = alone.artifacts
    names = {path.name for path in artifact.folder.iterdir()}
    assert names == {"model.onnx", "manifest.json", "reference.npz"}
    assert [note for note in artifact.manifest.notes if "follows a .tflite" in note]
    assert set(alone.float32_size_bytes) == {"onnx"}
    assert not any(WITHOUT in warning for warning in (*alone.warnings, *beside.warnings))


def test_an_operator_that_no_tflite_has_costs_it_the_decisions(folder: Path) -> None:
    alone, both = (export(folder, "Det", formats) for formats in (("onnx",), ("tflite", "onnx")))
    assert onnx_bytes(alone) == onnx_bytes(both)
    assert alone.refused == ()
    assert [refusal.format for refusal in both.refused] == ["tflite"]
    for result in (alone, both):
        (said,) = [warning for warning in result.warnings if WITHOUT in warning]
        assert "operators: Det" in said
        assert said in result.artifacts[0].manifest.notes


def fails(name: str, patch: pytest.MonkeyPatch) -> None:
    """Let what a .tflite alone needs fail as a crash, a refusal or a mistake of ours would."""
    obtain = float_cache.obtain

    def crashes(*args: Any, **options: Any) -> Any:  # noqa: ANN401 - as `obtain`
        if "tflite" in args[2]:
            raise CrashedError("converting: the process that did it crashed (SIGSEGV).")
        return obtain(*args, **options)

    def refuses(*_args: Any, **_options: Any) -> None:  # noqa: ANN401 - as `collect_statistics`
        raise InputError("Its activations are not finite.")

    def errs(*_args: Any, **_options: Any) -> None:  # noqa: ANN401 - as `quantize`
        raise KeyError("a mistake")

    if name == "crash":
        patch.setattr(float_cache, "obtain", crashes)
    elif name == "refusal":
        patch.setattr(ingredients, "collect_statistics", refuses)
    else:
        patch.setattr(integer, "quantize", errs)


@pytest.mark.parametrize(
    ("what", "said"),
    [("crash", "SIGSEGV"), ("refusal", "not finite"), ("mistake", "KeyError: 'a mistake'")],
)
def test_what_goes_wrong_on_the_tflites_side_is_told_and_costs_no_file(
    folder: Path, beside: ExportResult, monkeypatch: pytest.MonkeyPatch, what: str, said: str
) -> None:
    assert beside.refused == ()  # its float files are in the cache now
    fails(what, monkeypatch)
    result = export(folder, "Gemm", ("onnx",))
    assert result.refused == ()
    (told,) = [warning for warning in result.warnings if WITHOUT in warning]
    assert said in told
    assert told in result.artifacts[0].manifest.notes
    if what == "mistake":  # where the .tflite was asked for, nothing is hidden
        with pytest.raises(edgecnn.EdgeCnnError, match="KeyError"):
            export(folder, "Gemm", ("tflite", "onnx"))
