"""The logits of an ONNX file lie as its probabilities do, whatever moves those."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto
from onnx_nets import Net

from edgecnn.formats import onnx_taps
from edgecnn.runtime.onnxrt import OnnxSession

_CHANNELS_LAST = (0, 2, 3, 1)


def _behind(net: Net, softmax: str, movement: str) -> tuple[str, tuple[int, ...]]:
    """What follows a softmax over the channels of (1, 4, 2, 3), and the output's shape."""
    if movement == "transpose":
        return net.node("Transpose", softmax, perm=_CHANNELS_LAST), (1, 2, 3, 4)
    if movement == "transpose and reshape":
        moved = net.node("Transpose", softmax, perm=_CHANNELS_LAST)
        return net.node("Reshape", moved, net.constant(np.array([1, 6, 4]))), (1, 6, 4)
    if movement == "half precision, then flatten":
        half = net.node("Cast", softmax, to=TensorProto.FLOAT16)
        return net.node("Flatten", net.node("Cast", half, to=TensorProto.FLOAT)), (1, 24)
    ends = net.constant(np.float32(1 / 255)), net.constant(np.uint8(0))
    moved = net.node("Transpose", net.node("QuantizeLinear", softmax, *ends), perm=_CHANNELS_LAST)
    return net.node("DequantizeLinear", moved, *ends), (1, 2, 3, 4)


@pytest.mark.parametrize(
    "movement",
    ["transpose", "transpose and reshape", "half precision, then flatten", "quantized transpose"],
)
def test_logits_are_moved_as_the_probabilities_are(movement: str) -> None:
    net = Net((1, 4, 2, 3))
    result, shape = _behind(net, net.node("Softmax", net.node("Relu", "input"), axis=1), movement)
    tapped, places = onnx_taps.tap(net.model(result, shape).SerializeToString())
    feed = np.arange(-12, 12, dtype=np.float32).reshape(1, 4, 2, 3)
    chances, logits = OnnxSession(tapped, threads=1).run([feed])
    assert (places, logits.shape) == ((0,), shape)
    wanted = np.maximum(feed, 0)
    if movement.endswith("flatten"):
        np.testing.assert_array_equal(logits, wanted.reshape(1, 24))
        return
    classes = wanted.transpose(_CHANNELS_LAST).reshape(shape)
    np.testing.assert_array_equal(logits, classes)
    powers = np.exp(classes)
    np.testing.assert_allclose(chances, powers / powers.sum(axis=-1, keepdims=True), atol=1 / 255)


def test_an_output_that_only_moves_an_input_has_no_logits() -> None:
    net = Net((1, 4, 2, 3))
    data = net.model(net.node("Transpose", "input", perm=_CHANNELS_LAST), (1, 2, 3, 4))
    assert onnx_taps.tap(data.SerializeToString()) == (data.SerializeToString(), ())


def test_the_operator_an_output_ends_in_is_seen_through_a_transpose() -> None:
    net = Net((1, 4, 2, 3))
    result, shape = _behind(net, net.node("Softmax", "input", axis=1), "transpose")
    ends = onnx_taps.end_operators(net.model(result, shape).SerializeToString())
    assert ends == ("Softmax",)
