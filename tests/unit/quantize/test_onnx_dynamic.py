"""Int8 weights, float32 arithmetic."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper
from onnx_nets import Net, classifier, images, operators, run, snr_db

from edgecnn.formats import onnx_file
from edgecnn.formats.onnx_graph import from_proto
from edgecnn.quantize.onnx_dynamic import to_dynamic

if TYPE_CHECKING:
    from pathlib import Path


def _dynamic(model: onnx.ModelProto, folder: Path) -> onnx.ModelProto:
    source, target = folder / "float.onnx", folder / "dynamic.onnx"
    onnx_file.save(from_proto(model), source)
    to_dynamic(source, target)
    return onnx.load(str(target))


def test_outputs_stay_close(tmp_path: Path) -> None:
    model, feeds = classifier(), images(20)
    assert snr_db(run(model, feeds), run(_dynamic(model, tmp_path), feeds)) > 35


def test_the_runtime_folds_the_scales_when_it_loads_the_file(tmp_path: Path) -> None:
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    options.log_severity_level = 3
    data = _dynamic(classifier(), tmp_path).SerializeToString()
    onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    assert "Cast" not in operators(onnx.load(options.optimized_model_filepath))


def _matrix(kind: str, **attributes: Any) -> onnx.ModelProto:  # noqa: ANN401 - any attribute
    net = Net((1, 6))
    weight = np.arange(1, 25, dtype=np.float32).reshape(6, 4) ** 3
    if attributes.get("transB"):
        weight = np.ascontiguousarray(weight.T)
    return net.model(net.node(kind, "input", net.constant(weight), **attributes), (1, 4))


@pytest.mark.parametrize(
    ("kind", "attributes"), [("MatMul", {}), ("Gemm", {}), ("Gemm", {"transB": 1})]
)
def test_each_output_channel_has_its_scale(
    kind: str, attributes: dict[str, Any], tmp_path: Path
) -> None:
    model = _dynamic(_matrix(kind, **attributes), tmp_path)
    constants = [numpy_helper.to_array(item) for item in model.graph.initializer]
    values, scale = sorted(constants, key=lambda item: item.dtype.name, reverse=True)
    assert values.dtype == np.int8
    assert scale.size == 4
    channel_axis = int(np.argmax(scale.shape))
    peaks = np.abs(values.astype(int)).max(axis=1 - channel_axis)
    np.testing.assert_array_equal(peaks, 127)


def test_a_channel_of_zeros_stays_zero(tmp_path: Path) -> None:
    net = Net((1, 6))
    weight = np.ones((6, 4), dtype=np.float32)
    weight[:, 2] = 0
    model = net.model(net.node("MatMul", "input", net.constant(weight)), (1, 4))
    found = run(_dynamic(model, tmp_path), [np.ones((1, 6), dtype=np.float32)])
    np.testing.assert_allclose(found, [[6, 6, 0, 6]], rtol=1e-6)
