"""What each operator of a network costs a machine: multiplications, bytes, and the loop's shape.

A record says what is to be done and nothing about who does it; `model` turns records into time.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, replace
from typing import Literal

from edgecnn.errors import InputError

Kind = Literal[
    "convolution",  # k x k, k > 1
    "pointwise",  # 1 x 1 convolution
    "depthwise",
    "grouped",  # convolution in groups that is not depthwise
    "transposed",
    "dense",
    "matmul",  # of two activations
    "recurrent",  # matrices that every step of a sequence is multiplied with
    "pool",  # max or average over a window
    "mean",  # over the whole plane
    "elementwise",  # two activations, or an activation and a constant
    "activation",  # a function of one element that no convolution absorbs
    "copy",  # moves bytes and computes nothing
    "resize",
    "quantize",
    "detection",  # non-maximum suppression behind an object detector
    "free",  # a change of shape only
    "unknown",
]
Precision = Literal["float32", "float16", "dynamic", "int8", "int16x8"]

MULTIPLYING: frozenset[str] = frozenset(
    {"convolution", "pointwise", "depthwise", "grouped", "transposed", "dense", "matmul"}
) | {"recurrent"}
PRECISIONS: tuple[Precision, ...] = ("float32", "float16", "dynamic", "int8", "int16x8")
INPUT = -1
"""Among the sources of an operator: the network's input."""

# Bytes of an activation and of a weight, in memory while the network runs: XNNPACK unpacks
# float16 weights to float32 when it loads a file.
ACTIVATION_BYTES = {"float32": 4, "float16": 4, "dynamic": 4, "int8": 1, "int16x8": 2}
_WEIGHT_BYTES = {"float32": 4, "float16": 4, "dynamic": 1, "int8": 1, "int16x8": 1}


@dataclass(frozen=True)
class OperatorCost:
    """One operator, at batch 1.

    Attributes:
        kind: what sort of loop it is.
        name: as the format calls it ("CONV_2D", "Conv").
        pixels: output positions: height times width; 1 for a dense layer.
        in_channels: channels it reads, of all groups together; a dense layer's inputs.
        out_channels: channels it writes; a dense layer's outputs.
        taps: positions of its window: kernel height times width; 1 where there is none.
        groups: of a grouped convolution; a depthwise one counts as 1 here.
        macs: multiply-accumulates.
        input_elements: of all activations it reads.
        output_elements: of all it writes.
        weight_elements: of its constant weights and biases.
        precision: what it computes in, in the words of the recipes.
    """

    kind: Kind
    name: str
    pixels: int
    in_channels: int
    out_channels: int
    taps: int
    groups: int
    macs: int
    input_elements: int
    output_elements: int
    weight_elements: int
    precision: Precision = "float32"

    @property
    def bytes_read(self) -> int:
        """Bytes of the activations it reads; weights are apart, in `weight_bytes`."""
        return self.input_elements * ACTIVATION_BYTES[self.precision]

    @property
    def bytes_written(self) -> int:
        """Bytes of what it writes."""
        return self.output_elements * ACTIVATION_BYTES[self.precision]

    @property
    def weight_bytes(self) -> int:
        """Bytes of its weights while the network runs."""
        return self.weight_elements * _WEIGHT_BYTES[self.precision]


