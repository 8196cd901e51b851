"""A user's .onnx, prepared and lowered: open sizes, shape arithmetic, channels first."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx_lowering import answer, lowered, operators, random, reference, snr_db

from edgecnn.convert.onnx_source import prepare_model

pytestmark = pytest.mark.tensorflow


def test_a_model_as_pytorch_writes_it() -> None:
    """Batch open, and the flattening reshape computed from the shape."""
    nodes = [
        helper.make_node("Conv", ["image", "w"], ["c"], pads=[1, 1, 1, 1], strides=[2, 2]),
        helper.make_node("HardSwish", ["c"], ["h"]),
        helper.make_node("Shape", ["h"], ["shape"]),
        helper.make_node("Gather", ["shape", "zero"], ["batch"], axis=0),
        helper.make_node("Unsqueeze", ["batch", "zeros"], ["first"]),
        helper.make_node("Concat", ["first", "rest"], ["flat"], axis=0),
        helper.make_node("Reshape", ["h", "flat"], ["r"]),
        helper.make_node("Gemm", ["r", "g"], ["scores"], transB=1),
    ]
    constants = {
        "w": random(6, 3, 3, 3), "g": random(4, 6 * 4 * 5), "zero": np.int64(0),
        "zeros": np.zeros(1, np.int64), "rest": np.array([-1], np.int64),
    }  # fmt: skip
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 3, 8, 10])
    scores = helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", 4])
    held = [numpy_helper.from_array(np.asarray(a), name) for name, a in constants.items()]
    graph = helper.make_graph(nodes, "torch", [image], [scores], held)
    opset = helper.make_opsetid("", 17)
    source = prepare_model(helper.make_model(graph, opset_imports=[opset], ir_version=8))
    feeds = {"image": random(1, 3, 8, 10, seed=3)}

    result, data = lowered(source.model, source.network)
    arrays, _ = answer(result, data, feeds)

    assert [(end.endpoint.layout, end.layout) for end in result.inputs] == [("NCHW", "NHWC")]
    assert snr_db(reference(source.model, feeds)[0], arrays[0]) > 100
    assert operators(data)["TRANSPOSE"] == 0
    assert set(operators(data)) <= {"PAD", "CONV_2D", "HARD_SWISH", "RESHAPE", "FULLY_CONNECTED"}
