"""Folding normalizations keeps the function, whatever stands around them, and stops in time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from hypothesis import given, settings
from hypothesis import strategies as st
from random_nets import NO_TENSOR, Drawn, RandomNet, networks, operators, run, same_function, snr_db

from edgecnn.formats.tflite_graph import Graph
from edgecnn.quantize.passes import fold_affine

if TYPE_CHECKING:
    from collections.abc import Callable

EXACT_DB = 100.0


def folded(data: bytes) -> bytes:
    graph = Graph.read(data)
    while fold_affine.apply(graph).changes:
        pass
    return graph.write()


def fold(net: RandomNet, *outputs: int) -> list[str]:
    """Fold, hold that the function is kept, and return the operators that are left."""
    data = net.finish(*outputs)
    after = folded(data)
    same_function(data, after, net.feeds(), EXACT_DB)
    return operators(after)


@settings(max_examples=150)
@given(networks())
def test_any_network_stays_the_same_function(net: Drawn) -> None:
    after = folded(net.data)
    # Not 100 dB here: a random chain of shifts may cancel what it multiplied, digits included.
    for wanted, found in zip(run(net.data, net.feeds), run(after, net.feeds), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4 * np.abs(wanted).max())
    assert len(operators(after)) <= len(net.operators)


@given(
    st.sampled_from(["conv", "depthwise", "dense", "flatten"]),
    st.lists(st.sampled_from(["mul", "add"]), min_size=1, max_size=5),
    st.integers(1, 3),
    st.integers(1, 2),
    st.integers(0, 2**16),
)
@settings(max_examples=60)
def test_a_chain_before_an_unpadded_convolution_disappears(
    layer: str, chain: list[str], kernel: int, multiplier: int, seed: int
) -> None:
    net = RandomNet(seed, (1, 5, 4, 3))
    x = net.relu(net.image)
    for name in chain:
        x = net.mul(x) if name == "mul" else net.add(x)
    sizes = {"kernel": (kernel, kernel), "padding": "VALID"}
    made: dict[str, Callable[[], int]] = {
        "conv": lambda: net.conv(x, 4, **sizes),  # type: ignore[arg-type] # the keywords fit
        "depthwise": lambda: net.depthwise(x, multiplier, **sizes),  # type: ignore[arg-type] # likewise
        "dense": lambda: net.dense(x, 4, bias=False),
        "flatten": lambda: net.dense(net.flatten(x), 4),
    }
    assert not {"MUL", "ADD"} & set(fold(net, made[layer]()))


@given(st.integers(2, 3), st.integers(1, 2), st.integers(1, 2), st.integers(0, 2**16))
@settings(max_examples=40)
def test_a_shift_is_not_folded_into_a_padded_convolution(
    kernel: int, stride: int, dilation: int, seed: int
) -> None:
    net = RandomNet(seed, (1, 5, 5, 3))
    x = net.add(net.mul(net.relu(net.image)))
    x = net.conv(
        x, 4, kernel=(kernel, kernel), stride=1 if dilation > 1 else stride, dilation=dilation
    )
    assert fold(net, x) == ["RELU", "ADD", "CONV_2D"]


def test_the_same_padding_that_pads_nothing_takes_the_shift() -> None:
    net = RandomNet(0, (1, 4, 4, 3))
    x = net.conv(net.add(net.mul(net.image)), 4, kernel=(2, 2), stride=2)
    assert fold(net, x) == ["CONV_2D"]


def test_a_scale_without_a_shift_folds_into_a_padded_convolution() -> None:
    net = RandomNet(0)
    assert fold(net, net.depthwise(net.mul(net.mul(net.image)), 2)) == ["DEPTHWISE_CONV_2D"]


def test_several_normalizations_before_a_padded_convolution_become_one_add() -> None:
    net = RandomNet(0)
    x = net.relu(net.image)
    for _ in range(3):
        x = net.add(net.mul(x))
    assert fold(net, net.conv(x, 4)) == ["RELU", "ADD", "CONV_2D"]


@pytest.mark.parametrize("first", ["padded", "unpadded"])
def test_a_tensor_with_padded_and_unpadded_readers(first: str) -> None:
    net = RandomNet(0)
    x = net.add(net.mul(net.relu(net.image)))
    kernels = [(3, 3), (1, 1)] if first == "padded" else [(1, 1), (3, 3)]
    made = [net.conv(x, 4, kernel=kernel) for kernel in kernels]
    assert fold(net, *made).count("ADD") == 1


@pytest.mark.parametrize("reader", ["skip", "output", "pool"])
def test_a_reader_that_is_no_convolution_keeps_what_it_read(reader: str) -> None:
    net = RandomNet(0)
    x = net.add(net.mul(net.relu(net.image)))
    inside = net.conv(x, 3)
    outputs = {
        "skip": lambda: [net.sum_of(inside, x)],
        "output": lambda: [inside, x],
        "pool": lambda: [inside, net.pool(x, "MAX_POOL_2D")],
    }[reader]()
    assert fold(net, *outputs).count("MUL") == 1


def test_a_fused_activation_ends_the_chain() -> None:
    net = RandomNet(0)
    x = net.sum_of(net.mul(net.image), net.fixed(net.normal(3)), activation="RELU")
    assert fold(net, net.conv(x, 2, kernel=(1, 1))) == ["MUL", "ADD", "CONV_2D"]


def test_a_scale_of_zero_is_folded_where_nothing_pads_and_left_where_it_would_divide() -> None:
    scale = np.array([1, 0, 2], np.float32)
    net = RandomNet(0)
    x = net.add(net.mul(net.image, scale))
    assert fold(net, net.conv(x, 2, kernel=(1, 1))) == ["CONV_2D"]
    net = RandomNet(0)
    x = net.add(net.mul(net.image, scale))
    assert fold(net, net.conv(x, 2)) == ["MUL", "ADD", "CONV_2D"]


def test_convolutions_that_share_their_weights_are_folded_apart() -> None:
    net = RandomNet(0)
    plain = net.conv(net.image, 3)
    convolution = net.tiny.graph.operators[0]
    scaled = net.mul(net.image)
    other = net.op(
        "CONV_2D", [scaled, *convolution.inputs[1:]], net.shape(plain), convolution.builtinOptions
    )
    assert fold(net, net.sum_of(plain, other)) == ["CONV_2D", "CONV_2D", "ADD"]


@pytest.mark.parametrize("other", ["output", "reader"])
def test_a_flatten_that_is_read_elsewhere_keeps_its_values(other: str) -> None:
    net = RandomNet(0, (1, 2, 2, 3))
    flat = net.flatten(net.add(net.mul(net.image)))
    answer = net.dense(flat, 3)
    elsewhere = flat if other == "output" else net.relu(flat)
    assert "FULLY_CONNECTED" in fold(net, answer, elsewhere)


def test_a_reshape_that_splits_the_channels_up_is_not_looked_through() -> None:
    net = RandomNet(0, (1, 1, 4, 6))
    rows = net.reshape(net.mul(net.image), (8, 3))
    weights = net.fixed(net.normal(2, 3))
    answer = net.op(
        "FULLY_CONNECTED", [rows, weights, NO_TENSOR], (8, 2), schema.FullyConnectedOptionsT()
    )
    assert fold(net, answer) == ["MUL", "RESHAPE", "FULLY_CONNECTED"]


def test_a_grouped_convolution_is_left_alone() -> None:
    net = RandomNet(0, (1, 4, 4, 8))
    x = net.conv(net.add(net.mul(net.image)), 8, groups=2, padding="VALID")
    assert fold(net, x) == ["MUL", "ADD", "CONV_2D"]


def test_a_layer_whose_bias_is_computed_is_left_alone() -> None:
    net = RandomNet(0, (1, 1, 1, 4))
    bias = net.reshape(net.dense(net.image, 3), (3,))
    inputs = [net.add(net.mul(net.image)), net.fixed(net.normal(3, 4)), bias]
    answer = net.op("FULLY_CONNECTED", inputs, (1, 3), schema.FullyConnectedOptionsT())
    assert fold(net, answer)[-3:] == ["MUL", "ADD", "FULLY_CONNECTED"]


def test_it_says_how_many_convolutions_took_something_in() -> None:
    net = RandomNet(0)
    x = net.mul(net.image)
    graph = Graph.read(net.finish(net.conv(x, 2), net.conv(x, 3)))
    assert fold_affine.apply(graph).changes == 2
    assert fold_affine.apply(graph).changes == 0


def test_a_wrong_fold_would_be_noticed() -> None:
    net = RandomNet(0)
    x = net.add(net.image)
    before = net.finish(net.conv(x, 2))
    convolution = net.tiny.graph.operators[-1]
    convolution.inputs[0] = net.image
    after = net.finish(convolution.outputs[0])
    feeds = net.feeds()
    assert snr_db(run(before, feeds)[0], run(after, feeds)[0]) < 20
