"""MobileNetV3 (arXiv:1905.02244, tables 1 and 2), and its minimalistic variants.

The minimalistic ones (tensorflow/models, slim/nets/mobilenet) have no squeeze-and-excitation, no
hard-swish, and no 5 x 5 kernels.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, NamedTuple

from edgecnn.latency.cost_builder import CostBuilder, FeatureMap
from published_nets.scaling import divisible

if TYPE_CHECKING:
    from edgecnn.latency.cost import NetCost
    from published_nets.table import Nets

_CLASSES = 1001


class Row(NamedTuple):
    """One bottleneck: kernel, expanded and output channels, which extras it has, its stride."""

    kernel: int
    expanded: int
    channels: int
    squeeze: bool
    swish: bool
    stride: int


def _rows(*rows: tuple[int, int, int, int, int, int]) -> tuple[Row, ...]:
    return tuple(Row(k, e, c, bool(s), bool(h), stride) for k, e, c, s, h, stride in rows)


LARGE = _rows(
    (3, 16, 16, 0, 0, 1), (3, 64, 24, 0, 0, 2), (3, 72, 24, 0, 0, 1), (5, 72, 40, 1, 0, 2),
    (5, 120, 40, 1, 0, 1), (5, 120, 40, 1, 0, 1), (3, 240, 80, 0, 1, 2), (3, 200, 80, 0, 1, 1),
    (3, 184, 80, 0, 1, 1), (3, 184, 80, 0, 1, 1), (3, 480, 112, 1, 1, 1), (3, 672, 112, 1, 1, 1),
    (5, 672, 160, 1, 1, 2), (5, 960, 160, 1, 1, 1), (5, 960, 160, 1, 1, 1),
)  # fmt: skip
SMALL = _rows(
    (3, 16, 16, 1, 0, 2), (3, 72, 24, 0, 0, 2), (3, 88, 24, 0, 0, 1), (5, 96, 40, 1, 1, 2),
    (5, 240, 40, 1, 1, 1), (5, 240, 40, 1, 1, 1), (5, 120, 48, 1, 1, 1), (5, 144, 48, 1, 1, 1),
    (5, 288, 96, 1, 1, 2), (5, 576, 96, 1, 1, 1), (5, 576, 96, 1, 1, 1),
)  # fmt: skip
_HEADS = {"large": (LARGE, 960, 1280), "small": (SMALL, 576, 1024)}


def build(size: int, *, variant: str, width: float, minimalistic: bool) -> NetCost:
    """MobileNetV3 with its classifier."""
    net = CostBuilder()
    rows, last, hidden = _HEADS[variant]
    x, _ = backbone(net, size, rows, width, minimalistic=minimalistic)
    x = _swish(net, net.conv(x, divisible(last * width), 1), not minimalistic)
    x = net.mean(x)
    x = _swish(net, net.conv(x, divisible(hidden * max(1.0, width)), 1), not minimalistic)
    net.flatten(net.conv(x, _CLASSES, 1))
    net.softmax(FeatureMap(1, 1, _CLASSES))
    return net.cost(f"mobilenet_v3_{variant}_{width}")


def backbone(
    net: CostBuilder,
    size: int,
    rows: tuple[Row, ...],
    width: float,
    *,
    minimalistic: bool = False,
) -> tuple[FeatureMap, FeatureMap]:
    """All bottlenecks; also the expansion of the last one that halves the plane."""
    x = net.conv(FeatureMap(size, size, 3), 16, stride=2)
    x = _swish(net, x, not minimalistic)
    branch = x
    for row in rows:
        x, expanded = _bottleneck(net, x, row, width, minimalistic=minimalistic)
        branch = expanded if row.stride > 1 else branch
    return x, branch


def _bottleneck(
    net: CostBuilder, x: FeatureMap, row: Row, width: float, *, minimalistic: bool
) -> tuple[FeatureMap, FeatureMap]:
    skip, swish = x, row.swish and not minimalistic
    expanded = divisible(row.expanded * width)
    if expanded != x.channels:
        x = _swish(net, net.conv(x, expanded, 1), swish)
    branch = x
    x = net.depthwise(x, 3 if minimalistic else row.kernel, stride=row.stride)
    x = _swish(net, x, swish)
    if row.squeeze and not minimalistic:
        squeeze(net, x, divisible(expanded / 4))
    x = net.conv(x, divisible(row.channels * width), 1)
    if x == skip:
        net.add(x, skip)
    return x, branch


def squeeze(net: CostBuilder, x: FeatureMap, reduced: int, *, hard: bool = True) -> None:
    """Squeeze-and-excitation: mean, two 1 x 1 convolutions, a (hard) sigmoid, a product."""
    gate = net.conv(net.conv(net.mean(x), reduced, 1), x.channels, 1)
    if hard:  # written as ADD, RELU6 (fused) and MUL
        net.affine(gate)
    else:
        net.activation(gate, "LOGISTIC")
    net.non_multiplying("elementwise", "MUL", x, x, gate)


def _swish(net: CostBuilder, x: FeatureMap, swish: bool) -> FeatureMap:  # noqa: FBT001 - one private flag
    return net.activation(x, "HARD_SWISH") if swish else x


NETS: Nets = {
    f"mobilenet_v3_{variant}_{'minimalistic_' if mini else ''}{width}": (
        "mobilenet_v3",
        functools.partial(build, variant=variant, width=width, minimalistic=mini),
    )
    for variant in ("large", "small")
    for width, mini in ((1.0, False), (0.75, False), (1.0, True))
}
