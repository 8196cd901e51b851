"""Files that PyTorch wrote, by its older exporter and by the one that is its default since 2.9.

data/torch_net.onnx (opset 17, open batch) and data/torch_net_dynamo.onnx were written by PyTorch
2.13 from one network: convolutions with BatchNormalization and SiLU, a depthwise one, Hardswish,
MaxPool2d, Upsample, and two outputs: Linear behind a mean and a `view`, and a sigmoid of a map.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import edgecnn
from edgecnn import manifest as manifests
from edgecnn import reference

pytestmark = [pytest.mark.tensorflow, pytest.mark.usefixtures("float_stage_here")]

DATA = Path(__file__).parent / "data"


@pytest.mark.parametrize("name", ["torch_net.onnx", "torch_net_dynamo.onnx"])
def test_a_file_of_pytorch_is_exported_in_both_formats(tmp_path: Path, name: str) -> None:
    images = np.random.default_rng(0).uniform(-1, 1, (24, 3, 32, 32)).astype(np.float32)
    np.savez(tmp_path / "images.npz", images=images)
    result = edgecnn.export(
        str(DATA / name),
        recipes=("float32", "int8"),
        calibration=str(tmp_path / "images.npz"),
        out=tmp_path / "out",
    )
    assert result.refused == ()
    for artifact in result.artifacts:
        manifest = artifact.manifest
        assert [end.name for end in manifest.inputs] == ["images"]
        assert [end.shape for end in manifest.outputs] == [(1, 5), (1, 4, 16, 16)]
        assert [file.format for file in manifest.files] == ["tflite", "onnx"]
        for file in manifest.files:
            assert file.inputs[0].layout == {"tflite": "NHWC", "onnx": "NCHW"}[file.format]
            assert "TRANSPOSE" not in file.graph.ops
            least_db = 60 if manifest.recipe == "float32" else 18
            for info in file.parities:
                assert info.snr_db is None or info.snr_db >= least_db, (file.path, info)
        assert edgecnn.verify(artifact.folder).ok
    stored = reference.read(result.artifacts[0].folder, manifests.load(
        result.artifacts[0].folder / manifests.NAME))  # fmt: skip
    assert stored.answers.outputs[1].shape[1:] == (4, 16, 16)  # the source's own layout
