"""Ranges from one streaming pass: against the same statistics computed on all values at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx_foreign import Foreign
from onnx_nets import Net, classifier, images

from edgecnn.errors import InputError
from edgecnn.formats.onnx_file import canonicalize
from edgecnn.formats.onnx_graph import from_proto, name_of, tensors_of
from edgecnn.progress import Silent
from edgecnn.quantize import onnx_ranges as ranges

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

_PARTS = st.lists(
    st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=30), min_size=1, max_size=8
)


def _filled(*parts: NDArray[np.float32]) -> ranges.Histogram:
    histogram = ranges.Histogram()
    for part in parts:
        histogram.add(part)
    return histogram


@given(_PARTS)
def test_every_value_is_counted_once_near_its_place(parts: list[list[float]]) -> None:
    histogram = _filled(*(np.array(part, dtype=np.float32) for part in parts))
    values = np.sort(np.array([v for part in parts for v in part if np.float32(v) != 0.0]))
    assert (histogram.low, histogram.high) == (
        min(min(part) for part in parts),
        max(max(part) for part in parts),
    )
    placed = np.repeat(histogram.centers, histogram.counts)
    bin_width = histogram.centers[1] - histogram.centers[0]
    assert placed.size == values.size
    np.testing.assert_allclose(placed, values, rtol=0, atol=1.01 * bin_width + 1e-30)


@settings(deadline=None)
@given(_PARTS, st.sampled_from(ranges.METHODS))
def test_a_range_holds_zero_and_no_more_than_was_seen(
    parts: list[list[float]], method: ranges.Method
) -> None:
    histogram = _filled(*(np.array(part, dtype=np.float32) for part in parts))
    low, high = ranges.choose(histogram, method)
    assert min(histogram.low, 0.0) <= low <= 0.0 <= high <= max(histogram.high, 0.0)


def test_extremes_are_exact_even_where_the_histogram_skips() -> None:
    values = np.zeros(1 << 20, dtype=np.float32)
    values[12_345], values[77_777] = -3.5, 9.25
    assert ranges.minmax_range(_filled(values)) == (-3.5, 9.25)


def test_mse_range_keeps_a_uniform_tensor() -> None:
    uniform = np.random.default_rng(0).uniform(-2, 6, 60_000).astype(np.float32)
    low, high = ranges.mse_range(_filled(uniform), 1.0)
    assert low < -1.9
    assert high > 5.9


def _squared_error(values: NDArray[np.float32], low: float, high: float) -> float:
    step = (high - low) / (ranges.LEVELS - 1)
    zero = round(-low / step)
    levels = np.clip(np.rint(values / step) + zero, 0, ranges.LEVELS - 1)
    return float(np.square((levels - zero) * step - values).sum())


def test_mse_range_is_within_a_percent_of_the_best_on_a_grid() -> None:
    values = np.random.default_rng(0).laplace(size=60_000).astype(np.float32)
    grid = np.linspace(0.2, 1.0, 40)
    low, high = float(values.min()), float(values.max())
    best = min(_squared_error(values, low * a, high * b) for a in grid for b in grid)
    found = _squared_error(values, *ranges.mse_range(_filled(values), 1.0))
    assert found < 1.01 * best
    assert found < 0.9 * _squared_error(values, low, high)


def test_a_heavier_clipping_weight_clips_less() -> None:
    values = np.random.default_rng(0).laplace(size=60_000).astype(np.float32)
    highs = [ranges.mse_range(_filled(values), weight)[1] for weight in (1.0, 8.0, 64.0)]
    assert highs[0] < highs[1] < highs[2] <= float(values.max())


def test_percentile_range_leaves_out_the_tails_only() -> None:
    values = np.random.default_rng(0).normal(size=60_000).astype(np.float32)
    low, high = ranges.percentile_range(_filled(values))
    assert low == pytest.approx(np.percentile(values, 0.005), abs=0.1)
    assert high == pytest.approx(np.percentile(values, 99.995), abs=0.1)


def _inherited(
    net: Net, result: str, shape: tuple[int, ...], given_: ranges.Ranges
) -> ranges.Ranges:
    return ranges.inherit(from_proto(net.model(result, shape)).graph, given_)


def test_what_feeds_a_maxpool_alone_takes_its_range() -> None:
    net = Net()
    relu = net.node("Relu", "input")
    pool = net.node("MaxPool", relu, kernel_shape=[1, 1])
    result = net.node("Exp", pool)
    found = _inherited(net, result, net.shape, {relu: (0.0, 9.0), pool: (0.0, 2.0)})
    assert found[relu] == found["input"] == (0.0, 2.0)


def test_what_feeds_a_concat_keeps_its_own_range_within_the_result() -> None:
    net = Net()
    small, large = net.node("Exp", "input"), net.node("Neg", "input")
    joined = net.node("Concat", small, large, axis=3)
    result = net.node("Relu", joined)
    found = _inherited(
        net, result, (1, 8, 8, 6), {small: (0.0, 1.0), large: (-8.0, 4.0), "output": (0.0, 7.0)}
    )
    assert found[small] == (0.0, 1.0)
    assert found[large] == (0.0, 4.0)


def test_every_float_tensor_gets_a_range_that_covers_it() -> None:
    model, feeds = canonicalize(from_proto(classifier())), images(5)
    found = ranges.measure(model, iter(feeds), method="minmax")
    assert found["input"] == pytest.approx((0.0, max(float(f.max()) for f in feeds)))
    assert {name_of(value) for value in tensors_of(model.graph)} <= found.keys()


def test_feeds_are_read_once_and_one_at_a_time() -> None:
    alive: list[int] = []

    def feeds() -> Iterator[NDArray[np.float32]]:
        for number, feed in enumerate(images(4)):
            alive.append(number)
            yield feed

    watcher = _Counting()
    ranges.measure(canonicalize(from_proto(classifier())), feeds(), progress=watcher)
    assert alive == [0, 1, 2, 3]
    assert watcher.steps == 4


class _Counting(Silent):
    def __init__(self) -> None:
        super().__init__()
        self.steps = 0

    def advance(self, steps: int = 1) -> None:
        self.steps += steps


def test_no_feeds_are_refused() -> None:
    with pytest.raises(InputError, match="No calibration images"):
        ranges.measure(canonicalize(from_proto(classifier())), [])


def test_a_feed_of_another_shape_is_refused() -> None:
    with pytest.raises(InputError, match=r"\(1, 9, 8, 3\)"):
        ranges.measure(canonicalize(from_proto(classifier())), images(1, shape=(1, 9, 8, 3)))


def test_what_reaches_infinity_has_no_range() -> None:
    net = Foreign()
    x = net.conv(net.input("image", [1, 3, 6, 6]), 3, 4)
    mask = np.where(np.arange(4) % 2, -np.inf, 0).astype(np.float32)
    hidden = net.node("Add", x, net.constant(mask.reshape(4, 1, 1)))
    model = net.model({net.node("Softmax", hidden, axis=1): [1, 4, 4, 4]})
    graph = canonicalize(from_proto(model))
    measured = ranges.measure(graph, images(2, shape=(1, 3, 6, 6)))
    floats = {value.name for node in graph.graph for value in node.outputs}
    assert {node.op_type for node in graph.graph for value in node.outputs
            if value.name in floats - measured.keys()} == {"Add"}  # fmt: skip


def test_activations_that_are_not_finite_are_refused_by_name() -> None:
    feed = images(1)[0]
    feed[0, 3, 3, 1] = np.nan
    with pytest.raises(InputError, match=r"transpose_1.*not finite"):
        ranges.measure(canonicalize(from_proto(classifier())), [images(1)[0], feed])
