"""Detectors of TensorFlow's first detection zoo (arXiv:1512.02325, 1801.04381, 1905.02244).

SSD on MobileNetV2 with ordinary or depthwise-separable (SSDLite) heads, SSDLite on MobileNetV3,
and RetinaNet-like feature pyramids (1708.02002) on MobileNetV1 and ResNet-50.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from edgecnn.latency.cost_builder import CostBuilder, FeatureMap
from published_nets import mobilenet, mobilenet_v3
from published_nets.resnet import bottleneck_stages

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgecnn.latency.cost import NetCost
    from published_nets.table import Nets

_CLASSES = 91
_BOX = 4
_EXTRAS = (512, 256, 256, 128)
_PYRAMID = 256
_TOWER = 4
_PYRAMID_ANCHORS = 6
_V3_EXPANSIONS = {"large": (480, mobilenet_v3.LARGE), "small": (288, mobilenet_v3.SMALL)}


def ssd_v2(size: int, *, lite: bool) -> NetCost:
    """SSD or SSDLite on MobileNetV2."""
    net = CostBuilder()
    x, branch = mobilenet.v2_backbone(net, size, 1.0)
    maps = [branch, net.conv(x, 1280, 1)]
    maps += _extras(net, maps[-1], lite=lite)
    _heads(net, maps, lite=lite)
    return net.cost("ssd_mobilenet_v2")


def ssdlite_v3(size: int, *, variant: str) -> NetCost:
    """SSDLite on MobileNetV3, whose last stage has half the channels (section 6.3)."""
    net = CostBuilder()
    last, rows = _V3_EXPANSIONS[variant]
    halved = _halve_last_stage(rows)
    x, branch = mobilenet_v3.backbone(net, size, halved, 1.0)
    maps = [branch, net.activation(net.conv(x, last, 1), "HARD_SWISH")]
    maps += _extras(net, maps[-1], lite=True)
    _heads(net, maps, lite=True)
    return net.cost(f"ssdlite_mobilenet_v3_{variant}")


def _halve_last_stage(rows: Sequence[mobilenet_v3.Row]) -> tuple[mobilenet_v3.Row, ...]:
    strided = max(index for index, row in enumerate(rows) if row.stride > 1)
    return tuple(
        row
        if index < strided
        else row._replace(
            channels=row.channels // 2,
            expanded=row.expanded if index == strided else row.expanded // 2,
        )
        for index, row in enumerate(rows)
    )


def _extras(net: CostBuilder, x: FeatureMap, *, lite: bool) -> list[FeatureMap]:
    maps = []
    for channels in _EXTRAS:
        x = net.conv(x, channels // 2, 1)
        if lite:
            x = net.conv(net.depthwise(x, stride=2), channels, 1)
        else:
            x = net.conv(x, channels, stride=2)
        maps.append(x)
    return maps


def _heads(net: CostBuilder, maps: Sequence[FeatureMap], *, lite: bool) -> None:
    anchors = 0
    for index, x in enumerate(maps):
        boxes = 6 if index else 3
        anchors += boxes * x.pixels
        for size in (_BOX, _CLASSES):
            if lite:
                net.conv(net.depthwise(x), boxes * size, 1)
            else:
                net.conv(x, boxes * size)
    _detect(net, anchors)


def _detect(net: CostBuilder, anchors: int) -> None:
    scores = FeatureMap(1, anchors, _CLASSES)
    for plane in (FeatureMap(1, anchors, _BOX), scores):
        net.non_multiplying("copy", "CONCATENATION", plane, plane)
    net.activation(scores, "LOGISTIC")
    net.non_multiplying("detection", "TFLite_Detection_PostProcess", scores, scores)


def fpn_v1(size: int) -> NetCost:
    """The feature pyramid on MobileNetV1."""
    net = CostBuilder()
    x = net.conv(FeatureMap(size, size, 3), 32, stride=2)
    outputs = []
    for channels, stride in mobilenet.V1_PAIRS:
        if stride > 1:
            outputs.append(x)
        x = net.conv(net.depthwise(x, stride=stride), channels, 1)
    _pyramid(net, [*outputs[-2:], x])
    return net.cost("ssd_mobilenet_v1_fpn")


def fpn_resnet50(size: int) -> NetCost:
    """The feature pyramid on ResNet-50."""
    net = CostBuilder()
    _pyramid(net, bottleneck_stages(net, size, (3, 4, 6, 3))[1:])
    return net.cost("ssd_resnet_50_v1_fpn")


def _pyramid(net: CostBuilder, stages: Sequence[FeatureMap]) -> None:
    """Levels 3 to 7, with the same four convolutions and predictor on each."""
    lateral = [net.conv(x, _PYRAMID, 1) for x in stages]
    for x in reversed(lateral[:-1]):
        net.non_multiplying("resize", "RESIZE_NEAREST_NEIGHBOR", x, x)
        net.conv(net.add(x, x), _PYRAMID)
    coarse = net.conv(lateral[-1], _PYRAMID, stride=2)
    levels = [*lateral, coarse, net.conv(coarse, _PYRAMID, stride=2)]
    for x in levels:
        for size in (_BOX, _CLASSES):
            y = x
            for _ in range(_TOWER):
                y = net.conv(y, _PYRAMID)
            net.conv(y, _PYRAMID_ANCHORS * size)
    _detect(net, _PYRAMID_ANCHORS * sum(x.pixels for x in levels))


NETS: Nets = {
    "ssd_mobilenet_v2": ("mobilenet_v2", functools.partial(ssd_v2, lite=False)),
    "ssdlite_mobilenet_v2": ("mobilenet_v2", functools.partial(ssd_v2, lite=True)),
    "ssdlite_mobilenet_v3_large": (
        "mobilenet_v3",
        functools.partial(ssdlite_v3, variant="large"),
    ),
    "ssdlite_mobilenet_v3_small": (
        "mobilenet_v3",
        functools.partial(ssdlite_v3, variant="small"),
    ),
    "ssd_mobilenet_v1_fpn": ("feature_pyramid", fpn_v1),
    "ssd_resnet_50_v1_fpn": ("feature_pyramid", fpn_resnet50),
}
