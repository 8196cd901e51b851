"""GhostNet (arXiv:1911.11907) and MnasNet-A1 (1807.11626), as osmr/imgclsmob builds them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from edgecnn.latency.cost_builder import CostBuilder, FeatureMap
from published_nets.mobilenet import classify
from published_nets.mobilenet_v3 import squeeze

# Channels, kernel, expansion, squeeze-and-excitation, stride.
_GHOST = (
    (16, 3, 1, 0, 1), (24, 3, 3, 0, 2), (24, 3, 3, 0, 1), (40, 5, 3, 1, 2), (40, 5, 3, 1, 1),
    (80, 3, 6, 0, 2), (80, 3, 2.5, 0, 1), (80, 3, 2.3, 0, 1), (80, 3, 2.3, 0, 1),
    (112, 3, 6, 1, 1), (112, 3, 6, 1, 1), (160, 5, 6, 1, 2), (160, 5, 6, 0, 1),
    (160, 5, 6, 1, 1), (160, 5, 6, 0, 1), (160, 5, 6, 1, 1),
)  # fmt: skip
_MNAS = (
    (24, 3, 6, 0, 2), (24, 3, 6, 0, 1), (40, 5, 3, 1, 2), (40, 5, 3, 1, 1), (40, 5, 3, 1, 1),
    (80, 3, 6, 0, 2), (80, 3, 6, 0, 1), (80, 3, 6, 0, 1), (80, 3, 6, 0, 1),
    (112, 3, 6, 1, 1), (112, 3, 6, 1, 1), (160, 5, 6, 1, 2), (160, 5, 6, 1, 1),
    (160, 5, 6, 1, 1), (320, 3, 6, 0, 1),
)  # fmt: skip

if TYPE_CHECKING:
    from edgecnn.latency.cost import NetCost
    from published_nets.table import Nets


def _depthwise(net: CostBuilder, x: FeatureMap, kernel: int, stride: int = 1) -> FeatureMap:
    return net.depthwise(net.pad(x, kernel // 2), kernel, stride=stride, padding="valid")


def ghostnet(size: int) -> NetCost:
    """GhostNet: half of each layer's channels are depthwise copies of the other half."""
    net = CostBuilder()
    x = net.conv(net.pad(FeatureMap(size, size, 3), 1), 16, stride=2, padding="valid")
    for channels, kernel, expansion, excite, stride in _GHOST:
        expanded = math.ceil(expansion * x.channels)
        skip = x
        if stride > 1 or x.channels != channels:
            skip = net.conv(_depthwise(net, x, 3, stride), channels, 1)
        x = _ghost(net, x, expanded)
        if stride > 1:
            x = _depthwise(net, x, kernel, stride)
        if excite:
            squeeze(net, x, expanded // 4, hard=False)
        x = net.add(_ghost(net, x, channels), skip)
    x = net.conv(net.mean(net.conv(x, 960, 1)), 1280, 1)
    net.flatten(net.conv(x, 1000, 1))
    net.softmax(FeatureMap(1, 1, 1000))
    return net.cost("ghostnet")


def _ghost(net: CostBuilder, x: FeatureMap, channels: int) -> FeatureMap:
    main = net.conv(x, math.ceil(channels / 2), 1)
    return net.concat([main, _depthwise(net, main, 3)])


def mnasnet_a1(size: int) -> NetCost:
    """MnasNet-A1."""
    net = CostBuilder()
    x = net.conv(net.pad(FeatureMap(size, size, 3), 1), 32, stride=2, padding="valid")
    x = net.conv(_depthwise(net, x, 3), 16, 1)
    for channels, kernel, expansion, excite, stride in _MNAS:
        skip = x
        x = _depthwise(net, net.conv(x, skip.channels * expansion, 1), kernel, stride)
        if excite:
            squeeze(net, x, skip.channels * expansion // (4 * expansion), hard=False)
        x = net.conv(x, channels, 1)
        x = net.add(x, skip) if x == skip else x
    classify(net, net.conv(x, 1280, 1), 1000, convolution=False)
    return net.cost("mnasnet_a1")


NETS: Nets = {
    "ghostnet (imgclsmob)": ("ghostnet", ghostnet),
    "mnasnet_a1 (imgclsmob)": ("mnasnet", mnasnet_a1),
}
