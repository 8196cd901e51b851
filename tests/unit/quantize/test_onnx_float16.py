"""Half-precision weights, and half-precision arithmetic where it is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
from onnx import TensorProto
from onnx_nets import Net, classifier, images, run, snr_db

from edgecnn.formats import onnx_file
from edgecnn.formats.onnx_graph import from_proto
from edgecnn.progress import Silent
from edgecnn.quantize.onnx_float16 import ComputeDtype, to_float16

if TYPE_CHECKING:
    from pathlib import Path

_BOTH: tuple[ComputeDtype, ...] = ("float32", "float16")


def _half(
    model: onnx.ModelProto, folder: Path, compute: ComputeDtype, watcher: Silent | None = None
) -> onnx.ModelProto:
    source, target = folder / "float.onnx", folder / "half.onnx"
    onnx_file.save(from_proto(model), source)
    to_float16(source, target, compute=compute, progress=watcher)
    return onnx.load(str(target))


@pytest.mark.parametrize("compute", _BOTH)
def test_outputs_stay_close_and_float32(compute: ComputeDtype, tmp_path: Path) -> None:
    model, feeds = classifier(), images(10)
    found = run(_half(model, tmp_path, compute), feeds)
    assert found.dtype == np.float32
    assert snr_db(run(model, feeds), found) > 55


@pytest.mark.parametrize("compute", _BOTH)
def test_all_float_constants_are_half(compute: ComputeDtype, tmp_path: Path) -> None:
    model = _half(classifier(), tmp_path, compute)
    assert {item.data_type for item in model.graph.initializer} == {TensorProto.FLOAT16}


def test_tensors_between_nodes_have_the_dtype_asked_for(tmp_path: Path) -> None:
    for compute, expected in (("float32", TensorProto.FLOAT), ("float16", TensorProto.FLOAT16)):
        model = _half(classifier(), tmp_path, "float16" if compute == "float16" else "float32")
        kinds = {i.name: i.type.tensor_type.elem_type for i in model.graph.value_info}
        assert kinds["gemm_1"] == expected


def test_weights_beyond_the_range_are_clipped_and_named(tmp_path: Path) -> None:
    net = Net((1, 2))
    weight = net.constant(np.array([[1e6, 1.0], [1.0, -2e5]], dtype=np.float32))
    watcher = Silent()
    model = net.model(net.node("MatMul", "input", weight), (1, 2))
    found = run(_half(model, tmp_path, "float32", watcher), [np.eye(2, dtype=np.float32)[:1]])
    np.testing.assert_array_equal(found, [[65504, 1]])
    (warning,) = watcher.warnings
    assert "2 of 4 values of 'matmul_1.weight'" in warning


def test_ordinary_weights_warn_of_nothing(tmp_path: Path) -> None:
    watcher = Silent()
    _half(classifier(), tmp_path, "float32", watcher)
    assert watcher.warnings == []
