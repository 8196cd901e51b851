"""EfficientNet-Lite (tensorflow/tpu, models/official/efficientnet/lite) and EfficientNet-EdgeTPU.

Lite: arXiv:1905.11946's table 1 without squeeze-and-excitation, with ReLU6, and with stem and head
not scaled.
"""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING

from edgecnn.latency.cost_builder import CostBuilder, FeatureMap
from published_nets.mobilenet import classify
from published_nets.scaling import divisible

# Kernel, repeats, channels, expansion, stride.
_B0 = (
    (3, 1, 16, 1, 1), (3, 2, 24, 6, 2), (5, 2, 40, 6, 2), (3, 3, 80, 6, 2),
    (5, 3, 112, 6, 1), (5, 4, 192, 6, 2), (3, 1, 320, 6, 1),
)  # fmt: skip
_LITE = {0: (1.0, 1.0), 1: (1.0, 1.1), 2: (1.1, 1.2), 3: (1.2, 1.4), 4: (1.4, 1.8)}
# EfficientNet-EdgeTPU-medium, as osmr/imgclsmob has it; the same columns.
_EDGE = (
    (3, 2, 24, 4, 1), (3, 3, 32, 8, 2), (3, 5, 48, 8, 2),
    (5, 6, 96, 8, 2), (5, 5, 144, 8, 1), (5, 3, 192, 8, 2),
)  # fmt: skip
_FUSED_STAGES = 3
_EDGE_SIZE = 240

if TYPE_CHECKING:
    from edgecnn.latency.cost import NetCost
    from published_nets.table import Nets


def lite(size: int, *, variant: int) -> NetCost:
    """EfficientNet-Lite 0 to 4."""
    width, depth = _LITE[variant]
    net = CostBuilder()
    x = net.conv(FeatureMap(size, size, 3), 32, stride=2)
    for index, (kernel, repeats, channels, expansion, stride) in enumerate(_B0):
        fixed = index in {0, len(_B0) - 1}  # their repeats are not scaled
        for number in range(repeats if fixed else math.ceil(repeats * depth)):
            x = _inverted(net, x, kernel, divisible(channels * width), expansion,
                          1 if number else stride)  # fmt: skip
    classify(net, net.conv(x, 1280, 1), 1000, convolution=False)
    return net.cost(f"efficientnet_lite{variant}")


def _inverted(
    net: CostBuilder, x: FeatureMap, kernel: int, channels: int, expansion: int, stride: int
) -> FeatureMap:
    skip = x
    if expansion > 1:
        x = net.conv(x, x.channels * expansion, 1)
    x = net.conv(net.depthwise(x, kernel, stride=stride), channels, 1)
    return net.add(x, skip) if x == skip else x


def edge_medium(_: int) -> NetCost:
    """EfficientNet-EdgeTPU-medium; osmr/imgclsmob builds it for 240 x 240 inputs alone."""
    net = CostBuilder()
    x = net.conv(net.pad(FeatureMap(_EDGE_SIZE, _EDGE_SIZE, 3), 1), 32, stride=2, padding="valid")
    for index, (kernel, repeats, channels, expansion, first) in enumerate(_EDGE):
        for number in range(repeats):
            stride = 1 if number else first
            skip = x
            # The first stage expands its output's channels, and has no skips.
            inside = (channels if index == 0 else x.channels) * expansion
            if index < _FUSED_STAGES:
                x = net.conv(net.pad(x, 1), inside, padding="valid")
                x = net.conv(x, channels, 1, stride=stride)
            else:
                x = net.pad(net.conv(x, inside, 1), kernel // 2)
                x = net.conv(net.depthwise(x, kernel, stride=stride, padding="valid"), channels, 1)
            if x == skip and index > 0:
                net.add(x, skip)
    classify(net, net.conv(x, 1280, 1), 1000, convolution=False)
    return net.cost("efficientnet_edge_medium_b")


NETS: Nets = {
    **{
        f"efficientnet_lite{variant}": (
            "efficientnet",
            functools.partial(lite, variant=variant),
        )
        for variant in _LITE
    },
    "efficientnet_edge_medium_b (imgclsmob)": ("efficientnet", edge_medium),
}
