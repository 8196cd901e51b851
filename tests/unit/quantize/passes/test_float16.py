"""Half-precision constants: half the bytes, the same answers to 50 dB."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from random_nets import Drawn, RandomNet, networks, operators, run, same_function, snr_db

from edgecnn.formats.tflite_graph import Graph
from edgecnn.quantize.passes import float16
from edgecnn.runtime.litert import partitions


def halved(data: bytes) -> bytes:
    graph = Graph.read(data)
    float16.apply(graph)
    return graph.write()


@settings(max_examples=60)
@given(networks())
def test_any_network_keeps_its_answers(net: Drawn) -> None:
    before, after = (run(data, net.feeds) for data in (net.data, halved(net.data)))
    for wanted, found in zip(before, after, strict=True):
        assert found.dtype == np.float32
        if np.any(wanted):
            assert snr_db(wanted, found) > 50


def test_large_constants_are_halved_and_small_ones_stay() -> None:
    net = RandomNet(0)
    data = net.finish(net.dense(net.flatten(net.conv(net.mul(net.image), 16)), 10))
    after = halved(data)
    graph = Graph.read(after)
    types = {
        op.name: sorted(tensor.dtype for tensor in op.read)
        for op in graph.operators
        if op.name == "DEQUANTIZE"
    }
    assert types == {"DEQUANTIZE": ["FLOAT16"]}
    # Two kernels and two biases; the MUL's three numbers stay, and a RESHAPE's shape is no float.
    assert operators(after).count("DEQUANTIZE") == 4
    assert len(after) < 0.6 * len(data)
    same_function(data, after, net.feeds(), 50)


def test_the_graph_stays_one_partition() -> None:
    net = RandomNet(0)
    data = net.finish(net.conv(net.depthwise(net.conv(net.image, 16), 1), 8))
    assert partitions(halved(data))[0] == 1


def test_a_constant_with_several_readers_is_halved_once() -> None:
    net = RandomNet(0)
    first = net.conv(net.image, 3)
    convolution = net.tiny.graph.operators[0]
    second = net.op("CONV_2D", [first, *convolution.inputs[1:]], net.shape(first),
                    convolution.builtinOptions)  # fmt: skip
    data = net.finish(second)
    assert operators(halved(data)) == ["DEQUANTIZE", "CONV_2D", "CONV_2D"]
    same_function(data, halved(data), net.feeds(), 50)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("value", [65520.0, 1e6, np.inf, np.nan])
def test_what_is_too_large_for_half_precision_stays(value: float) -> None:
    net = RandomNet(0)
    weights = net.normal(4, 3, 3, 3)
    weights[0, 0, 0, 0] = value
    graph = Graph.read(net.finish(net.conv(net.image, 4, weights=weights)))
    assert float16.apply(graph).changes == 0
    kernel = graph.operators[0].constant(1)
    assert kernel is not None
    np.testing.assert_array_equal(kernel, weights)


@pytest.mark.parametrize(("size", "stays"), [(1e-3, False), (1e-7, True), (1e-12, True)])
def test_what_is_too_small_for_half_precision_stays(size: float, *, stays: bool) -> None:
    net = RandomNet(0)
    weights = net.normal(4, 3, 3, 3) * np.float32(size)
    large = np.full(4, 1 / size, np.float32)
    data = net.finish(net.mul(net.conv(net.image, 4, weights=weights), large))
    assert ("DEQUANTIZE" not in operators(halved(data))) == stays
    same_function(data, halved(data), net.feeds(), 50)


def test_the_largest_half_is_halved() -> None:
    net = RandomNet(0)
    weights = net.normal(4, 3, 3, 3)
    weights[0, 0, 0, 0] = 65504
    graph = Graph.read(net.finish(net.conv(net.image, 4, weights=weights)))
    assert float16.apply(graph).changes == 1


def test_a_second_time_changes_nothing() -> None:
    net = RandomNet(0)
    once = halved(net.finish(net.conv(net.image, 16)))
    assert float16.apply(Graph.read(once)).changes == 0
