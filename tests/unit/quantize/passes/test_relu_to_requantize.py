"""An int8 RELU written as a saturating QUANTIZE: the same steps, and one partition."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from hypothesis import given, settings
from hypothesis import strategies as st
from random_nets import RandomNet, operators, run, snr_db, statistics_of
from tiny_tflite import TinyModel

from edgecnn.formats.tflite_graph import Graph
from edgecnn.quantize import layout, ranges
from edgecnn.quantize.passes import relu_to_requantize
from edgecnn.runtime.litert import LiteRTSession, partitions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from edgecnn.quantize.ranges import Range

ALL_STEPS = np.arange(-128, 128, dtype=np.int8).reshape(1, 16, 16, 1)


def rewritten(data: bytes, known: Mapping[str, Range] | None = None) -> tuple[bytes, int]:
    graph = Graph.read(data)
    count = relu_to_requantize.apply(graph, known or {}).changes
    return graph.write(), count


def lone_relu(
    before: tuple[float, int], after: tuple[float, int], dtype: str = "int8", reader: str = ""
) -> bytes:
    """A RELU between two quantized tensors, and something that reads it."""
    net = TinyModel()
    shape = (1, 16, 16, 1)
    image = net.tensor(dtype, shape, name="image", quantization=before)
    positive = net.tensor(dtype, shape, name="positive", quantization=after)
    net.operator("RELU", [image], [positive])
    output = positive
    if reader:
        output = net.tensor(dtype, shape, name="pooled", quantization=after)
        options = schema.Pool2DOptionsT()
        options.filterHeight = options.filterWidth = options.strideH = options.strideW = 1
        net.operator(reader, [positive], [output], options)
    net.border([image], [output])
    graph = Graph.read(net.to_bytes())
    graph.set_signature()
    return graph.write()


def real(data: bytes, feed: NDArray[np.int8]) -> NDArray[np.float64]:
    session = LiteRTSession(data)
    info: Any = session.outputs[0]
    steps: NDArray[np.float64] = session.run([feed])[0].astype(np.float64) - info.zero_point
    return steps * float(info.scale)


# XNNPACK's RELU demands a ratio of scales in [2^-8, 2^7]; so does its conversion.
@given(
    st.floats(1e-4, 10),
    st.integers(-128, 127),
    st.floats(0.05, 50),
)
@settings(max_examples=80)
def test_every_step_comes_out_as_the_relu_has_it(
    scale: float, zero_point: int, ratio: float
) -> None:
    data = lone_relu((scale, zero_point), (scale / ratio, -128))
    after, count = rewritten(data)
    assert count == 1
    assert operators(after) == ["QUANTIZE"]
    wanted, found = (run(d, [ALL_STEPS])[0].astype(int) for d in (data, after))
    assert np.abs(wanted - found).max() <= 1
    negative = ALL_STEPS.astype(int) <= zero_point
    assert (found[0][negative] == -128).all()


def test_a_range_too_fine_for_xnnpack_is_widened() -> None:
    data = lone_relu((1.0, 0), (1e-5, -128))
    after, count = rewritten(data, {"positive": (0.0, 255e-5)})
    assert count == 1
    assert partitions(after) == (1, {})
    wanted = np.clip(ALL_STEPS.astype(float), 0, 255 / 100)
    np.testing.assert_allclose(real(after, ALL_STEPS), wanted, atol=0.01)


def test_a_shared_scale_is_replaced_by_the_outputs_own() -> None:
    data = lone_relu((0.05, 10), (0.05, 10))
    after, count = rewritten(data, {"positive": (0.0, 5.85)})
    assert count == 1
    np.testing.assert_allclose(real(after, ALL_STEPS), real(data, ALL_STEPS), atol=5.85 / 255)


@pytest.mark.parametrize(
    "data",
    [
        lone_relu((0.05, 10), (0.05, 10)),  # its range is not known
        lone_relu((0.05, 10), (0.05, 10), reader="MAX_POOL_2D"),
        lone_relu((0.05, 0), (0.05, 0), dtype="int16"),
    ],
    ids=["unknown range", "reader demands the scale", "int16"],
)
def test_what_cannot_be_kept_is_left(data: bytes) -> None:
    known = {} if len(operators(data)) == 1 else {"positive": (0.0, 5.0)}
    after, count = rewritten(data, known)
    assert count == 0
    assert operators(after) == operators(data)


def test_a_float_relu_is_left() -> None:
    net = RandomNet(0)
    data = net.finish(net.relu(net.image))
    assert rewritten(data) == (Graph.read(data).write(), 0)


def residual_int8(seed: int, blocks: int, *, pool: bool) -> tuple[bytes, list[NDArray[np.int8]]]:
    """Pre-activation blocks as Xception has them, laid out."""
    net = RandomNet(seed)
    x = net.conv(net.image, 4)
    for _ in range(blocks):
        x = net.sum_of(net.depthwise(net.conv(net.relu(x), 4)), x)
    if pool:
        x = net.pool(net.relu(x), "MAX_POOL_2D")
    data = net.finish(net.dense(net.flatten(net.relu(x)), 5))
    known, _ = statistics_of(data, net.feeds(8))
    graph = Graph.read(data)
    layout.lay_out(graph, ranges.choose(known.tensors, "minmax"), 8)
    quantized = graph.write()
    info: Any = LiteRTSession(quantized).inputs[0]
    feeds = [np.rint(f / info.scale + info.zero_point).clip(-128, 127) for f in net.feeds()]
    return quantized, [feed.astype(np.int8) for feed in feeds]


@given(seed=st.integers(0, 2**16), blocks=st.integers(1, 3), pool=st.booleans())
@settings(max_examples=15)
def test_a_residual_network_becomes_one_partition_with_the_same_answers(
    *, seed: int, blocks: int, pool: bool
) -> None:
    data, feeds = residual_int8(seed, blocks, pool=pool)
    after, count = rewritten(data)
    assert count == operators(data).count("RELU") == blocks + 1 + pool
    assert partitions(after) == (1, {})
    assert partitions(data)[0] > 1
    zero: Any = LiteRTSession(data).outputs[0].zero_point
    wanted, found = (run(d, feeds)[0].astype(float) - zero for d in (data, after))
    # A step of one RELU's output becomes more on the way to the end; int8's own noise is larger.
    assert snr_db(wanted, found) > 25
