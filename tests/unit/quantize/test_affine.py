"""The views of a float graph that the passes share."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from random_nets import RandomNet, run

from edgecnn.formats.tflite_graph import Graph
from edgecnn.quantize import affine


@given(st.lists(st.sampled_from(["mul", "add"]), max_size=5), st.integers(0, 2**16))
@settings(max_examples=30)
def test_a_chain_is_what_it_computes(chain: list[str], seed: int) -> None:
    net = RandomNet(seed, (1, 2, 2, 3))
    x = net.image
    for position, name in enumerate(chain):
        make = net.mul if name == "mul" else net.add
        x = make(x, constant_first=position % 2 == 1)
    data = net.finish(net.relu(x), x)
    graph = Graph.read(data)
    found = affine.affine_chain(graph, graph[net.name(x)])
    assert found.source is graph.inputs[0]
    feed = net.feeds(1)[0]
    computed = run(data, [feed])[1][0]
    np.testing.assert_allclose(found.scale * feed + found.shift, computed, rtol=1e-4, atol=1e-5)
    assert found.shifts == ("add" in chain)


@pytest.mark.parametrize(
    ("shape", "known"),
    [((), True), ((1,), True), ((3,), True), ((1, 1, 1, 3), True), ((1, 4, 4, 1), False),
     ((1, 1, 3, 1), False), ((1, 4, 4, 3), False)],
)  # fmt: skip
def test_a_constant_is_known_where_it_is_one_number_a_channel(
    shape: tuple[int, ...], *, known: bool
) -> None:
    net = RandomNet(0, (1, 4, 4, 3))
    values = net.normal(*shape) if shape else np.asarray(2, np.float32)
    output = net.mul(net.image, values)
    graph = Graph.read(net.finish(output))
    found = affine.channel_constant(graph.operators[0])
    assert (found is not None) == known
    if found is not None:
        assert found[0] is graph.inputs[0]
        np.testing.assert_array_equal(found[1], np.broadcast_to(values.reshape(-1), 3))


def test_the_product_of_two_tensors_has_no_constant() -> None:
    net = RandomNet(0)
    output = net.sum_of(net.relu(net.image), net.image)
    graph = Graph.read(net.finish(output))
    assert affine.channel_constant(graph.operators[1]) is None


@given(
    st.integers(1, 8),
    st.integers(1, 4),
    st.integers(1, 3),
    st.integers(1, 2),
    st.sampled_from(["SAME", "VALID"]),
)
def test_padding_is_noticed_exactly_where_the_border_shows(
    size: int, kernel: int, stride: int, dilation: int, padding: str
) -> None:
    assume(padding == "SAME" or size >= (kernel - 1) * dilation + 1)
    net = RandomNet(0, (1, size, size, 1))
    ones = np.ones((1, kernel, kernel, 1), np.float32)
    output = net.conv(
        net.image, 1, kernel=(kernel, kernel), stride=stride, dilation=dilation,
        padding=padding, weights=ones,
    )  # fmt: skip
    data = net.finish(output)
    graph = Graph.read(data)
    computed = run(data, [np.ones((1, size, size, 1), np.float32)])[0]
    fixed = graph.operators[0].constant(2)
    assert fixed is not None
    taps_seen = np.rint(computed - fixed)
    assert affine.is_padded(graph.operators[0]) == (taps_seen.min() < kernel**2)


def test_own_weights_leave_the_other_reader_of_shared_ones_alone() -> None:
    net = RandomNet(0)
    first = net.conv(net.image, 3)
    convolution = net.tiny.graph.operators[0]
    second = net.op("CONV_2D", [first, *convolution.inputs[1:]], net.shape(first),
                    convolution.builtinOptions)  # fmt: skip
    graph = Graph.read(net.finish(second))
    one, other = graph.operators
    old = affine.weights(other)
    assert old is not None
    affine.set_weights(graph, one, np.zeros_like(old))
    affine.set_bias(graph, one, np.ones(3))
    constants = [(affine.weights(op), affine.bias(op)) for op in (one, other)]
    assert not np.any(constants[0][0])
    assert np.all(constants[0][1] == 1)
    assert np.all(constants[1][0] == old)
    assert not np.all(constants[1][1] == 1)


def test_a_bias_is_added_where_there_was_none() -> None:
    net = RandomNet(0)
    graph = Graph.read(net.finish(net.dense(net.image, 2, bias=False)))
    assert affine.bias(graph.operators[0]) is None
    affine.set_bias(graph, graph.operators[0], np.array([1, 2]))
    feed = np.zeros((1, 8, 8, 3), np.float32)
    np.testing.assert_array_equal(run(graph.write(), [feed])[0][0], [[1, 2]])


def test_weights_no_pass_can_work_on_are_none() -> None:
    net = RandomNet(0, (1, 4, 4, 8))
    grouped = net.conv(net.image, 4, groups=2)
    graph = Graph.read(net.finish(grouped))
    assert affine.weights(graph.operators[0]) is None
    kernel = affine.kernel(graph.operators[0])
    assert kernel is not None
    assert kernel.shape == (4, 3, 3, 4)


def test_what_nobody_reads_is_removed_with_all_it_alone_needed() -> None:
    net = RandomNet(0)
    kept = net.relu(net.image)
    net.conv(net.mul(net.image), 4)
    graph = Graph.read(net.finish(kept))
    graph.remove_dead()
    assert [op.name for op in graph.operators] == ["RELU"]
    assert len(graph.tensors) == 2
