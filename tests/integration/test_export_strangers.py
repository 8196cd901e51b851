"""Networks of kinds that real files have and edgecnn once refused, exported in both formats."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from onnx_foreign import Foreign

import edgecnn

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from edgecnn.exporting import ExportResult

pytestmark = [pytest.mark.tensorflow, pytest.mark.usefixtures("float_stage_here")]


def _exported(
    folder: Path, model: onnx.ModelProto, recipes: tuple[str, ...], **arrays: NDArray[Any]
) -> ExportResult:
    onnx.save(model, folder / "model.onnx")
    np.savez(folder / "samples.npz", allow_pickle=False, **arrays)
    result = edgecnn.export(
        str(folder / "model.onnx"),
        recipes=recipes,
        calibration=str(folder / "samples.npz"),
        out=folder / "out",
    )
    assert result.refused == ()
    for artifact in result.artifacts:
        least_db = 60 if artifact.manifest.recipe == "float32" else 15
        for file in artifact.manifest.files:
            for info in file.parities:
                assert info.snr_db is None or info.snr_db >= least_db, (file.path, info)
        assert edgecnn.verify(artifact.folder).ok
    return result


def test_pictures_of_8_bits_are_cast_inside(tmp_path: Path) -> None:
    net = Foreign(opset=16)
    pixels = net.node("Cast", net.input("img", [1, 16, 16, 3], TensorProto.UINT8), to=1)
    image = net.node("Transpose", pixels, perm=[0, 3, 1, 2])
    scaled = net.node("Div", net.node("Sub", image, net.constant(120.0)), net.constant(60.0))
    mean = net.node("GlobalAveragePool", net.node("Relu", net.conv(scaled, 3, 8, strides=[2, 2])))
    logits = net.node("Gemm", net.node("Flatten", mean), net.normal(8, 4), net.normal(4))
    images = np.random.default_rng(0).integers(0, 256, (24, 16, 16, 3)).astype(np.uint8)
    images //= np.resize([1, 2, 3, 6], (24, 1, 1, 1)).astype(np.uint8)
    result = _exported(tmp_path, net.model({logits: [1, 4]}), ("float32", "int8"), img=images)
    for artifact in result.artifacts:
        assert [file.format for file in artifact.manifest.files] == ["tflite", "onnx"]
        assert [file.inputs[0].dtype for file in artifact.manifest.files] == ["uint8", "uint8"]


def test_a_branch_that_data_choose(tmp_path: Path) -> None:
    net = Foreign()
    x = net.node("Relu", net.conv(net.input("image", [1, 3, 16, 16]), 3, 4, strides=[2, 2]))
    top = net.node("ReduceMax", x, keepdims=0)
    high = net.node("Greater", top, net.constant(np.float32(5)))
    branches = {}
    for name, kind in (("then_branch", "Neg"), ("else_branch", "Exp")):
        node = helper.make_node(kind, [x], [kind])
        info = helper.make_empty_tensor_value_info(kind)
        branches[name] = helper.make_graph([node], name, [], [info])
    chosen = net.node("If", high, **branches)
    mean = net.node("GlobalAveragePool", chosen)
    images = np.random.default_rng(0).normal(size=(16, 3, 16, 16)).astype(np.float32)
    images *= np.linspace(0.2, 3, 16, dtype=np.float32).reshape(16, 1, 1, 1)
    model = net.model({mean: ["unk__1", 4, "unk__2", 1]})
    result = _exported(tmp_path, model, ("float32",), image=images)
    both = [warning for warning in result.warnings if "the time of both" in warning]
    again = _exported(tmp_path, model, ("dynamic",), image=images)  # the float stage's is kept
    assert len(both) == 1
    assert set(both) <= set(again.warnings)
    assert [end.shape for end in result.artifacts[0].manifest.outputs] == [(1, 4, 1, 1)]


def test_outputs_of_every_kind(tmp_path: Path) -> None:
    """A constant, a picture, two that one tensor decides, and a place that becomes a number."""
    net = Foreign()
    x = net.node("Relu", net.conv(net.input("image", [1, 3, 12, 12]), 3, 8, pads=[1, 1, 1, 1]))
    scores = net.conv(x, 8, 4, size=1)
    chances = net.node("Softmax", scores, axis=1)
    place = net.node("ArgMax", scores, axis=1, keepdims=0)
    pixels = net.node("Mul", net.node("Sigmoid", net.conv(x, 8, 3, size=1)), net.constant(255.0))
    picture = net.node("Cast", pixels, to=TensorProto.UINT8)
    anchors = net.node("Identity", net.constant(np.array([1, 2, 3], np.float32)))
    kinds = {
        chances: TensorProto.FLOAT,
        place: TensorProto.INT64,
        picture: TensorProto.UINT8,
        anchors: TensorProto.FLOAT,
    }
    model = net.model(dict.fromkeys(kinds))
    for end, kind in zip(model.graph.output, kinds.values(), strict=True):
        end.type.tensor_type.elem_type = kind
    images = np.random.default_rng(0).normal(size=(24, 3, 12, 12)).astype(np.float32)
    onnx.save(model, tmp_path / "model.onnx")
    np.savez(tmp_path / "samples.npz", allow_pickle=False, image=images)
    result = edgecnn.export(
        str(tmp_path / "model.onnx"),
        recipes=("float32", "int8"),
        calibration=str(tmp_path / "samples.npz"),
        out=tmp_path / "out",
    )
    assert result.refused == ()
    for artifact in result.artifacts:
        for file in artifact.manifest.files:
            assert [end.dtype for end in file.outputs][1:3] == ["int64", "uint8"]
            constant = file.parities[3]
            assert constant.snr_db is None
            picture_db = file.parities[2].snr_db
            assert picture_db is None or picture_db > 20


def test_one_recipe_that_cannot_be_calibrated_costs_no_other(tmp_path: Path) -> None:
    net = Foreign()
    x = net.conv(net.input("image", [1, 3, 12, 12]), 3, 4)
    model = net.model({net.node("Mul", x, net.constant(1e25)): None})
    onnx.save(model, tmp_path / "model.onnx")
    images = np.random.default_rng(0).normal(size=(16, 3, 12, 12)).astype(np.float32)
    np.savez(tmp_path / "samples.npz", allow_pickle=False, image=images)
    result = edgecnn.export(
        str(tmp_path / "model.onnx"),
        recipes=("float32", "int8"),
        formats=("tflite",),
        calibration=str(tmp_path / "samples.npz"),
        out=tmp_path / "out",
    )
    assert [artifact.manifest.recipe for artifact in result.artifacts] == ["float32"]
    assert ["no integer file can hold" in str(one.error) for one in result.refused] == [True]
