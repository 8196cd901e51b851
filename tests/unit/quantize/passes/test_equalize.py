"""Equalization keeps the float function, and knows what calibration would find after it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import assume, given, settings
from random_nets import Drawn, RandomNet, networks, run, same_function, statistics_of

from edgecnn.formats.tflite_graph import Graph
from edgecnn.quantize.passes import equalize

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.floating]

EXACT_DB = 100.0


def uneven(seed: int = 0) -> tuple[RandomNet, bytes]:
    """Convolutions with a tensor between them whose channels differ a hundredfold."""
    net = RandomNet(seed)
    weights = net.normal(6, 3, 3, 3) * np.geomspace(0.03, 3, 6, dtype=np.float32).reshape(
        6, 1, 1, 1
    )
    x = net.conv(net.image, 6, weights=weights, activation="RELU")
    x = net.depthwise(x, 2)
    x = net.conv(net.pool(x, "MAX_POOL_2D"), 4, activation="RELU")
    return net, net.finish(net.dense(net.flatten(x), 5))


@settings(max_examples=80)
@given(networks())
def test_any_network_stays_the_same_function(net: Drawn) -> None:
    assume(net.operators)
    known, logits = statistics_of(net.data, net.feeds)
    graph = Graph.read(net.data)
    done = equalize.apply(graph, known.tensors, [logits])
    after = graph.write()
    for wanted, found in zip(run(net.data, net.feeds), run(after, net.feeds), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5 * np.abs(wanted).max())
    assert done.gain_db >= 0
    assert all(np.isfinite(scale).all() and (scale > 0).all() for scale in done.scale.values())


@settings(max_examples=40)
@given(networks())
def test_what_is_known_after_it_is_what_calibration_finds(net: Drawn) -> None:
    assume(net.operators)
    known, logits = statistics_of(net.data, net.feeds)
    graph = Graph.read(net.data)
    told = equalize.rescaled(graph, known, equalize.apply(graph, known.tensors, [logits]))
    found, _ = statistics_of(graph.write(), net.feeds)
    assert set(told.tensors) == set(known.tensors)
    for tensor, right in found.tensors.items():
        got = told.tensors[tensor]
        for field in ("low", "high", "sample"):
            close(getattr(got, field), getattr(right, field), float(np.abs(right.sample).max()))
    for output, layer in found.layers.items():
        got_layer, power = told.layers[output], float(layer.power.max())
        close(got_layer.power, layer.power, power)
        close(got_layer.mean, layer.mean, power**0.5)
        assert got_layer.covariance is not None
        assert layer.covariance is not None
        close(got_layer.covariance, layer.covariance, power)


def close(found: Floats, wanted: Floats, size: float) -> None:
    """Equal but for single precision's rounding of numbers of this size."""
    np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-4 * max(size, 1e-9))


def test_uneven_channels_are_brought_together() -> None:
    net, data = uneven()
    known, logits = statistics_of(data, net.feeds())
    graph = Graph.read(data)
    done = equalize.apply(graph, known.tensors, [logits])
    same_function(data, graph.write(), net.feeds(), EXACT_DB)
    assert done.gain_db > 1
    told = equalize.rescaled(graph, known, done)
    first = graph.operators[0].output.name
    before, after = (s.tensors[first].high for s in (known, told))
    assert after.max() / after.min() < 0.5 * before.max() / before.min()


def test_ends_keep_their_scale() -> None:
    net, data = uneven(1)
    known, logits = statistics_of(data, net.feeds())
    done = equalize.apply(Graph.read(data), known.tensors, [logits])
    np.testing.assert_array_equal(done.scale["image"], 1)
    np.testing.assert_array_equal(done.scale[logits], 1)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("dead", ["logits", "everything", "a channel"])
def test_a_dead_network_is_left_alone_without_a_complaint(dead: str) -> None:
    net = RandomNet()
    x = net.image if dead != "everything" else net.mul(net.image, np.zeros(3, np.float32))
    weights = net.normal(4, 3, 3, 3)
    weights[1] = 0
    x = net.relu(net.conv(x, 4, weights=weights))
    x = net.dense(net.flatten(net.conv(x, 3)), 3)
    if dead != "a channel":
        x = net.mul(x, np.zeros(3, np.float32))
    data = net.finish(x)
    known, logits = statistics_of(data, net.feeds())
    graph = Graph.read(data)
    done = equalize.apply(graph, known.tensors, [logits])
    assert (done == equalize.Equalization(0)) == (dead != "a channel")
    feeds = net.feeds()
    np.testing.assert_allclose(run(graph.write(), feeds)[0], run(data, feeds)[0], atol=1e-5)


def test_an_average_over_channels_is_kept() -> None:
    net = RandomNet(4)
    x = net.conv(net.image, 8)  # as many channels as the map is wide
    x = net.reshape(net.mean(x, (3,)), (1, 1, 8, 8))
    data = net.finish(net.dense(net.flatten(net.conv(x, 3)), 4))
    known, logits = statistics_of(data, net.feeds())
    graph = Graph.read(data)
    equalize.apply(graph, known.tensors, [logits])
    same_function(data, graph.write(), net.feeds(), EXACT_DB)


def test_convolutions_that_share_their_weights_are_scaled_apart() -> None:
    net = RandomNet(3)
    x = net.conv(net.image, 3, activation="RELU")
    first = net.tiny.graph.operators[0]
    for _ in range(2):
        x = net.op("CONV_2D", [x, *first.inputs[1:]], net.shape(x), first.builtinOptions)
    data = net.finish(net.dense(net.flatten(x), 4))
    known, logits = statistics_of(data, net.feeds())
    graph = Graph.read(data)
    assert equalize.apply(graph, known.tensors, [logits]).gain_db > 0
    same_function(data, graph.write(), net.feeds(), EXACT_DB)
