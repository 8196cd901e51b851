"""MobileNetV1 (arXiv:1704.04861, table 1) and MobileNetV2 (arXiv:1801.04381, table 2)."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from edgecnn.latency.cost_builder import CostBuilder, FeatureMap
from published_nets.scaling import divisible

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgecnn.latency.cost import NetCost
    from edgecnn.latency.cost_builder import Padding
    from published_nets.table import Nets

_CLASSES = 1001
# Channels and stride of each depthwise-separable pair.
V1_PAIRS = (
    (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2),
    *(((512, 1),) * 5), (1024, 2), (1024, 1),
)  # fmt: skip
# Expansion, channels, repeats, first stride.
V2_STAGES = (
    (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2),
    (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1),
)  # fmt: skip
_V2_HEAD = 1280


def v1(size: int, *, width: float, padded: bool = False, classes: int = _CLASSES) -> NetCost:
    """MobileNetV1; `padded` writes the zero padding as operators, as osmr/imgclsmob does."""
    net = CostBuilder()
    x = net.conv(_edge(net, FeatureMap(size, size, 3), padded), int(32 * width), stride=2,
                 padding=_padding(padded))  # fmt: skip
    for channels, stride in V1_PAIRS:
        x = net.depthwise(_edge(net, x, padded), stride=stride, padding=_padding(padded))
        x = net.conv(x, int(channels * width), 1)
    classify(net, x, classes, convolution=not padded)
    return net.cost(f"mobilenet_v1_{width}")


def v2(size: int, *, width: float, padded: bool = False, classes: int = _CLASSES) -> NetCost:
    """MobileNetV2; below width 1 the last convolution keeps its 1280 channels."""
    net = CostBuilder()
    x, _ = v2_backbone(net, size, width, padded=padded)
    x = net.conv(x, divisible(_V2_HEAD * max(1.0, width)), 1)
    classify(net, x, classes, convolution=True)
    return net.cost(f"mobilenet_v2_{width}")


def v2_backbone(
    net: CostBuilder, size: int, width: float, *, padded: bool = False
) -> tuple[FeatureMap, FeatureMap]:
    """MobileNetV2 up to its last bottleneck; also the expansion that detectors branch off at."""
    x = net.conv(_edge(net, FeatureMap(size, size, 3), padded), divisible(32 * width), stride=2,
                 padding=_padding(padded))  # fmt: skip
    branch = x
    for expansion, channels, repeats, first in V2_STAGES:
        for index in range(repeats):
            stride = first if index == 0 else 1
            skip, inside = x, x
            if expansion > 1:
                inside = net.conv(x, x.channels * expansion, 1)
            if channels == 160 and index == 0:  # noqa: PLR2004 - the paper's sixth stage
                branch = inside
            inside = net.depthwise(
                _edge(net, inside, padded), stride=stride, padding=_padding(padded)
            )
            x = net.conv(inside, divisible(channels * width), 1)
            if x == skip:
                net.add(x, skip)
    return x, branch


def classify(net: CostBuilder, x: FeatureMap, classes: int, *, convolution: bool) -> None:
    """Average the plane, and classify by a 1 x 1 convolution or a dense layer."""
    x = net.mean(x)
    if convolution:
        net.flatten(net.conv(x, classes, 1))
    else:
        net.dense(net.flatten(x), classes)
    net.softmax(FeatureMap(1, 1, classes))


def _edge(net: CostBuilder, x: FeatureMap, padded: bool) -> FeatureMap:  # noqa: FBT001 - one private flag
    return net.pad(x, 1) if padded else x


def _padding(padded: bool) -> Padding:  # noqa: FBT001 - one private flag
    return "valid" if padded else "same"


def _of(
    function: Callable[..., NetCost], width: float, *, padded: bool = False
) -> Callable[[int], NetCost]:
    classes = 1000 if padded else _CLASSES
    return functools.partial(function, width=width, padded=padded, classes=classes)


NETS: Nets = {
    **{f"mobilenet_v1_{w}": ("mobilenet_v1", _of(v1, w)) for w in (0.25, 0.5, 0.75, 1.0)},
    **{f"mobilenet_v2_{w}": ("mobilenet_v2", _of(v2, w)) for w in (0.35, 0.5, 0.75, 1.0, 1.3, 1.4)},
    "mobilenet_w3d4 (imgclsmob)": ("mobilenet_v1", _of(v1, 0.75, padded=True)),
    "mobilenetv2_w1 (imgclsmob)": ("mobilenet_v2", _of(v2, 1.0, padded=True)),
    "mobilenetv2_w3d4 (imgclsmob)": ("mobilenet_v2", _of(v2, 0.75, padded=True)),
}
