"""The fewest layers in float: the order follows the error, and what is chosen is measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from random_nets import RandomNet, statistics_of

from edgecnn.formats.tflite_graph import Graph
from edgecnn.quantize import float_cost, integer
from edgecnn.quantize.float_cost import FloatCost
from edgecnn.quantize.float_layers import LayerNode, Trade
from edgecnn.quantize.mixed import Mixture
from edgecnn.quantize.noise_flow import Contribution

if TYPE_CHECKING:
    from numpy.typing import NDArray


def chain(rounding: dict[str, float], weights: dict[str, float] | None = None) -> Trade:
    """Layers one after the other, the last one's output an end."""
    names = list(rounding)
    nodes = [
        LayerNode(name, (names[place - 1],) if place else (), moves=False)
        for place, name in enumerate(names)
    ]
    found = {n: Contribution(rounding[n], (weights or {}).get(n, 0.0)) for n in names}
    return Trade(nodes, found, [names[-1]])


def test_a_tensor_is_spared_when_its_maker_and_its_reader_are_in_float() -> None:
    trade = chain({"a": 1.0, "b": 8.0, "c": 2.0, "d": 4.0})
    assert trade.left(frozenset()) == 15
    assert trade.left(frozenset("b")) == 15
    assert trade.left(frozenset("bc")) == 7
    assert trade.left(frozenset("abcd")) == 4  # the end is rounded in any case
    assert trade.order(frozenset(), by_cost=False)[0] == {"b", "c"}


def test_weights_are_spared_by_their_own_layer_alone() -> None:
    trade = chain({"a": 0.0, "b": 0.1, "c": 0.0}, {"a": 5.0, "b": 1.0})
    groups = trade.order(frozenset(), by_cost=False)
    assert groups[0] == {"a"}
    assert frozenset().union(*groups) == {"a", "b", "c"}


def test_what_moves_steps_rounds_only_behind_a_float_layer() -> None:
    nodes = [LayerNode("conv", (), moves=False), LayerNode("pool", ("conv",), moves=True)]
    found = {"conv": Contribution(1.0, 0.0), "pool": Contribution(1.0, 0.0)}
    trade = Trade([*nodes, LayerNode("next", ("pool",), moves=False)], found, ["next"])
    assert trade.left(frozenset()) == 1
    assert trade.left(frozenset({"conv", "pool"})) == 1  # spared before the pool, rounded behind it
    assert trade.left(frozenset({"conv", "pool", "next"})) == 0


def priced(costs: dict[str, FloatCost], rounding: dict[str, float]) -> Trade:
    """Layers one after the other, each at its price."""
    names = list(costs)
    nodes = [
        LayerNode(name, (names[place - 1],) if place else (), moves=False, cost=costs[name])
        for place, name in enumerate(names)
    ]
    return Trade(nodes, {n: Contribution(0.0, rounding[n]) for n in names}, [])


def test_the_order_by_cost_takes_what_is_cheap_for_what_it_mends() -> None:
    costs = {"dear": FloatCost(100.0), "cheap": FloatCost(1.0), "idle": FloatCost(1.0)}
    trade = priced(costs, {"dear": 5.0, "cheap": 2.0, "idle": 0.0})
    assert trade.order(frozenset(), by_cost=False)[0] == {"dear"}
    assert trade.order(frozenset(), by_cost=True)[0] == {"cheap"}


def test_conversions_cost_where_float_meets_integer_and_a_gap_that_is_filled_saves_them() -> None:
    trade = priced(dict.fromkeys("abc", FloatCost(1.0, 10.0)), dict.fromkeys("abc", 1.0))
    assert trade.cost(frozenset()) == 0
    assert trade.cost(frozenset("b")) == 1 + 2 * 10  # what it reads, and what it makes
    assert trade.cost(frozenset("ac")) == 2 + 2 * 10
    assert trade.cost(frozenset("abc")) == 3  # nothing reads the last one's
    assert trade.spares(frozenset("abc")) == []  # without any there would be more conversions
    assert trade.spares(frozenset("ac")) == ["a", "c"]


