"""Sensitivity: exact where its assumptions hold, and carried through every kind of layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import assume, given, settings
from random_nets import Drawn, RandomNet, networks, run, statistics_of

from edgecnn.formats.tflite_graph import Graph
from edgecnn.quantize.sensitivity import measure

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from edgecnn.calibration.statistics import Statistics

    Floats = NDArray[np.floating]


def measured(
    data: bytes, feeds: Sequence[NDArray[np.float32]]
) -> tuple[Statistics, dict[str, Floats]]:
    known, logits = statistics_of(data, feeds)
    return known, dict(measure(Graph.read(data), known.tensors, [logits]))


def input_gradients(data: bytes, feed: NDArray[np.float32]) -> Floats:
    """Squared derivatives of all outputs by each input element, summed; by central differences."""
    step = np.float32(2.0**-6)
    found = np.zeros(feed.shape)
    for index in np.ndindex(*feed.shape):
        moved = [feed.copy(), feed.copy()]
        moved[0][index] += step
        moved[1][index] -= step
        up, down = run(data, moved)[0]
        found[index] = np.square((up.astype(np.float64) - down) / (2 * step)).sum()
    return found


def by_channel(gradients: Floats) -> Floats:
    summed: Floats = gradients.reshape(-1, gradients.shape[-1]).sum(axis=0)
    return summed


LINEAR: dict[str, Callable[[RandomNet], int]] = {
    "conv": lambda net: net.conv(net.image, 3, kernel=(3, 2), padding="VALID"),
    "strided": lambda net: net.conv(net.image, 3, stride=2, padding="VALID"),
    "grouped": lambda net: net.conv(net.image, 6, groups=2, padding="VALID"),
    "depthwise": lambda net: net.depthwise(net.image, 2, padding="VALID"),
    "dense of a map": lambda net: net.dense(net.image, 3),
    "mean": lambda net: net.mean(net.image),
    "average pool": lambda net: net.pool(net.image, "AVERAGE_POOL_2D", padding="VALID"),
    "mul": lambda net: net.mul(net.image),
    "add": lambda net: net.add(net.image),
    "concatenated with a constant": lambda net: net.concat(
        [net.fixed(net.normal(1, 4, 5, 3)), net.image]
    ),
    "concatenated in height": lambda net: net.concat(
        [net.image, net.fixed(net.normal(1, 2, 5, 4))], axis=1
    ),
}


@pytest.mark.parametrize("layer", sorted(LINEAR))
def test_a_linear_layer_has_exactly_the_norm_of_its_gradient(layer: str) -> None:
    net = RandomNet(1, (1, 4, 5, 4))
    output = LINEAR[layer](net)
    data = net.finish(net.flatten(output))
    feeds = net.feeds(1)
    _, found = measured(data, feeds)
    exact = by_channel(input_gradients(data, feeds[0]))
    np.testing.assert_allclose(found["image"], exact, rtol=1e-3)


def test_parallel_branches_add_up() -> None:
    net = RandomNet(2, (1, 4, 4, 3))
    left, right = (net.conv(net.image, 2, kernel=(1, 1)) for _ in range(2))
    data = net.finish(net.flatten(net.concat([left, right])))
    feeds = net.feeds(1)
    _, found = measured(data, feeds)
    exact = by_channel(input_gradients(data, feeds[0]))
    np.testing.assert_allclose(found["image"], exact, rtol=1e-3)


def test_a_relu_passes_the_share_of_positions_where_it_is_active() -> None:
    net = RandomNet(3, (1, 6, 6, 4))
    output = net.relu(net.image)
    data = net.finish(net.flatten(output))
    known, found = measured(data, net.feeds(20))
    active = (known.tensors["image"].sample > 0).mean(axis=0)
    np.testing.assert_allclose(found["image"], 36 * active)


def test_a_fused_relu6_passes_nothing_at_either_end() -> None:
    net = RandomNet(4, (1, 6, 6, 1))
    weights = np.full((1, 1, 1, 1), 8, np.float32)
    output = net.conv(net.image, 1, kernel=(1, 1), weights=weights, activation="RELU6")
    data = net.finish(net.flatten(output))
    known, found = measured(data, net.feeds(20))
    sample = known.tensors[net.name(output)].sample
    inside = ((sample > 0) & (sample < 6)).mean()
    assert 0.1 < inside < 0.5
    np.testing.assert_allclose(found["image"], 36 * 64 * inside)


def test_a_deep_network_is_predicted_to_a_factor_of_two() -> None:
    net = RandomNet(5, (1, 6, 6, 3))
    x = net.conv(net.image, 16, activation="RELU", padding="VALID")
    x = net.conv(x, 16, activation="RELU", padding="VALID")
    data = net.finish(net.dense(net.flatten(x), 8))
    feeds = net.feeds(4)
    _, found = measured(data, feeds)
    exact = np.mean([by_channel(input_gradients(data, feed)) for feed in feeds], axis=0)
    ratio = found["image"] / exact
    assert (ratio > 0.5).all()
    assert (ratio < 2).all()


def test_what_the_logits_do_not_depend_on_has_none() -> None:
    net = RandomNet(6)
    aside = net.conv(net.image, 2)
    logits = net.dense(net.image, 2)
    data = net.finish(logits, aside)
    _, found = measured(data, net.feeds(1))
    assert not found[net.name(aside)].any()
    assert found["image"].all()


@given(networks())
@settings(max_examples=40)
def test_any_network_gives_every_tensor_finite_numbers(net: Drawn) -> None:
    assume(net.operators)
    known, found = measured(net.data, net.feeds)
    assert set(found) >= set(known.tensors)
    for tensor, values in found.items():
        assert values.shape == (known.tensors[tensor].channels,)
        assert np.isfinite(values).all()
        assert (values >= 0).all()
