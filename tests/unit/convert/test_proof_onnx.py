"""The user's own .onnx answers at the shape that was asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper
from onnx_foreign import Foreign
from onnx_nets import Net

from edgecnn.convert import onnx_source, proof
from edgecnn.records import Endpoint, Network

if TYPE_CHECKING:
    from pathlib import Path


def test_a_shape_that_the_file_fixes_may_be_another(tmp_path: Path) -> None:
    net = Net((1, 3, 8, 8))
    onnx.save(net.model(net.conv("input", 3, 4), (1, 4, 6, 6)), tmp_path / "net.onnx")
    asked = Endpoint("input", "float32", (1, 3, 12, 10), "NCHW")
    end = Endpoint("output", "float32", (1, 4, 10, 8), "NCHW")
    answer = proof.of_onnx(tmp_path / "net.onnx", Network((asked,), (end,), 0, 0))
    (got,) = answer([np.ones(asked.shape, np.float32)])
    assert got.shape == end.shape
    assert np.ptp(got, axis=(2, 3)).max() < 1e-5  # of a constant picture, without padding


def test_double_precision_is_asked_in_its_own_type(tmp_path: Path) -> None:
    net = Foreign()
    rows = net.input("rows", [2, 5], TensorProto.DOUBLE)
    weight = net.constant(0.0)
    net.constants[-1].CopyFrom(numpy_helper.from_array(net.random.normal(size=(5, 3)), weight))
    model = net.model({net.node("MatMul", rows, weight): [2, 3]}, TensorProto.DOUBLE)
    onnx.save(model, tmp_path / "net.onnx")
    network = onnx_source.prepare_model(model).network
    assert [end.dtype for end in (*network.inputs, *network.outputs)] == ["float32"] * 2
    (got,) = proof.of_onnx(tmp_path / "net.onnx", network)([np.ones((2, 5), np.float32)])
    assert got.shape == (2, 3)
    assert got.dtype == np.float64