@dataclass(frozen=True)
class NetCost:
    """All operators of one network.

    Attributes:
        name: of the network or file.
        operators: in the order they run.
        unknown: names of operators no cost is known for, with their number.
        notes: what else a reader of a prediction should know; one sentence each.
        size_bytes: of the file; None where there is none.
        shapes: those of the inputs, where the user gave what the file leaves open: a sentence.
        sources: of each operator, the places of those whose results it reads, `INPUT` for the
            network's input; () where nobody wrote them down.
        input_elements: of all inputs of the network.
    """

    name: str
    operators: tuple[OperatorCost, ...]
    unknown: dict[str, int]
    notes: tuple[str, ...] = ()
    size_bytes: int | None = None
    shapes: str = ""
    sources: tuple[tuple[int, ...], ...] = ()
    input_elements: int = 0

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one inference."""
        return sum(operator.macs for operator in self.operators)

    @property
    def weight_elements(self) -> int:
        """Weights and biases."""
        return sum(operator.weight_elements for operator in self.operators)

    @property
    def weight_bytes(self) -> int:
        """Bytes of all weights while the network runs."""
        return sum(operator.weight_bytes for operator in self.operators)

    @property
    def peak_activation_bytes(self) -> int:
        """Bytes that the most demanding operator reads and writes; a lower bound of the arena."""
        return max((op.bytes_read + op.bytes_written for op in self.operators), default=0)

    def counts(self) -> dict[str, int]:
        """How many operators there are of each kind."""
        return dict(sorted(Counter(operator.kind for operator in self.operators).items()))

    def at(self, recipe: str) -> NetCost:
        """The same network under another recipe.

        Args:
            recipe: one of `edgecnn.recipes.RECIPES`.

        Raises:
            InputError: there is no such recipe.
        """
        for precision in PRECISIONS:
            if precision == recipe:
                return replace(
                    self,
                    operators=tuple(replace(op, precision=precision) for op in self.operators),
                )
        raise InputError(
            f"There is no recipe {recipe!r}.", hint=f"Recipes: {', '.join(PRECISIONS)}."
        )


def of_convolution(
    *,
    name: str,
    pixels: int,
    in_channels: int,
    out_channels: int,
    taps: int,
    groups: int = 1,
    input_elements: int,
    bias: bool = True,
) -> OperatorCost:
    """The cost of a convolution that is not depthwise; `groups` decides its kind.

    Args:
        name: as the format calls it.
        pixels: output height times width.
        in_channels: of all groups together.
        out_channels: likewise.
        taps: kernel height times width.
        groups: 1 for an ordinary convolution.
        input_elements: of the activation it reads.
        bias: whether it has one value more for each output channel.
    """
    weights = taps * (in_channels // groups) * out_channels
    kind: Kind = "grouped" if groups > 1 else "pointwise" if taps == 1 else "convolution"
    return OperatorCost(
        kind=kind,
        name=name,
        pixels=pixels,
        in_channels=in_channels,
        out_channels=out_channels,
        taps=taps,
        groups=groups,
        macs=pixels * weights,
        input_elements=input_elements,
        output_elements=pixels * out_channels,
        weight_elements=weights + (out_channels if bias else 0),
    )


def of_depthwise(
    *, name: str, pixels: int, in_channels: int, out_channels: int, taps: int, input_elements: int
) -> OperatorCost:
    """The cost of a depthwise convolution with bias; a channel multiplier shows in the channels."""
    return OperatorCost(
        kind="depthwise",
        name=name,
        pixels=pixels,
        in_channels=in_channels,
        out_channels=out_channels,
        taps=taps,
        groups=1,
        macs=pixels * out_channels * taps,
        input_elements=input_elements,
        output_elements=pixels * out_channels,
        weight_elements=out_channels * (taps + 1),
    )


def of_non_multiplying(
    kind: Kind,
    name: str,
    *,
    output_shape: tuple[int, ...],
    input_elements: int,
    taps: int = 1,
    weight_elements: int = 0,
) -> OperatorCost:
    """The cost of an operator that multiplies no weights.

    Args:
        kind: one of those.
        name: as the format calls it.
        output_shape: without the batch.
        input_elements: of all activations it reads.
        taps: of a pooling window.
        weight_elements: of constants it reads, as in the MUL of an unfused normalization.
    """
    elements = math.prod(output_shape)
    channels = output_shape[-1] if output_shape else 1
    return OperatorCost(
        kind=kind,
        name=name,
        pixels=elements // channels if channels else 0,
        in_channels=channels,
        out_channels=channels,
        taps=taps,
        groups=1,
        macs=0,
        input_elements=input_elements,
        output_elements=elements,
        weight_elements=weight_elements,
    )
