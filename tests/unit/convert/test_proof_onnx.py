"""The user's own .onnx answers at the shape that was asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnx_nets import Net

from edgecnn.convert import proof
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
