"""NAS-Bench-201's networks (arXiv:2001.00326, section 2) from their architecture strings.

A cell has four nodes; "|op~i|" is an operation on node i. The network: a 3 x 3 convolution to 16
channels, five cells, a residual block of stride two, five cells of 32 channels, another block, five
cells of 64, the average, and a dense layer. An operation is ReLU, convolution, normalization.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from edgecnn.latency.cost_builder import CostBuilder, FeatureMap

if TYPE_CHECKING:
    from edgecnn.latency.cost import NetCost

_CELLS = 5
_CHANNELS = (16, 32, 64)
_CLASSES = 10

Cell = tuple[tuple[tuple[str, int], ...], ...]


def parse(arch: str) -> Cell:
    """Each later node's (operation, source node) pairs."""
    nodes = []
    for node in arch.split("+"):
        edges = [edge.rpartition("~") for edge in node.strip("|").split("|")]
        nodes.append(tuple((name, int(source)) for name, _, source in edges))
    return tuple(nodes)


def simplify(cell: Cell) -> Cell:
    """Leave out what is zero, and nodes that the last one never reads.

    The published latencies show how the measured files were made: a node of zeros is no reason to
    leave out what reads it; and once the middle node reads zeros, nothing at all is left out.
    """
    everything = any(name == "none" for name, _ in cell[1])
    needed = {*range(len(cell) + 1)} if everything else {len(cell)}
    kept: list[tuple[tuple[str, int], ...]] = []
    for number in range(len(cell), 0, -1):
        edges = cell[number - 1] if number in needed else ()
        kept.append(tuple(edge for edge in edges if edge[0] != "none"))
        needed |= {source for _, source in kept[-1]}
    return tuple(reversed(kept))


@functools.cache
def expand(arch: str, input_size: int) -> NetCost:
    """The cost of the network with this cell, ten classes."""
    cell = simplify(parse(arch))
    net = CostBuilder()
    x = net.conv(FeatureMap(input_size, input_size, 3), _CHANNELS[0])
    for stage, channels in enumerate(_CHANNELS):
        if stage:
            x = _reduce(net, x, channels)
        for _ in range(_CELLS):
            _cell(net, x, cell)
    net.affine(x)  # the last normalization, with its ReLU
    net.dense(net.flatten(net.mean(x)), _CLASSES)
    net.softmax(FeatureMap(1, 1, _CLASSES))
    return net.cost(arch)


def _cell(net: CostBuilder, x: FeatureMap, cell: Cell) -> None:
    for edges in cell:
        for index, (name, _) in enumerate(edges):
            _operation(net, x, name)
            if index:
                net.add(x, x)


def _operation(net: CostBuilder, x: FeatureMap, name: str) -> None:
    if name.startswith("nor_conv"):
        net.activation(x, "RELU")
        net.conv(x, x.channels, 1 if name == "nor_conv_1x1" else 3)
    elif name == "avg_pool_3x3":
        net.pool(x, 3, padding="same", name="AVERAGE_POOL_2D")


def _reduce(net: CostBuilder, x: FeatureMap, channels: int) -> FeatureMap:
    net.activation(x, "RELU")
    y = net.conv(net.conv(x, channels, stride=2), channels)
    skip = net.pool(x, 2, stride=2, name="AVERAGE_POOL_2D")
    return net.add(y, net.conv(skip, channels, 1))
