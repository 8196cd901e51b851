"""Scaled channels in an .onnx: another file, and the same function."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper
from onnx_nets import Net, images, run, snr_db

from edgecnn.formats.onnx_graph import from_proto, to_proto
from edgecnn.formats.onnx_inference import infer_shapes
from edgecnn.quantize import onnx_equalize

CHANNELS = 8
SCALE = np.geomspace(0.05, 20.0, CHANNELS)


def network() -> tuple[onnx.ModelProto, str]:
    """A convolution and its ReLU, what commutes with a scale, and layers that take it up.

    Returns:
        The model, and the name of the ReLU's result.
    """
    net = Net()
    x = net.node("Transpose", "input", perm=[0, 3, 1, 2])
    x = net.conv(x, 3, CHANNELS, pads=[1, 1, 1, 1])
    first = net.node("Relu", x)
    deep = net.conv(first, CHANNELS, CHANNELS, group=CHANNELS, pads=[1, 1, 1, 1])
    pooled = net.node("MaxPool", first, kernel_shape=[1, 1])
    both = net.node("Concat", deep, pooled, axis=1)
    x = net.node("Relu", net.conv(both, 2 * CHANNELS, 4, size=1))
    x = net.node("Flatten", net.node("Add", x, net.conv(pooled, CHANNELS, 4, size=1)))
    x = net.node("Gemm", x, net.normal(4 * 64, 5), net.normal(5))
    return net.model(x, (1, 5)), first


def test_the_function_stays_the_same_and_the_channels_do_not() -> None:
    plain, scaled = network()
    model = from_proto(plain)
    infer_shapes(model)
    onnx_equalize.apply(model.graph, {scaled: SCALE})
    changed = to_proto(model)
    assert snr_db(run(plain, images(4)), run(changed, images(4))) > 100
    before, after = (first_result(proto, scaled) for proto in (plain, changed))
    ratio = after.max(axis=(0, 2, 3)) / before.max(axis=(0, 2, 3))
    np.testing.assert_allclose(ratio, SCALE, rtol=1e-4)


def first_result(model: onnx.ModelProto, name: str) -> Any:  # noqa: ANN401 - a numpy array
    tapped = onnx.ModelProto.FromString(model.SerializeToString())
    del tapped.graph.output[:]
    tapped.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))
    return run(tapped, images(1))


def test_a_scale_of_the_output_is_seen_in_the_function() -> None:
    """What the caller proves by running both files can fail."""
    net = Net()
    x = net.node("Transpose", "input", perm=[0, 3, 1, 2])
    x = net.node("Sigmoid", net.conv(x, 3, CHANNELS))
    plain = net.model(net.node("GlobalAveragePool", x), (1, CHANNELS, 1, 1))
    model = from_proto(plain)
    infer_shapes(model)
    onnx_equalize.apply(model.graph, {net.nodes[1].output[0]: SCALE})
    assert snr_db(run(plain, images(1)), run(to_proto(model), images(1))) < 60


def test_of_a_flattened_map_each_channels_scale_is_repeated_for_its_positions() -> None:
    net = Net()
    x = net.node("Transpose", "input", perm=[0, 3, 1, 2])
    first = net.node("Relu", net.conv(x, 3, CHANNELS, pads=[1, 1, 1, 1]))
    x = net.node("Flatten", first)
    plain = net.model(net.node("Gemm", x, net.normal(5, CHANNELS * 64), transB=1), (1, 5))
    model = from_proto(plain)
    infer_shapes(model)
    onnx_equalize.apply(model.graph, {first: SCALE})
    assert snr_db(run(plain, images(3)), run(to_proto(model), images(3))) > 100
