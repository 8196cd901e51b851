"""Writes a network down operator by operator, as its .tflite file would hold it, without one.

What the converter fuses is fused here too: biases, normalizations behind a convolution, and ReLU.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from edgecnn.latency.cost import (
    INPUT,
    Kind,
    NetCost,
    OperatorCost,
    of_convolution,
    of_depthwise,
    of_non_multiplying,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

Padding = Literal["same", "valid"]


@dataclass(frozen=True)
class FeatureMap:
    """The shape of an activation, without the batch.

    Attributes:
        height: rows.
        width: columns.
        channels: of every position.
        source: the place of the operator that wrote it; `INPUT` for the network's input.
    """

    height: int
    width: int
    channels: int
    source: int = field(default=INPUT, compare=False)

    @property
    def elements(self) -> int:
        """How many numbers it holds."""
        return self.height * self.width * self.channels

    @property
    def pixels(self) -> int:
        """Its positions."""
        return self.height * self.width


def _size(size: int, kernel: int, stride: int, padding: Padding) -> int:
    """Output size along one axis (TFLite's ComputeOutSize)."""
    return math.ceil((size if padding == "same" else size - kernel + 1) / stride)


class CostBuilder:
    """A network in the making; every method adds operators and returns the shape they give."""

    def __init__(self) -> None:
        self.operators: list[OperatorCost] = []
        self._sources: list[tuple[int, ...]] = []
        self._input_elements = 0

    def cost(self, name: str) -> NetCost:
        """What was written down."""
        return NetCost(
            name,
            tuple(self.operators),
            {},
            sources=tuple(self._sources),
            input_elements=self._input_elements,
        )

    def _written(self, cost: OperatorCost, out: FeatureMap, *inputs: FeatureMap) -> FeatureMap:
        """Add an operator; returns its result."""
        self._sources.append(tuple(x.source for x in inputs))
        self._input_elements = max(
            self._input_elements, *(x.elements for x in inputs if x.source == INPUT), 0
        )
        self.operators.append(cost)
        return replace(out, source=len(self.operators) - 1)

    def conv(
        self,
        x: FeatureMap,
        filters: int,
        kernel: int = 3,
        *,
        stride: int = 1,
        padding: Padding = "same",
        groups: int = 1,
    ) -> FeatureMap:
        """A convolution with its bias, and whatever ReLU is fused to it."""
        out = self._window(x, filters, kernel, stride, padding)
        cost = of_convolution(
            name="CONV_2D",
            pixels=out.pixels,
            in_channels=x.channels,
            out_channels=filters,
            taps=kernel * kernel,
            groups=groups,
            input_elements=x.elements,
        )
        return self._written(cost, out, x)

    def depthwise(
        self, x: FeatureMap, kernel: int = 3, *, stride: int = 1, padding: Padding = "same"
    ) -> FeatureMap:
        """A depthwise convolution with its bias."""
        out = self._window(x, x.channels, kernel, stride, padding)
        cost = of_depthwise(
            name="DEPTHWISE_CONV_2D",
            pixels=out.pixels,
            in_channels=x.channels,
            out_channels=x.channels,
            taps=kernel * kernel,
            input_elements=x.elements,
        )
        return self._written(cost, out, x)

    def dense(self, x: FeatureMap, outputs: int) -> FeatureMap:
        """A fully connected layer with its bias, on a vector."""
        inputs = x.elements
        cost = OperatorCost(
            kind="dense",
            name="FULLY_CONNECTED",
            pixels=1,
            in_channels=inputs,
            out_channels=outputs,
            taps=1,
            groups=1,
            macs=inputs * outputs,
            input_elements=inputs,
            output_elements=outputs,
            weight_elements=(inputs + 1) * outputs,
        )
        return self._written(cost, FeatureMap(1, 1, outputs), x)

    def pool(
        self,
        x: FeatureMap,
        kernel: int,
        *,
        stride: int = 1,
        padding: Padding = "valid",
        name: str = "MAX_POOL_2D",
    ) -> FeatureMap:
        """A maximum or an average over a window."""
        out = self._window(x, x.channels, kernel, stride, padding)
        return self.non_multiplying("pool", name, out, x, taps=kernel * kernel)

    def mean(self, x: FeatureMap) -> FeatureMap:
        """The average of every channel over the whole plane."""
        return self.non_multiplying("mean", "MEAN", FeatureMap(1, 1, x.channels), x)

    def add(self, *inputs: FeatureMap, name: str = "ADD") -> FeatureMap:
        """An element-wise operator of activations; the first one's shape is the result's."""
        return self.non_multiplying("elementwise", name, inputs[0], *inputs)

    def affine(self, x: FeatureMap, names: Sequence[str] = ("MUL", "ADD")) -> FeatureMap:
        """A normalization no convolution absorbs: a product and a sum with constants."""
        for name in names:
            x = self.non_multiplying("elementwise", name, x, x, weight_elements=x.channels)
        return x

    def activation(self, x: FeatureMap, name: str) -> FeatureMap:
        """A function of single elements that is an operator of its own."""
        return self.non_multiplying("activation", name, x, x)

    def concat(self, inputs: Sequence[FeatureMap]) -> FeatureMap:
        """Joins channels."""
        out = replace(inputs[0], channels=sum(x.channels for x in inputs))
        return self.non_multiplying("copy", "CONCATENATION", out, *inputs)

    def pad(self, x: FeatureMap, before: int, after: int | None = None) -> FeatureMap:
        """Zeros around the plane, as an operator of its own."""
        more = before + (before if after is None else after)
        return self.non_multiplying(
            "copy", "PAD", FeatureMap(x.height + more, x.width + more, x.channels), x
        )

    def flatten(self, x: FeatureMap) -> FeatureMap:
        """A change of shape, to a vector."""
        return self.non_multiplying("free", "RESHAPE", FeatureMap(1, 1, x.elements), x)

    def softmax(self, x: FeatureMap) -> FeatureMap:
        """The classifier's last operator."""
        return self.non_multiplying("activation", "SOFTMAX", x, x)

    def non_multiplying(
        self,
        kind: Kind,
        name: str,
        out: FeatureMap,
        *inputs: FeatureMap,
        taps: int = 1,
        weight_elements: int = 0,
    ) -> FeatureMap:
        """Any operator without weights to multiply."""
        cost = of_non_multiplying(
            kind,
            name,
            output_shape=(out.height, out.width, out.channels),
            input_elements=sum(x.elements for x in inputs),
            taps=taps,
            weight_elements=weight_elements,
        )
        return self._written(cost, out, *inputs)

    def _window(
        self, x: FeatureMap, channels: int, kernel: int, stride: int, padding: Padding
    ) -> FeatureMap:
        return FeatureMap(
            _size(x.height, kernel, stride, padding),
            _size(x.width, kernel, stride, padding),
            channels,
        )
