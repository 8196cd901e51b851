"""Statistics of activations: numpy's, whatever the threads, and refused where there are none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from random_nets import Drawn, RandomNet, networks, run

from edgecnn.calibration import statistics
from edgecnn.calibration.statistics import Statistics, collect
from edgecnn.errors import InputError
from edgecnn.formats import tflite_file as tfl
from edgecnn.progress import Silent

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


def branching(shape: tuple[int, ...] = (1, 6, 6, 3)) -> tuple[RandomNet, bytes]:
    net = RandomNet(0, shape)
    x = net.conv(net.image, 4, activation="RELU")
    x = net.concat([net.depthwise(x), net.pool(x, "MAX_POOL_2D", stride=1)])
    return net, net.finish(net.softmax(net.dense(net.flatten(x), 5)))


def everything(data: bytes, feeds: list[NDArray[np.float32]]) -> dict[int, NDArray[np.float32]]:
    """Every float tensor the graph makes, and its input: (images, ...)."""
    model = tfl.read(data)
    graph = tfl.main_graph(model)
    made = sorted(tfl.producers(graph))
    found = dict(zip(made, run(statistics.tap(model, made), feeds), strict=True))
    return {int(graph.inputs[0]): np.stack(feeds), **found}


def logits_of(data: bytes) -> int:
    """What enters the last operator."""
    return int(tfl.main_graph(tfl.read(data)).operators[-1].inputs[0])


def gather(
    data: bytes, feeds: list[NDArray[np.float32]], *, threads: int = 1, seed: int = 0
) -> Statistics:
    return collect(
        data, feeds, logits=logits_of(data), images=len(feeds), threads=threads, seed=seed
    )


def test_extremes_samples_and_logits_are_those_of_every_value() -> None:
    net, data = branching()
    feeds = net.feeds(6)
    found = gather(data, feeds)
    wanted = everything(data, feeds)
    assert set(found.tensors) == set(wanted)
    for tensor, values in wanted.items():
        rows = values.reshape(-1, values.shape[-1])
        known = found.tensors[tensor]
        np.testing.assert_array_equal(known.low, rows.min(axis=0))
        np.testing.assert_array_equal(known.high, rows.max(axis=0))
        assert (known.minimum, known.maximum) == (rows.min(), rows.max())
        # So few positions that all of them are in the sample.
        np.testing.assert_array_equal(np.sort(known.sample, axis=0), np.sort(rows, axis=0))
        np.testing.assert_allclose(known.power, np.square(rows, dtype=np.float64).mean(axis=0))
        np.testing.assert_allclose(known.active, (rows > 0).mean(axis=0))
        assert known.channels == values.shape[-1]
    np.testing.assert_array_equal(found.logits, wanted[logits_of(data)].reshape(6, 5))


def test_every_convolution_knows_its_inputs() -> None:
    net, data = branching()
    feeds = net.feeds(6)
    found = gather(data, feeds)
    wanted = everything(data, feeds)
    model = tfl.read(data)
    graph = tfl.main_graph(model)
    by_name = {tfl.operator_name(model, op): op for op in graph.operators}
    assert set(found.layers) == {
        int(by_name[name].outputs[0])
        for name in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
    }
    dense = by_name["FULLY_CONNECTED"]
    flat = wanted[int(dense.inputs[0])].reshape(6, -1).astype(np.float64)
    layer = found.layers[int(dense.outputs[0])]
    np.testing.assert_allclose(layer.mean, flat.mean(axis=0), rtol=1e-5, atol=1e-6)
    assert layer.covariance is not None
    np.testing.assert_allclose(
        layer.covariance, np.cov(flat, rowvar=False, bias=True), rtol=1e-3, atol=1e-5
    )
    assert found.layers[int(by_name["DEPTHWISE_CONV_2D"].outputs[0])].mean.shape == (4, 9)


def same(one: Statistics, other: Statistics) -> bool:
    """Equal to the last bit."""
    pairs = [(one.logits, other.logits)]
    if set(one.tensors) != set(other.tensors) or set(one.layers) != set(other.layers):
        return False
    for tensor, known in one.tensors.items():
        twin = other.tensors[tensor]
        pairs += [(known.low, twin.low), (known.high, twin.high), (known.sample, twin.sample)]
    for output, layer in one.layers.items():
        match = other.layers[output]
        if (layer.covariance is None) != (match.covariance is None):
            return False
        pairs += [(layer.mean, match.mean), (layer.power, match.power)]  # type: ignore[list-item] # float64
        if layer.covariance is not None and match.covariance is not None:
            pairs.append((layer.covariance, match.covariance))
    return all(np.array_equal(left, right) for left, right in pairs)


def test_threads_change_nothing_and_a_seed_repeats() -> None:
    net, data = branching((1, 48, 48, 3))  # large enough that positions are drawn
    feeds = net.feeds(4)
    first = gather(data, feeds)
    assert same(first, gather(data, feeds))
    assert same(first, gather(data, feeds, threads=3))
    assert not same(first, gather(data, feeds, seed=1))


def test_a_sample_is_drawn_from_every_image_and_bounded() -> None:
    net, data = branching((1, 48, 48, 3))
    feeds = [np.full((1, 48, 48, 3), value, np.float32) for value in range(8)]
    known = gather(data, feeds).tensors[net.image]
    assert len(known.sample) < 8 * 48 * 48
    values, counts = np.unique(known.sample[:, 0], return_counts=True)
    assert values.tolist() == list(range(8))
    assert len(set(counts.tolist())) == 1


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_feed_that_is_not_finite_is_refused_by_name(value: float) -> None:
    net, data = branching()
    feeds = net.feeds(3)
    feeds[1][0, 2, 2, 1] = value
    with np.errstate(invalid="ignore"), pytest.raises(InputError, match="'image'") as caught:
        gather(data, feeds)
    assert "NaN" in caught.value.hint


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_weights_that_are_nan_are_refused_by_their_tensors_name() -> None:
    net = RandomNet(0)
    x = net.relu(net.conv(net.image, 4))
    weights = net.normal(2, 3, 3, 4)
    weights[1, 1, 1, 1] = np.nan
    bad = net.conv(x, 2, weights=weights)
    data = net.finish(net.softmax(net.dense(bad, 3)))
    name = tfl.tensor_name(net.tensors[bad])
    with pytest.raises(InputError, match=f"'{name}'"):
        gather(data, net.feeds(2))


def test_progress_advances_with_every_image() -> None:
    class Counting(Silent):
        steps = 0

        def advance(self, steps: int = 1) -> None:
            self.steps += steps

    net, data = branching()
    progress = Counting()
    collect(data, iter(net.feeds(5)), logits=0, images=5, threads=1, progress=progress)
    assert progress.steps == 5


def test_a_tap_leaves_the_model_as_it_was() -> None:
    _, data = branching()
    model = tfl.read(data)
    before = tfl.write(model)
    tapped = statistics.tap(model, [0, 4])
    assert tfl.write(model) == before
    assert list(tfl.main_graph(tfl.read(tapped)).outputs) == [0, 4]


@settings(max_examples=25)
@given(net=networks())
def test_any_network_is_described_whole_and_survives_the_disk(
    net: Drawn, tmp_path_factory: pytest.TempPathFactory
) -> None:
    if not net.operators:
        return
    model = tfl.read(net.data)
    logits = int(tfl.main_graph(model).outputs[0])
    found = collect(net.data, net.feeds, logits=logits, images=len(net.feeds), threads=2)
    assert set(found.tensors) == {0, *tfl.producers(tfl.main_graph(model))}
    for known in found.tensors.values():
        assert (known.low <= known.sample).all()
        assert (known.sample <= known.high).all()
    folder = tmp_path_factory.mktemp("statistics")
    statistics.save(found, folder)
    assert same(statistics.load(folder), found)


def test_a_layer_without_covariance_survives_the_disk(tmp_path: Path) -> None:
    net = RandomNet(0, (1, 32, 32, 3))
    data = net.finish(net.softmax(net.dense(net.flatten(net.image), 2)))
    found = gather(data, net.feeds(2))
    (layer,) = found.layers.values()
    assert layer.covariance is None
    statistics.save(found, tmp_path)
    assert same(statistics.load(tmp_path), found)
