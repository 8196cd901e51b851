"""Which channels share a scale: what commutes is tied, what does not is held."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from random_nets import RandomNet, statistics_of

from edgecnn.formats.tflite_graph import Graph
from edgecnn.quantize.channel_ties import Ties, find_ties

if TYPE_CHECKING:
    from collections.abc import Callable


def ties_of(net: RandomNet, *outputs: int) -> Ties:
    data = net.finish(*outputs)
    known, _ = statistics_of(data, net.feeds(1))
    graph = Graph.read(data)
    return find_ties(graph, known.tensors)


def free(ties: Ties, tensor: str) -> bool:
    return not ties.fixed[ties.variables[tensor]].any()


def test_ends_are_held_and_a_convolution_frees_its_output() -> None:
    net = RandomNet()
    x = net.conv(net.image, 4)
    y = net.conv(x, 5)
    ties = ties_of(net, y)
    assert not free(ties, net.name(net.image))
    assert not free(ties, net.name(y))
    assert free(ties, net.name(x))
    assert len(set(ties.variables[net.name(x)])) == 4


COMMUTING: dict[str, Callable[[RandomNet, int], int]] = {
    "relu": lambda net, x: net.relu(x),
    "max pool": lambda net, x: net.pool(x, "MAX_POOL_2D"),
    "average pool": lambda net, x: net.pool(x, "AVERAGE_POOL_2D"),
    "pad": lambda net, x: net.pad(x),
    "mul": lambda net, x: net.mul(x),
    "add": lambda net, x: net.add(x),
    "mean of rows": lambda net, x: net.reshape(net.mean(x, (1,)), (1, 1, 8, 8)),
}
OTHERS: dict[str, Callable[[RandomNet, int], int]] = {
    "relu6": lambda net, x: net.relu6(x),
    "add of a map": lambda net, x: net.add(x, net.normal(1, 8, 8, 1)),
    "concatenation with a constant": lambda net, x: net.concat(
        [x, net.fixed(net.normal(1, 8, 8, 2))]
    ),
    "softmax": lambda net, x: net.softmax(x),
    "mean of channels": lambda net, x: net.reshape(net.mean(x, (3,)), (1, 1, 8, 8)),
    "mean of channels from behind": lambda net, x: net.reshape(net.mean(x, (-1,)), (1, 1, 8, 8)),
    "grouped": lambda net, x: net.conv(x, 8, groups=2),
    "reshape that splits channels": lambda net, x: net.reshape(x, (1, 8, 16, 4)),
}


@pytest.mark.parametrize("name", sorted(COMMUTING))
def test_what_commutes_ties_its_output_to_its_input(name: str) -> None:
    net = RandomNet()
    x = net.conv(net.image, 8)  # as many as the map is wide
    y = COMMUTING[name](net, x)
    ties = ties_of(net, net.conv(y, 2))
    assert free(ties, net.name(x))
    np.testing.assert_array_equal(ties.variables[net.name(x)], ties.variables[net.name(y)])


@pytest.mark.parametrize("name", sorted(OTHERS))
def test_what_does_not_commute_holds_what_it_touches(name: str) -> None:
    net = RandomNet()
    x = net.conv(net.image, 8)  # as many as the map is wide
    y = OTHERS[name](net, x)
    ties = ties_of(net, net.conv(y, 2, kernel=(1, 1)))
    assert ties.fixed[ties.variables[net.name(x)]].all()


def test_a_fused_relu6_holds_its_output_but_not_its_input() -> None:
    net = RandomNet()
    x = net.conv(net.image, 4)
    y = net.conv(x, 4, activation="RELU6")
    ties = ties_of(net, net.conv(y, 2))
    assert free(ties, net.name(x))
    assert ties.fixed[ties.variables[net.name(y)]].all()


def test_a_residual_stream_shares_its_scales() -> None:
    net = RandomNet()
    x = net.conv(net.image, 4)
    y = net.sum_of(net.conv(net.relu(x), 4), x, activation="RELU")
    ties = ties_of(net, net.conv(y, 2))
    assert free(ties, net.name(x))
    np.testing.assert_array_equal(ties.variables[net.name(x)], ties.variables[net.name(y)])


def test_concatenation_and_flatten_keep_each_channels_own_scale() -> None:
    net = RandomNet(0, (1, 2, 2, 3))
    x, y = net.conv(net.image, 2), net.conv(net.image, 3)
    joined = net.concat([x, y])
    flat = net.flatten(joined)
    ties = ties_of(net, net.dense(flat, 2))
    both = np.concatenate([ties.variables[net.name(x)], ties.variables[net.name(y)]])
    assert free(ties, net.name(joined))
    assert len(set(both)) == 5
    np.testing.assert_array_equal(ties.variables[net.name(joined)], both)
    np.testing.assert_array_equal(ties.variables[net.name(flat)], np.tile(both, 4))


def test_concatenation_in_height_is_held() -> None:
    net = RandomNet()
    x, y = net.conv(net.image, 4), net.conv(net.image, 4)
    ties = ties_of(net, net.conv(net.concat([x, y], axis=1), 2))
    assert ties.fixed[ties.variables[net.name(x)]].all()
