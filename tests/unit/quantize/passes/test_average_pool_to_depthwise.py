"""An average pool that strides over its window is the same function as a depthwise convolution."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from random_nets import RandomNet, operators, same_function

from edgecnn.formats.tflite_graph import Graph
from edgecnn.quantize.passes import average_pool_to_depthwise
from edgecnn.runtime.litert import partitions


def rewritten(data: bytes) -> bytes:
    graph = Graph.read(data)
    average_pool_to_depthwise.apply(graph)
    return graph.write()


@given(
    st.integers(3, 12),
    st.integers(1, 3),
    st.integers(1, 4),
    st.integers(1, 5),
    st.sampled_from(["SAME", "VALID"]),
)
@settings(max_examples=60)
def test_any_pool_stays_the_same_function(
    size: int, kernel: int, stride: int, channels: int, padding: str
) -> None:
    net = RandomNet(0, (1, size, size, channels))
    pool = net.pool(net.image, "AVERAGE_POOL_2D", kernel=kernel, stride=stride, padding=padding)
    data = net.finish(pool)
    after = rewritten(data)
    changes = stride > kernel and padding == "VALID"
    assert operators(after) == ["DEPTHWISE_CONV_2D" if changes else "AVERAGE_POOL_2D"]
    same_function(data, after, net.feeds(), 100)


def test_it_joins_the_partitions() -> None:
    net = RandomNet(0, (1, 12, 12, 3))
    x = net.pool(net.conv(net.image, 8), "AVERAGE_POOL_2D", stride=3, padding="VALID")
    data = net.finish(net.conv(x, 4))
    assert partitions(data)[0] == 2
    assert partitions(rewritten(data)) == (1, {})
