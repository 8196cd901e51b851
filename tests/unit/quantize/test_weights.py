"""int8 weights: the bias takes back what rounding moves, and the file holds what was chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from random_nets import Drawn, RandomNet, logits_of, networks, run, snr_db, statistics_of

from edgecnn.formats.tflite_graph import Graph
from edgecnn.quantize import affine, layout, ranges
from edgecnn.quantize.weights import QuantizedLayer, quantize_layers, workers, write_layers

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edgecnn.calibration.statistics import Statistics


def layers_of(data: bytes, known: Statistics, threads: int = 1) -> dict[str, QuantizedLayer]:
    with workers(threads) as pool:
        layers = quantize_layers(Graph.read(data), known.layers, pool)
        return {name: layer.result() for name, layer in layers.items()}


def in_float(data: bytes, layers: dict[str, QuantizedLayer]) -> bytes:
    """The float file with the int8 weights' real values in it."""
    graph = Graph.read(data)
    for operator in graph.operators:
        layer = layers.get(operator.output.name)
        if layer is not None:
            shape = [1] * layer.weights.ndim
            shape[layer.axis] = -1
            affine.set_weights(graph, operator, layer.weights * layer.scale.reshape(shape))
            affine.set_bias(graph, operator, layer.bias)
    return graph.write()


def calibration(net: RandomNet, data: bytes, count: int = 40) -> Statistics:
    """Of inputs with a large mean, which rounding would move the output by."""
    feeds = [feed + np.float32(3) for feed in net.feeds(count)]
    return statistics_of(data, feeds)[0]


LAYERS = ("conv", "strided", "depthwise", "multiplier", "dense", "map")


def one_layer(kind: str, seed: int = 0) -> tuple[RandomNet, bytes]:
    net = RandomNet(seed, (1, 6, 5, 4))
    x = net.image
    made = {
        "conv": lambda: net.conv(x, 6, padding="VALID"),
        "strided": lambda: net.conv(x, 6, stride=2),
        "depthwise": lambda: net.depthwise(x),
        "multiplier": lambda: net.depthwise(x, 3, padding="VALID"),
        "dense": lambda: net.dense(net.flatten(x), 6),
        "map": lambda: net.dense(x, 6),
    }[kind]()
    return net, net.finish(made)


@pytest.mark.parametrize("kind", LAYERS)
def test_the_outputs_mean_stays_where_it_was(kind: str) -> None:
    net, data = one_layer(kind)
    feeds = [feed + np.float32(3) for feed in net.feeds(8)]
    known, _ = statistics_of(data, feeds)  # few enough for every position to be seen
    found = in_float(data, layers_of(data, known))
    wanted, got = (run(d, feeds)[0] for d in (data, found))
    axes = tuple(range(wanted.ndim - 1))
    np.testing.assert_allclose(got.mean(axis=axes), wanted.mean(axis=axes), atol=2e-4)
    assert np.abs(got - wanted).max() > 1e-4


@pytest.mark.parametrize("kind", LAYERS)
def test_weights_keep_their_layout_and_stay_near(kind: str) -> None:
    net, data = one_layer(kind)
    (layer,) = layers_of(data, calibration(net, data)).values()
    graph = Graph.read(data)
    kernel = affine.weights(graph.operators[-1])
    assert kernel is not None
    assert layer.weights.shape == kernel.shape
    assert layer.weights.dtype == np.int8
    assert layer.weights.min() >= -127
    assert layer.scale.shape == layer.bias.shape == (kernel.shape[layer.axis],)
    shape = [1] * kernel.ndim
    shape[layer.axis] = -1
    real = layer.weights * layer.scale.reshape(shape)
    assert snr_db(kernel, real) > 25


def test_threads_change_nothing() -> None:
    net = RandomNet(0)
    x = net.depthwise(net.conv(net.image, 8))
    data = net.finish(net.dense(net.flatten(x), 4))
    known = calibration(net, data)
    one, two = layers_of(data, known), layers_of(data, known, threads=2)
    assert list(one) == list(two)
    for name, layer in one.items():
        np.testing.assert_array_equal(layer.weights, two[name].weights)
        np.testing.assert_array_equal(layer.bias, two[name].bias)