@pytest.mark.parametrize("stride", [1, 2])
def test_a_convolution_costs_its_multiply_accumulates_and_more(stride: int) -> None:
    net = RandomNet(3)
    x = net.conv(net.image, 8, stride=stride)
    graph = Graph.read(net.finish(net.dense(net.flatten(x), 5)))
    conv = next(op for op in graph.operators if op.name == "CONV_2D")
    kernel = conv.read[1]
    macs = conv.output.elements * kernel.elements // 8
    cost = float_cost.of(conv)
    assert macs + 15 * kernel.elements < cost.layer < macs + 15 * kernel.elements + 10**5
    assert cost.crossing > 12 * conv.output.elements


def spoilt_network() -> tuple[bytes, list[NDArray[np.float32]]]:
    """One layer's range is far too wide for all but one channel: int8 loses the others there."""
    net = RandomNet(5)
    x = net.conv(net.image, 8, activation="RELU")
    x = net.conv(x, 8, activation="RELU6")  # nothing scales through a RELU6: no way to equalize
    loud = np.array([60.0, *[1.0] * 7], np.float32)
    x = net.relu6(net.mul(x, loud))
    x = net.mul(x, np.array([0.01, *[1.0] * 7], np.float32))
    x = net.conv(x, 8, activation="RELU6")
    return net.finish(net.dense(net.flatten(x), 5)), net.feeds(12)


@pytest.fixture(scope="module")
def mixture() -> Mixture:
    data, feeds = spoilt_network()
    known, logits = statistics_of(data, feeds)
    made = integer.quantize(
        Graph.read(data),
        known,
        judged=[logits],
        activation_bits=8,
        method="minmax",
        with_source=True,
    )
    given = [[feed] for feed in feeds]
    return Mixture(made, given, known.answers, float_ends=True, threads=1)


def test_the_predicted_error_is_near_the_measured_one(mixture: Mixture) -> None:
    trade = mixture._trade  # noqa: SLF001 - the very thing to be held against the measurement
    (reference,) = mixture._reference.values()  # noqa: SLF001 - likewise
    signal = float(np.square(reference - reference.mean(axis=0)).sum()) / len(reference)
    predicted_db = 10 * np.log10(signal / trade.left(frozenset()))
    assert predicted_db == pytest.approx(mixture.snr_db(frozenset()), abs=3)


def test_no_more_layers_than_are_needed_and_none_can_be_left_out(mixture: Mixture) -> None:
    before_db = mixture.snr_db(frozenset())
    everything_db = mixture.snr_db(mixture.everything())
    assert everything_db > before_db + 5
    assert mixture.cheapest(before_db - 1) == frozenset()
    assert mixture.cheapest(everything_db + 1) is None
    sizes = []
    for wanted_db in np.linspace(before_db + 1, everything_db - 1, 4):
        kept = mixture.cheapest(float(wanted_db))
        assert kept
        assert mixture.snr_db(kept) >= wanted_db
        for name in kept:
            assert mixture.snr_db(kept - {name}) < wanted_db
        assert len(mixture.build(kept).write()) > len(mixture.build(frozenset()).write())
        sizes.append(len(kept))
    assert sizes[0] < sizes[-1]


def test_the_file_is_the_same_every_time(mixture: Mixture) -> None:
    wanted_db = mixture.snr_db(frozenset()) + 2
    kept = mixture.cheapest(wanted_db)
    assert kept is not None
    graph = mixture.build(kept)
    assert graph.write() == mixture.build(kept).write()
    assert any(tensor.dtype == "FLOAT32" for tensor in graph.tensors)


def test_what_only_moves_between_two_float_layers_is_not_rounded() -> None:
    net = RandomNet(6)
    before = net.conv(net.image, 8, activation="RELU")
    moved = net.reshape(before, (1, 4, 16, 8))
    behind = net.conv(moved, 8, activation="RELU")
    data, feeds = net.finish(net.dense(net.flatten(behind), 5)), net.feeds(8)
    known, logits = statistics_of(data, feeds)
    made = integer.quantize(
        Graph.read(data), known, judged=[logits], activation_bits=8, with_source=True
    )
    mixture = Mixture(made, [[f] for f in feeds], known.answers, float_ends=True, threads=1)
    kept = mixture.build(frozenset({net.name(before), net.name(behind)}))
    assert kept.by_output()[net.name(moved)].output.dtype == "FLOAT32"
    alone = mixture.build(frozenset({net.name(before)}))
    assert alone.by_output()[net.name(moved)].output.dtype == "INT8"
