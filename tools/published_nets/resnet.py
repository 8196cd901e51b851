"""ResNets (arXiv:1512.03385), with squeeze-and-excitation (1709.01507), and RegNetX (2003.13678).

ResNet-50 v1.5 strides in its 3 x 3 convolutions; osmr/imgclsmob writes zero padding as operators.
"""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING

from edgecnn.latency.cost_builder import CostBuilder, FeatureMap
from published_nets.mobilenet import classify
from published_nets.mobilenet_v3 import squeeze

if TYPE_CHECKING:
    from edgecnn.latency.cost import NetCost
    from published_nets.table import Nets

_STAGES = (64, 128, 256, 512)
_SE_REDUCTION = 16


def bottleneck_stages(net: CostBuilder, size: int, repeats: tuple[int, ...]) -> list[FeatureMap]:
    """ResNet v1.5 of bottlenecks; returns each stage's output."""
    x = net.conv(net.pad(FeatureMap(size, size, 3), 3), 64, 7, stride=2, padding="valid")
    x = net.pool(x, 3, stride=2, padding="same")
    outputs = []
    for stage, (channels, count) in enumerate(zip(_STAGES, repeats, strict=True)):
        for number in range(count):
            stride = 2 if stage and number == 0 else 1
            skip = x if number else net.conv(x, channels * 4, 1, stride=stride)
            inside = net.conv(x, channels, 1)
            if stride > 1:
                inside = net.conv(net.pad(inside, 1), channels, stride=2, padding="valid")
            else:
                inside = net.conv(inside, channels)
            x = net.add(net.conv(inside, channels * 4, 1), skip)
        outputs.append(x)
    return outputs


def resnet50(size: int) -> NetCost:
    """MLPerf's ResNet-50 v1.5."""
    net = CostBuilder()
    x = bottleneck_stages(net, size, (3, 4, 6, 3))[-1]
    classify(net, x, 1001, convolution=False)
    return net.cost("resnet50_v1.5")


def basic(size: int, *, repeats: tuple[int, ...], excite: bool) -> NetCost:
    """A ResNet of two 3 x 3 convolutions a block, as osmr/imgclsmob writes it."""
    net = CostBuilder()
    x = osmr_stem(net, size)
    for stage, (channels, count) in enumerate(zip(_STAGES, repeats, strict=True)):
        for number in range(count):
            stride = 2 if stage and number == 0 else 1
            skip = x if number or not stage else net.conv(x, channels, 1, stride=stride)
            inside = net.conv(net.pad(x, 1), channels, stride=stride, padding="valid")
            x = net.conv(net.pad(inside, 1), channels, padding="valid")
            if excite:
                squeeze(net, x, channels // _SE_REDUCTION, hard=False)
            net.add(x, skip)
    classify(net, x, 1000, convolution=False)
    return net.cost(f"resnet{2 + 2 * sum(repeats)}")


def osmr_stem(net: CostBuilder, size: int) -> FeatureMap:
    """A 7 x 7 convolution and a pooling, both of stride two, padded by operators."""
    x = net.conv(net.pad(FeatureMap(size, size, 3), 3), 64, 7, stride=2, padding="valid")
    return net.pool(net.pad(x, 1), 3, stride=2)


def regnet(
    size: int, *, initial: int, slope: float, ratio: float, depth: int, group: int
) -> NetCost:
    """RegNetX: widths from the paper's equations 2 to 4, rounded to eights and to groups."""
    net = CostBuilder()
    x = net.conv(net.pad(FeatureMap(size, size, 3), 1), 32, stride=2, padding="valid")
    for channels, count in _regnet_stages(initial, slope, ratio, depth, group):
        for number in range(count):
            stride = 1 if number else 2
            skip = x if number else net.conv(x, channels, 1, stride=2)
            inside = net.pad(net.conv(x, channels, 1), 1)
            inside = net.conv(
                inside, channels, stride=stride, padding="valid", groups=channels // group
            )
            x = net.add(net.conv(inside, channels, 1), skip)
    classify(net, x, 1000, convolution=False)
    return net.cost("regnetx")


def _regnet_stages(
    initial: int, slope: float, ratio: float, depth: int, group: int
) -> list[tuple[int, int]]:
    counts: dict[int, int] = {}
    for index in range(depth):
        step = round(math.log((initial + slope * index) / initial) / math.log(ratio))
        channels = round(initial * ratio**step / 8) * 8
        channels = round(channels / group) * group
        counts[channels] = counts.get(channels, 0) + 1
    return sorted(counts.items())


NETS: Nets = {
    "resnet50_v1.5(mlperf)": ("resnet", resnet50),
    "resnet10 (imgclsmob)": (
        "resnet",
        functools.partial(basic, repeats=(1, 1, 1, 1), excite=False),
    ),
    "seresnet18 (imgclsmob)": (
        "resnet",
        functools.partial(basic, repeats=(2, 2, 2, 2), excite=True),
    ),
    "regnetx004 (imgclsmob)": (
        "regnet",
        functools.partial(regnet, initial=24, slope=24.48, ratio=2.54, depth=22, group=16),
    ),
    "regnetx016 (imgclsmob)": (
        "regnet",
        functools.partial(regnet, initial=80, slope=34.01, ratio=2.25, depth=18, group=24),
    ),
}
