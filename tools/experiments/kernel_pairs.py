"""The pairs of ways to convolve that the documents compare, as networks of one to three layers."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from edgecnn.latency.cost import NetCost, OperatorCost, of_convolution, of_depthwise
from edgecnn.latency.probe_nets import Layer, ProbeNet
from edgecnn.latency.zoo_nets import costs_of_zoo

if TYPE_CHECKING:
    from collections.abc import Iterator

Group: TypeAlias = Literal["kernel-size", "two-3x3", "factorized", "bottleneck", "separable"]

# Sizes and channels of ImageNet networks' stages, and the second layer of document 000's VGG.
_SHAPES = ((56, 64), (28, 128), (14, 256), (32, 64))
# Where Inception v3 has factorized kernels (17 pixels, 192 channels; 8 pixels, 384), and others.
_FACTORIZED = ((17, 192), (8, 384), (56, 64), (28, 128))
# Size, channels read, channels between, filters: document 000's inception_3a and inception_3b as
# GoogLeNet has them at 28 pixels, and 3b at the 4 pixels that the document's own network leaves.
_BOTTLENECKS = ((28, 192, 16, 32), (28, 256, 32, 96), (4, 256, 32, 96))
# Document 003's example turns 3 channels into 64 and leaves the size open: Xception's, and a small
# image's.
_DOCUMENT_003 = ((299, 3, 64), (32, 3, 64))
_BLOCK_NAMES = (
    *(f"entry{block}_sep{layer}" for block in (1, 2, 3) for layer in (1, 2)),
    *(f"middle{block}_sep{layer}" for block in range(1, 9) for layer in (1, 2, 3)),
    *(f"exit_sep{layer}" for layer in (1, 2, 3, 4)),
)


class Way(NamedTuple):
    """One way to convolve: what to call it, and its layers."""

    what: str
    layers: tuple[Layer, ...]


@dataclass(frozen=True)
class Pair:
    """Two ways to turn `size` x `size` x `channels` into `size` x `size` x `filters`.

    Attributes:
        layers: the layers of xception that have this shape; none for an example of our own.
    """

    group: Group
    size: int
    channels: int
    filters: int
    cheap: Way
    costly: Way
    layers: tuple[str, ...] = ()

    def net(self, way: Way) -> ProbeNet:
        """The way as a network."""
        return ProbeNet(way.what, self.size, self.channels, way.layers)


def pairs() -> list[Pair]:
    """All of them, group by group."""
    every: list[Pair] = []
    for size, channels in _SHAPES:
        every.append(_equal("kernel-size", size, channels, _ways(channels, ("3x3", 3), ("5x5", 5))))
    for size, channels in _SHAPES:
        twice = Way("two 3x3", (Layer(channels), Layer(channels)))
        every.append(_equal("two-3x3", size, channels, (twice, Way("5x5", (Layer(channels, 5),)))))
    for size, channels in _FACTORIZED:
        thin = Way("1x3 + 3x1", (Layer(channels, 1, 1, 3), Layer(channels, 3, 1, 1)))
        every.append(_equal("factorized", size, channels, (thin, Way("3x3", (Layer(channels),)))))
    every += [_bottleneck(*shape) for shape in _BOTTLENECKS]
    every += [_separable(*shape) for shape in _DOCUMENT_003]
    return every + list(_of_xception())


def _ways(channels: int, *kernels: tuple[str, int]) -> tuple[Way, Way]:
    cheap, costly = (Way(what, (Layer(channels, kernel),)) for what, kernel in kernels)
    return cheap, costly


def _equal(group: Group, size: int, channels: int, ways: tuple[Way, Way]) -> Pair:
    return Pair(group, size, channels, channels, *ways)


def _bottleneck(size: int, channels: int, between: int, filters: int) -> Pair:
    narrow = Way(f"1x1 to {between} + 5x5", (Layer(between, 1), Layer(filters, 5)))
    return Pair("bottleneck", size, channels, filters, narrow, Way("5x5", (Layer(filters, 5),)))


def _separable(size: int, channels: int, filters: int, layers: tuple[str, ...] = ()) -> Pair:
    apart = Way("depthwise + pointwise", (Layer(0), Layer(filters, 1)))
    normal = Way("3x3", (Layer(filters),))
    return Pair("separable", size, channels, filters, apart, normal, layers)


def _of_xception() -> Iterator[Pair]:
    """Each shape once, with the layers that have it."""
    operators = costs_of_zoo("xception").operators
    shapes = [
        (math.isqrt(depthwise.pixels), depthwise.in_channels, pointwise.out_channels)
        for depthwise, pointwise in itertools.pairwise(operators)
        if depthwise.kind == "depthwise"
    ]
    named = list(zip(_BLOCK_NAMES, shapes, strict=True))
    for shape in dict.fromkeys(shapes):
        yield _separable(*shape, tuple(name for name, own in named if own == shape))


def cost(net: ProbeNet) -> NetCost:
    """What a network costs, operator by operator, in float32."""
    operators, channels = [], net.channels
    for layer in net.layers:
        operators.append(_operator(layer, net.size * net.size, channels))
        channels = layer.channels or channels
    return NetCost(net.name, tuple(operators), {})


def _operator(layer: Layer, pixels: int, channels: int) -> OperatorCost:
    taps, read = math.prod(layer.window), pixels * channels
    if not layer.channels:
        return of_depthwise(
            name="DEPTHWISE_CONV_2D",
            pixels=pixels,
            in_channels=channels,
            out_channels=channels,
            taps=taps,
            input_elements=read,
        )
    return of_convolution(
        name="CONV_2D",
        pixels=pixels,
        in_channels=channels,
        out_channels=layer.channels,
        taps=taps,
        input_elements=read,
    )


def kernel_weights(net: NetCost) -> int:
    """Elements of all kernels, without biases."""
    return sum(operator.macs // operator.pixels for operator in net.operators)
