"""Statistics of activations: numpy's, whatever the threads, and refused where there are none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import integer_cases as cases
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from hypothesis import assume, given, settings
from random_nets import Drawn, RandomNet, networks, run
from tiny_tflite import TinyModel

from edgecnn.calibration import statistics_file
from edgecnn.calibration.statistics import (
    Statistics,
    TensorStatistics,
    collect,
    parts_of,
    views_joined,
)
from edgecnn.errors import InputError
from edgecnn.formats.tflite_graph import Graph
from edgecnn.progress import Silent

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


def branching(shape: tuple[int, ...] = (1, 6, 6, 3)) -> tuple[RandomNet, bytes]:
    net = RandomNet(0, shape)
    x = net.conv(net.image, 4, activation="RELU")
    x = net.concat([net.depthwise(x), net.pool(x, "MAX_POOL_2D", stride=1)])
    return net, net.finish(net.softmax(net.dense(net.flatten(x), 5)))


def everything(data: bytes, feeds: list[NDArray[np.float32]]) -> dict[str, NDArray[np.float32]]:
    """Every float tensor the graph makes, and its input: (images, ...)."""
    graph = Graph.read(data)
    made = [operator.output for operator in graph.operators]
    found = dict(zip(made, run(graph.tapped(made), feeds), strict=True))
    return {"image": np.stack(feeds), **{tensor.name: x for tensor, x in found.items()}}


def last_read(data: bytes) -> str:
    """What enters the last operator."""
    return Graph.read(data).operators[-1].source.name


def gather(
    data: bytes, feeds: list[NDArray[np.float32]], *, threads: int = 1, seed: int = 0
) -> Statistics:
    return collect(
        Graph.read(data), [[feed] for feed in feeds], answers=[last_read(data)],
        runs=len(feeds), threads=threads, seed=seed,
    )  # fmt: skip


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
    answer = found.answers[last_read(data)]
    np.testing.assert_array_equal(answer, wanted[last_read(data)].reshape(6, 5))


@pytest.mark.parametrize("size", [(71, 37), (1, 1366), (9, 9)])  # in long rows, whole ones or not
def test_extremes_of_large_tensors_are_those_of_every_value(size: tuple[int, int]) -> None:
    net, data = branching((1, *size, 3))
    feeds = net.feeds(2)
    known = gather(data, feeds).tensors
    for tensor, values in everything(data, feeds).items():
        rows = values.reshape(-1, values.shape[-1])
        np.testing.assert_array_equal(known[tensor].low, rows.min(axis=0))
        np.testing.assert_array_equal(known[tensor].high, rows.max(axis=0))


def test_every_convolution_knows_its_inputs() -> None:
    net, data = branching()
    feeds = net.feeds(6)
    found = gather(data, feeds)
    wanted = everything(data, feeds)
    graph = Graph.read(data)
    by_kind = {operator.name: operator for operator in graph.operators}
    assert set(found.layers) == {
        by_kind[name].output.name for name in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
    }
    dense = by_kind["FULLY_CONNECTED"]
    flat = wanted[dense.source.name].reshape(6, -1).astype(np.float64)
    layer = found.layers[dense.output.name]
    np.testing.assert_allclose(layer.mean, flat.mean(axis=0), rtol=1e-5, atol=1e-6)
    assert layer.covariance is not None
    np.testing.assert_allclose(
        layer.covariance, np.cov(flat, rowvar=False, bias=True), rtol=1e-3, atol=1e-5
    )
    assert found.layers[by_kind["DEPTHWISE_CONV_2D"].output.name].mean.shape == (4, 9)


def same(one: Statistics, other: Statistics) -> bool:
    """Equal to the last bit."""
    if any(list(vars(one)[kind]) != list(vars(other)[kind]) for kind in vars(one)):
        return False
    pairs = [(answer, other.answers[name]) for name, answer in one.answers.items()]
    for tensor, known in one.tensors.items():
        twin = other.tensors[tensor]
        pairs += [(known.low, twin.low), (known.high, twin.high), (known.sample, twin.sample)]
    for output, layer in one.layers.items():
        match = other.layers[output]
        if (layer.covariance is None) != (match.covariance is None):
            return False
        pairs += [(layer.mean, match.mean), (layer.power, match.power)]
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
    _, data = branching((1, 48, 48, 3))
    feeds = [np.full((1, 48, 48, 3), value, np.float32) for value in range(8)]
    known = gather(data, feeds).tensors["image"]
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
    name = net.name(bad)
    with pytest.raises(InputError, match=f"'{name}'"):
        gather(data, net.feeds(2))


def test_an_output_that_no_integer_file_can_hold_is_refused() -> None:
    """LiteRT ends its process at the steps of such a file."""
    net = RandomNet(0)
    large = net.conv(net.image, 2, weights=net.normal(2, 3, 3, 3) * np.float32(1e20))
    with pytest.raises(InputError, match=r"reach 1e\+18 or more"):
        gather(net.finish(net.relu(large)), net.feeds(2))


def test_what_is_so_large_inside_is_cut_off_and_told() -> None:
    net = RandomNet(0)
    large = net.conv(net.image, 2, weights=net.normal(2, 3, 3, 3) * np.float32(1e20))
    data = net.finish(net.softmax(net.dense(net.relu(large), 3)))
    known = gather(data, net.feeds(2)).tensors
    assert known[net.name(large)].is_unbounded
    assert np.isfinite(known[net.name(large)].power).all()
    assert not known["image"].is_unbounded


def test_two_outputs_judged_by_one_tensor_and_one_that_is_constant() -> None:
    net = cases.Net()
    x = net.conv(net.image)
    anchors = net.fixed([1.0, 2.0, 3.0], np.float32)
    graph = net.finish(x, anchors)
    name, other = (tensor.name for tensor in graph.outputs)
    asked = [name, name, other]
    known = collect(graph, net.feeds(3), answers=asked, runs=3, threads=1)
    assert known.answers[name].shape == (3, 8, 8, 8)
    np.testing.assert_array_equal(known.answers[other], [1, 2, 3] * 3)


def test_progress_advances_with_every_image() -> None:
    class Counting(Silent):
        steps = 0

        def advance(self, steps: int = 1) -> None:
            self.steps += steps

    net, data = branching()
    progress = Counting()
    feeds = ([feed] for feed in net.feeds(5))
    collect(Graph.read(data), feeds, answers=["image"], runs=5, threads=1, progress=progress)
    assert progress.steps == 5


@settings(max_examples=25)
@given(net=networks())
def test_any_network_is_described_whole_and_survives_the_disk(
    net: Drawn, tmp_path_factory: pytest.TempPathFactory
) -> None:
    assume(net.operators)
    graph = Graph.read(net.data)
    feeds, answers = [[feed] for feed in net.feeds], [graph.outputs[0].name]
    found = collect(graph, feeds, answers=answers, runs=len(feeds), threads=2)
    assert set(found.tensors) == {"image", *graph.by_output()}
    for known in found.tensors.values():
        assert (known.low <= known.sample).all()
        assert (known.sample <= known.high).all()
    folder = tmp_path_factory.mktemp("statistics")
    statistics_file.save(found, folder)
    assert same(statistics_file.load(folder), found)


def test_a_layer_without_covariance_survives_the_disk(tmp_path: Path) -> None:
    net = RandomNet(0, (1, 32, 32, 3))
    data = net.finish(net.softmax(net.dense(net.flatten(net.image), 2)))
    found = gather(data, net.feeds(2))
    (layer,) = found.layers.values()
    assert layer.covariance is None
    statistics_file.save(found, tmp_path)
    assert same(statistics_file.load(tmp_path), found)


def several_ends() -> Graph:
    """Inputs of any rank and dtype, one without elements; a scalar, a vector and integers out."""
    net = TinyModel()
    numbers = net.tensor("float32", (2, 3), name="numbers")
    index = net.tensor("int32", (1,), name="index")
    nothing = net.tensor("float32", (0, 3), name="nothing")
    cube = net.tensor("float32", (1, 2, 1, 2, 3), name="cube")
    axes = net.tensor("int32", (2,), values=np.array([0, 1], np.int32), name="axes")
    total = net.tensor("float32", (), name="total")
    row = net.tensor("float32", (1, 3), name="row")
    best = net.tensor("int64", (2,), name="best")
    axis = net.tensor("int32", (), values=np.array(1, np.int32), name="axis")
    turned = net.tensor("float32", (0, 3), name="turned")
    raised = net.tensor("float32", (1, 2, 1, 2, 3), name="raised")
    net.operator("SUM", [numbers, axes], [total], schema.ReducerOptionsT())
    net.operator("GATHER", [numbers, index], [row], schema.GatherOptionsT())
    options = schema.ArgMaxOptionsT()
    options.outputType = schema.TensorType.INT64
    net.operator("ARG_MAX", [numbers, axis], [best], options)
    net.operator("RELU", [nothing], [turned])
    net.operator("ABS", [cube], [raised])
    net.border([numbers, index, nothing, cube], [total, row, best, raised])
    return Graph.read(net.to_bytes())


def several_feeds(count: int) -> list[list[NDArray[Any]]]:
    random = np.random.default_rng(0)
    return [
        [
            random.standard_normal((2, 3)).astype(np.float32),
            np.array([number % 2], np.int32),
            np.empty((0, 3), np.float32),
            random.standard_normal((1, 2, 1, 2, 3)).astype(np.float32),
        ]
        for number in range(count)
    ]


def test_inputs_and_answers_of_any_number_rank_and_dtype() -> None:
    feeds = several_feeds(4)
    asked = ["total", "best", "row", "index"]
    found = collect(several_ends(), feeds, answers=asked, runs=4, threads=2)
    assert list(found.tensors) == ["numbers", "cube", "total", "row", "raised"]
    numbers = np.stack([feed[0] for feed in feeds])
    np.testing.assert_allclose(found.answers["total"], numbers.sum(axis=(1, 2)), rtol=1e-5)
    assert found.answers["best"].dtype == np.int64
    np.testing.assert_array_equal(found.answers["best"], numbers.argmax(axis=2).reshape(-1))
    assert found.answers["row"].shape == (4, 3)
    assert found.answers["index"].tolist() == [0, 1, 0, 1]
    total, raised = found.tensors["total"], found.tensors["raised"]
    assert (total.channels, raised.channels) == (1, 3)
    cubes = np.abs(np.concatenate([feed[3] for feed in feeds])).reshape(-1, 3)
    np.testing.assert_array_equal(raised.high, cubes.max(axis=0))


def test_answers_of_any_rank_and_dtype_survive_the_disk(tmp_path: Path) -> None:
    found = collect(several_ends(), several_feeds(2), answers=["total", "best"], runs=2, threads=1)
    statistics_file.save(found, tmp_path)
    assert same(statistics_file.load(tmp_path), found)


def test_a_part_of_the_runs_left_out_is_as_if_it_had_not_been_there() -> None:
    net, data = branching()
    feeds = net.feeds(30)
    found = gather(data, feeds)
    left_out = found.parts == 2
    assert 0 < left_out.sum() < 30
    rest = found.without([2])
    wanted = everything(data, [f for f, out in zip(feeds, left_out, strict=True) if not out])
    for tensor, values in wanted.items():
        rows, known = values.reshape(-1, values.shape[-1]), rest.tensors[tensor]
        np.testing.assert_array_equal(known.low, rows.min(axis=0))
        np.testing.assert_array_equal(known.high, rows.max(axis=0))
        assert set(known.sample.flat) <= set(rows.flat)
        assert len(known.sample) * 30 == len(found.tensors[tensor].sample) * (30 - left_out.sum())


def test_views_have_parts_of_their_own_and_can_be_counted_to_their_samples() -> None:
    origin = np.array([0, 1, 2, 0, 1, 2, 0])
    parts = parts_of(origin, 5)
    assert np.array_equal(np.sort(parts[:3]), [0, 1, 2])
    assert np.array_equal(parts[3:], (parts[:3] + 3)[origin[3:]])
    extremes = np.array([[1], [2], [3], [0], [5], [1]], np.float32)
    tensor = TensorStatistics(-extremes, extremes, extremes)
    joined = views_joined(Statistics({"x": tensor}, {}, {}, parts)).tensors["x"]
    assert joined.highs.ravel().tolist() == [1, 5, 3]
    assert joined.lows.ravel().tolist() == [-1, -5, -3]
