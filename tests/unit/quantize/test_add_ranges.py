"""A branch that vanishes in its sum: coarser steps, one partition, the same sum."""

from __future__ import annotations

import numpy as np
import pytest
from random_nets import RandomNet, logits_of, statistics_of

from edgecnn import parity
from edgecnn.formats.tflite_graph import Graph
from edgecnn.quantize import add_ranges, integer
from edgecnn.runtime.litert import partitions


def residual(share: float, *, relu: bool = False, pooled: bool = False) -> tuple[RandomNet, bytes]:
    """Image -> conv -> (+ a branch `share` as large) -> classes."""
    net = RandomNet(1)
    trunk = net.conv(net.image, 4)
    branch = net.conv(trunk, 4)
    if pooled:
        branch = net.pool(branch, "MAX_POOL_2D", kernel=3, stride=1)
    if relu:
        branch = net.relu(branch)
    total = net.sum_of(trunk, branch)
    data = net.finish(net.dense(net.flatten(total), 5))
    graph = Graph.read(data)
    # The branch's own weights and bias make it small: all before it stays as it is.
    convolutions = [op for op in graph.operators if op.name == "CONV_2D"]
    for tensor in convolutions[1].read[1:]:
        assert tensor.data is not None
        tensor.data = tensor.data * np.float32(share)
    return net, graph.write()


@pytest.mark.parametrize("between", ["", "relu", "pooled"])
@pytest.mark.parametrize("share", [1.0, 1e-2, 1e-5, 1e-7])
def test_every_sum_is_delegated_and_stays_as_close(share: float, between: str) -> None:
    net, data = residual(share, relu=between == "relu", pooled=between == "pooled")
    known, logits = statistics_of(data, net.feeds())
    made = integer.quantize(
        Graph.read(data), known, judged=[logits], activation_bits=8, method="minmax"
    ).graph.write()
    assert partitions(made)[0] == 1
    feeds = net.feeds()
    found = parity.snr_db(logits_of(data, feeds), logits_of(made, feeds))
    assert found is not None
    assert found > 20


def test_only_what_vanishes_is_widened_and_only_so_far() -> None:
    _, data = residual(1.0)
    graph = Graph.read(data)
    add = next(op for op in graph.operators if op.name == "ADD")
    trunk, branch, total = (tensor.name for tensor in (*add.read, add.output))
    ranges = {trunk: (-1.0, 1.0), branch: (-1e-6, 3e-6), total: (-1.0, 1.0)}
    assert add_ranges.widen(graph, ranges) == 1
    assert ranges[trunk] == ranges[total] == (-1.0, 1.0)
    low, high = ranges[branch]
    assert high - low == pytest.approx(2e-3)
    assert high == pytest.approx(-3 * low)  # the zero point stays
    assert add_ranges.widen(graph, ranges) == 0


def test_a_branch_that_others_read_too_is_left_alone() -> None:
    net = RandomNet(2)
    trunk, branch = net.conv(net.image, 4), net.conv(net.image, 4)
    total = net.sum_of(net.sum_of(trunk, branch), branch)
    graph = Graph.read(net.finish(net.dense(net.flatten(total), 3)))
    limits = {trunk: (-1.0, 1.0), branch: (-1e-6, 1e-6), total: (-1.0, 1.0)}
    ranges = {net.name(tensor): each for tensor, each in limits.items()}
    before = dict(ranges)
    assert add_ranges.widen(graph, ranges) == 0
    assert ranges == before
