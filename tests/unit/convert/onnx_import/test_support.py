"""The table of operators, and what of a model is refused before any work."""

from __future__ import annotations

import subprocess
import sys

import onnx
import pytest
from onnx import TensorProto, helper

from edgecnn.convert.onnx_import import supported, unsupported
from edgecnn.convert.onnx_import.support import refuse_unsupported
from edgecnn.errors import InputError


def _model(*nodes: onnx.NodeProto) -> onnx.ModelProto:
    info = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4, 8, 8])
    return helper.make_model(helper.make_graph(list(nodes), "g", [info], []))


def test_table_has_what_networks_are_made_of() -> None:
    rows = {row.operator: row for row in supported()}
    assert {"Conv", "Gemm", "Resize", "LSTM", "Softmax"} <= set(rows)
    assert rows["Conv"].kind == "conv"
    assert list(rows) == sorted(rows)


def test_table_is_read_without_tensorflow() -> None:
    code = (
        "import sys; from edgecnn.convert.onnx_import import supported; supported();"
        "sys.exit('tensorflow' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_unsupported_are_counted_and_named() -> None:
    nodes = [helper.make_node("RoiAlign", ["x", "g"], [f"y{i}"], name=f"n{i}") for i in range(5)]
    nodes.append(helper.make_node("Relu", ["x"], ["r"]))
    nodes.append(helper.make_node("FusedConv", ["x"], ["f"], domain="com.microsoft"))
    nodes.append(helper.make_node("MaxPool", ["x"], ["m"], kernel_shape=[2] * 4))

    rows = unsupported(_model(*nodes))

    assert [(row.operator, row.count, row.nodes) for row in rows] == [
        ("MaxPool", 1, ("m",)),
        ("RoiAlign", 5, ("n0", "n1", "n2")),
        ("com.microsoft.FusedConv", 1, ("f",)),
    ]
    assert rows[0].reason == "it pools over more than three axes"


def test_one_error_names_them_all() -> None:
    nodes = [
        helper.make_node("NonMaxSuppression", ["x", "s"], ["k"], name="nms"),
        helper.make_node("RoiAlign", ["x", "g"], ["y"], name="sample"),
    ]
    with pytest.raises(InputError, match=r"NonMaxSuppression.*RoiAlign \(1x, at sample\)"):
        refuse_unsupported(_model(*nodes), "net.onnx")


def test_a_supported_model_is_not_refused() -> None:
    refuse_unsupported(_model(helper.make_node("Relu", ["x"], ["y"])), "net.onnx")
