"""DenseNet (arXiv:1608.06993), VoVNet-27-slim (1904.09730) and HRNet-W18-small-v1 (1908.07919).

As osmr/imgclsmob builds them: zero padding is an operator of its own.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from edgecnn.latency.cost_builder import CostBuilder, FeatureMap
from published_nets.mobilenet import classify
from published_nets.resnet import osmr_stem

if TYPE_CHECKING:
    from edgecnn.latency.cost import NetCost
    from published_nets.table import Nets

_GROWTH = 32
_VOV = ((128, 64), (256, 80), (384, 96), (512, 112))  # channels, channels of a branch
_VOV_BRANCHES = 5
_HR_WIDTHS = (16, 32, 64, 128)
_HR_FINAL = (128, 256, 512, 1024)


def _conv3(net: CostBuilder, x: FeatureMap, channels: int, stride: int = 1) -> FeatureMap:
    return net.conv(net.pad(x, 1), channels, stride=stride, padding="valid")


def densenet(size: int, *, repeats: tuple[int, ...]) -> NetCost:
    """DenseNet-BC: the normalization before each bottleneck stays a product and a sum."""
    net = CostBuilder()
    x = osmr_stem(net, size)
    for stage, count in enumerate(repeats):
        if stage:
            x = net.conv(net.affine(x), x.channels // 2, 1)
            x = net.pool(x, 2, stride=2, name="AVERAGE_POOL_2D")
        for _ in range(count):
            inside = net.conv(net.affine(x), 4 * _GROWTH, 1)
            x = net.concat([x, _conv3(net, inside, _GROWTH)])
    classify(net, net.affine(x), 1000, convolution=False)
    return net.cost("densenet")


def vovnet27s(size: int) -> NetCost:
    """VoVNet-27-slim: five convolutions in a row, joined once at the end."""
    net = CostBuilder()
    x = _conv3(net, FeatureMap(size, size, 3), 64, 2)
    x = _conv3(net, _conv3(net, x, 64), 128, 2)
    for stage, (channels, branch) in enumerate(_VOV):
        if stage:
            x = net.pool(x, 3, stride=2, padding="same")
        outputs = [x]
        for _ in range(_VOV_BRANCHES):
            outputs.append(_conv3(net, outputs[-1], branch))
        x = net.conv(net.concat(outputs), channels, 1)
    classify(net, x, 1000, convolution=False)
    return net.cost("vovnet27s")


def hrnet_w18_small_v1(size: int) -> NetCost:
    """HRNet-W18-small-v1: up to four resolutions side by side, exchanged after each stage."""
    net = CostBuilder()
    x = _conv3(net, _conv3(net, FeatureMap(size, size, 3), 64, 2), 64, 2)
    branches = [_bottleneck(net, x, 128)]
    for count in (2, 3, 4):
        branches = _exchange(net, _transition(net, branches, count))
    y = _bottleneck(net, branches[0], _HR_FINAL[0])
    for index in (1, 2, 3):
        wide = _bottleneck(net, branches[index], _HR_FINAL[index])
        y = net.add(wide, _conv3(net, y, _HR_FINAL[index], 2))
    classify(net, net.conv(y, 2048, 1), 1000, convolution=False)
    return net.cost("hrnet_w18_small_v1")


def _transition(net: CostBuilder, branches: list[FeatureMap], count: int) -> list[FeatureMap]:
    first = branches[0]
    if first.channels != _HR_WIDTHS[0]:
        first = _conv3(net, first, _HR_WIDTHS[0])
    last = _conv3(net, branches[-1], _HR_WIDTHS[count - 1], 2)
    return [first, *branches[1:], last]


def _exchange(net: CostBuilder, branches: list[FeatureMap]) -> list[FeatureMap]:
    for x in branches:
        for _ in range(2):
            net.add(_conv3(net, _conv3(net, x, x.channels), x.channels), x)
    for to, target in enumerate(branches):
        for source, x in enumerate(branches):
            if source > to:
                small = net.conv(x, target.channels, 1)
                net.non_multiplying("resize", "RESIZE_NEAREST_NEIGHBOR", target, small)
            elif source < to:
                _descend(net, x, target.channels, to - source)
            if source != to:
                net.add(target, target)
    return branches


def _descend(net: CostBuilder, x: FeatureMap, channels: int, steps: int) -> None:
    """Halve the plane several times; the last step brings the channels."""
    for step in range(steps):
        x = _conv3(net, x, channels if step == steps - 1 else x.channels, 2)


def _bottleneck(net: CostBuilder, x: FeatureMap, channels: int) -> FeatureMap:
    skip = x if x.channels == channels else net.conv(x, channels, 1)
    inside = _conv3(net, net.conv(x, channels // 4, 1), channels // 4)
    return net.add(net.conv(inside, channels, 1), skip)


NETS: Nets = {
    "densenet121 (imgclsmob)": (
        "densenet",
        functools.partial(densenet, repeats=(6, 12, 24, 16)),
    ),
    "densenet169 (imgclsmob)": (
        "densenet",
        functools.partial(densenet, repeats=(6, 12, 32, 32)),
    ),
    "vovnet27s (imgclsmob)": ("vovnet", vovnet27s),
    "hrnet_w18_small_v1 (imgclsmob)": ("hrnet", hrnet_w18_small_v1),
}