def test_a_grouped_convolution_keeps_the_mean_of_its_outputs() -> None:
    net = RandomNet(0, (1, 6, 6, 4))
    data = net.finish(net.conv(net.conv(net.image, 4, groups=2), 2))
    layers = layers_of(data, calibration(net, data))
    assert len(layers) == 2
    grouped = next(iter(layers.values()))
    assert grouped.weights.shape[-1] == 2
    assert len(grouped.scale) == len(grouped.bias) == 4
    assert np.abs(grouped.weights).max() == 127


def quantized(data: bytes, known: Statistics, bits: int = 8) -> Graph:
    graph = Graph.read(data)
    layout.lay_out(graph, ranges.choose(known.tensors, "minmax"), bits)
    return graph


@settings(max_examples=20)
@given(net=networks(), bits=st.sampled_from([8, 16]))
def test_the_file_holds_every_layer_as_it_was_chosen(*, net: Drawn, bits: int) -> None:
    assume("CONV_2D" in net.operators)
    graph = Graph.read(net.data)
    for operator in graph.operators:  # every layer needs a bias to be written
        if operator.name == "FULLY_CONNECTED":
            affine.set_bias(graph, operator, np.zeros(operator.output.channels))
    data = graph.write()
    known, _ = statistics_of(data, net.feeds)
    layers = layers_of(data, known)
    made = quantized(data, known, bits)
    assert write_layers(made, layers) == len(layers)
    for operator in made.operators:
        layer = layers.get(operator.output.name)
        if layer is None:
            continue
        steps = operator.constant(2)
        scales = [tensor.quantization for tensor in operator.read]
        assert steps is not None
        assert None not in scales
        input_scale, weight_scale, bias_scale = (s.scale for s in scales if s is not None)
        np.testing.assert_allclose(bias_scale, input_scale * weight_scale, rtol=1e-6)
        np.testing.assert_allclose(steps * bias_scale, layer.bias, atol=float(bias_scale.max()))
        assert scales[1] is not None
        assert scales[1].axis == layer.axis


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("size", [1, 1e-3, 1e-5, 1e-7, 1e-12, 1e-40, 0])
def test_a_dead_channel_keeps_its_bias(size: float, bits: int) -> None:
    net = RandomNet(0)
    weights = net.normal(4, 3, 3, 3) / np.float32(5)
    weights[1] *= np.float32(size)
    x = net.conv(net.image, 4, weights=weights, activation="RELU")
    graph = Graph.read(net.finish(net.conv(x, 4)))
    affine.set_bias(graph, graph.operators[0], np.array([0.1, 0.9, 0.1, 0.1]))
    data = graph.write()
    feeds = net.feeds()
    known, logits = statistics_of(data, feeds)
    made = quantized(data, known, bits)
    write_layers(made, layers_of(data, known))
    assert snr_db(known.answers[logits], logits_of(made.write(), feeds)) > 30


def test_layers_that_share_weights_in_the_file_get_their_own() -> None:
    net = RandomNet(0)
    x = net.conv(net.image, 3, activation="RELU6")
    first = net.tiny.graph.operators[0]
    for _ in range(2):
        x = net.op("CONV_2D", [x, *first.inputs[1:]], net.shape(x), first.builtinOptions)
    data = net.finish(x)
    feeds = net.feeds(20)
    known, logits = statistics_of(data, feeds)
    made = quantized(data, known)
    write_layers(made, layers_of(data, known))
    assert len({op.inputs[1] for op in made.operators}) == 3
    assert snr_db(known.answers[logits], logits_of(made.write(), feeds)) > 30


def test_an_input_that_never_stirs_does_not_widen_the_scale() -> None:
    net = RandomNet(0, (1, 4, 4, 3))
    weights = net.normal(4, 1, 1, 3)
    weights[..., 2] *= 1000
    alive = net.mul(net.image, np.array([1, 1, 0], np.float32))
    data = net.finish(net.conv(alive, 4, kernel=(1, 1), weights=weights))
    feeds = net.feeds(20)
    (layer,) = layers_of(data, statistics_of(data, feeds)[0]).values()
    largest: NDArray[np.float32] = np.abs(weights[..., :2]).max(axis=(1, 2, 3))
    np.testing.assert_allclose(layer.scale, largest / 127, rtol=1e-6)
