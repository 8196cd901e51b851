"""Inspecting at given shapes: sizes are propagated, and nothing else of the file changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
from onnx_nets import Net
from open_nets import detector, detector_macs, open_tflite

import edgecnn
from edgecnn.errors import InputError
from edgecnn.latency.files import costs_of_file

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("warm_children")


@pytest.fixture
def open_onnx(tmp_path: Path) -> Path:
    path = tmp_path / "open.onnx"
    onnx.save(detector(), path)
    return path


def test_an_open_detector_is_counted_at_the_shape_given(open_onnx: Path) -> None:
    bare = edgecnn.inspect(open_onnx)
    assert bare.uncounted == {"Conv": 3}
    found = edgecnn.inspect(open_onnx, input_shapes={"": (1, 3, 64, 96)})
    assert found.uncounted == {}
    assert found.graph.macs_by_dtype == {"float32": detector_macs(64, 96)}
    assert found.inputs == bare.inputs
    assert found.inputs[0].shape == (-1, 3, -1, -1)
    assert found.sha256 == bare.sha256
    assert found.graph.parameters_by_dtype == bare.graph.parameters_by_dtype
    assert "MACs are counted at images 1x3x64x96." in found.notes
    assert "Shape" not in found.graph.ops  # its arithmetic is folded


def test_a_size_is_the_same_as_its_shape(open_onnx: Path) -> None:
    by_size = edgecnn.inspect(open_onnx, input_size=(64, 96))
    assert by_size == edgecnn.inspect(open_onnx, input_shapes={"images": (1, 3, 64, 96)})


def test_an_onnx_may_get_another_shape_than_it_fixes(tmp_path: Path) -> None:
    path = tmp_path / "fixed.onnx"
    onnx.save(detector(32, 32, 10), path)
    found = edgecnn.inspect(path, input_shapes={"images": (1, 3, 64, 64)})
    assert found.graph.macs_by_dtype == {"float32": detector_macs(64, 64)}


def test_shapes_that_the_network_cannot_have_are_told(open_onnx: Path) -> None:
    with pytest.raises(InputError, match="no input 'nobody'"):
        edgecnn.inspect(open_onnx, input_shapes={"nobody": (1, 3, 64, 64)})
    with pytest.raises(InputError, match="4 axes"):
        edgecnn.inspect(open_onnx, input_shapes={"": (1, 3, 64)})


def test_weights_stay_as_they_are_stored(tmp_path: Path) -> None:
    net = Net(("n", 3, "h", "w"))  # type: ignore[arg-type]
    scale, zero = net.constant(np.float32(0.1)), net.constant(np.int8(0))
    kernel = net.constant(np.ones((4, 3, 3, 3), np.int8))
    x = net.node("QuantizeLinear", "input", scale, zero)
    weights = net.node("DequantizeLinear", kernel, scale, zero)
    x = net.node("Conv", net.node("DequantizeLinear", x, scale, zero), weights, pads=[1] * 4)
    half = net.constant(np.ones((2, 4, 1, 1), np.float16))
    x = net.node("Conv", x, net.node("Cast", half, to=onnx.TensorProto.FLOAT))
    path = tmp_path / "int8.onnx"
    onnx.save(net.model(x, ("n", 2, "h", "w")), path)  # type: ignore[arg-type]
    found = edgecnn.inspect(path, input_size=16)
    assert found.graph.macs_by_dtype == {"int8": 256 * 4 * 27, "float32": 256 * 8}
    stored = [op.weights_dtype for op in found.operators if op.name == "Conv"]
    assert stored == ["int8", "float16"]


def test_an_open_tflite_is_resized(tmp_path: Path) -> None:
    path = tmp_path / "open.tflite"
    path.write_bytes(open_tflite().to_bytes())
    assert edgecnn.inspect(path).uncounted == {"CONV_2D": 2}
    found = edgecnn.inspect(path, input_size=(8, 12))
    assert found.graph.macs_by_dtype == {"float32": 96 * 4 * 27 + 96 * 16}
    assert found.graph.delegate_partitions is not None
    assert found.outputs[0].shape == (1, -1, -1, 4)


def test_a_default_size_of_a_tflite_is_its_size(tmp_path: Path) -> None:
    net = open_tflite()
    for tensor in net.graph.tensors:
        if tensor.shapeSignature is not None:
            tensor.shape = [1, 8, 12, tensor.shape[-1]]
    path = tmp_path / "default.tflite"
    path.write_bytes(net.to_bytes())
    found = edgecnn.inspect(path)
    assert found.inputs[0].shape == (1, 8, 12, 3)
    assert costs_of_file(path).macs == 96 * 4 * 27 + 96 * 16


def test_a_fixed_tflite_is_what_it_is(tmp_path: Path) -> None:
    path = tmp_path / "fixed.tflite"
    path.write_bytes(open_tflite(signature=(1, 1, 1, 3)).to_bytes())
    with pytest.raises(InputError, match="--input-size cannot change"):
        edgecnn.inspect(path, input_size=8)
