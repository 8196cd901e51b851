"""The logits in front of an ONNX file's softmaxes."""

from __future__ import annotations

import contextlib

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto
from onnx_nets import Net, classifier, images, logits, operators, run

from edgecnn.errors import InputError
from edgecnn.formats import onnx_taps
from edgecnn.runtime.onnxrt import OnnxSession

_CHANNELS_LAST = (0, 2, 3, 1)


def test_a_tap_gives_what_enters_the_softmax_beside_the_output() -> None:
    model, feeds = classifier(), images(4)
    powers = np.exp(logits(model, feeds).astype(np.float64))
    expected = powers / powers.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(expected, run(model, feeds), rtol=1e-5)
    tapped, _ = onnx_taps.tap(model.SerializeToString())
    np.testing.assert_array_equal(run(tapped, feeds), run(model, feeds))


@pytest.mark.parametrize("wrapper", ["qdq", "casts", "reshape"])
def test_a_tap_sees_through_what_follows_the_softmax(wrapper: str) -> None:
    net = Net((1, 5))
    result = net.node("Softmax", net.node("Relu", "input"), axis=-1)
    if wrapper == "qdq":
        ends = net.constant(np.float32(1 / 255)), net.constant(np.uint8(0))
        result = net.node("DequantizeLinear", net.node("QuantizeLinear", result, *ends), *ends)
    elif wrapper == "casts":
        half = net.node("Cast", result, to=TensorProto.FLOAT16)
        result = net.node("Cast", half, to=TensorProto.FLOAT)
    else:
        result = net.node("Reshape", result, net.constant(np.array([1, 5])))
    feed = np.array([[-1, 0.5, 2, -3, 4]], dtype=np.float32)
    np.testing.assert_array_equal(logits(net.model(result, (1, 5)), [feed]), np.maximum(feed, 0))


def test_a_tap_of_half_precision_logits_is_float32() -> None:
    net = Net((1, 5))
    half = net.node("Cast", "input", to=TensorProto.FLOAT16)
    result = net.node("Cast", net.node("Softmax", half, axis=-1), to=TensorProto.FLOAT)
    feed = np.array([[1, 2, 3, 4, 5]], dtype=np.float32)
    found = logits(net.model(result, (1, 5)), [feed])
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, feed)


@pytest.mark.parametrize("last", ["Relu", "Sigmoid"])
def test_a_model_without_a_softmax_is_left_as_it_is(last: str) -> None:
    net = Net()
    data = net.model(net.node(last, "input"), net.shape).SerializeToString()
    assert onnx_taps.tap(data) == (data, ())
    assert onnx_taps.end_operators(data) == (last,)


def test_each_of_two_softmaxes_has_a_tap() -> None:
    net = Net((1, 5))
    last = net.node("Softmax", net.node("Relu", "input"), axis=-1)
    model = net.model(net.node("Softmax", "input", axis=-1), (1, 5))
    model.graph.output.add().CopyFrom(model.graph.output[0])
    model.graph.output[1].name = last
    tapped, places = onnx_taps.tap(model.SerializeToString())
    assert places == (0, 1)
    assert operators(onnx.load_model_from_string(tapped)).count("Softmax") == 2
    session = onnxruntime.InferenceSession(tapped, providers=["CPUExecutionProvider"])
    feed = np.array([[-1, 0.5, 2, -3, 4]], dtype=np.float32)
    *_, first, second = session.run(None, {"input": feed})
    np.testing.assert_array_equal(first, feed)
    np.testing.assert_array_equal(second, np.maximum(feed, 0))


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=200))
def test_bytes_that_are_no_model_are_refused_or_left_as_they_are(data: bytes) -> None:
    with contextlib.suppress(InputError):
        assert onnx_taps.tap(data) == (data, ())


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
