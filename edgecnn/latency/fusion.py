"""Which operators of a file do not run by themselves: they are fused into others.

XNNPACK joins a clamp to the operator before it, unpacks constants when it loads a file, and knows
no normalization. An ONNX file is costed as the .tflite of the same network, which is what the
predictor was fitted on: there, quantizing and dequantizing stand at the ends only, images are
channels-last, a bias belongs to its product, and a normalization to its convolution.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from edgecnn.latency.kinds import kind_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from edgecnn.inspection.record import Inspection, Operator

_CLAMPS = {"RELU", "RELU6", "RELU_N1_TO_1", "RELU_0_TO_1", "Relu", "Clip"}
_CLAMPED = {"convolution", "transposed", "depthwise", "dense", "pool", "elementwise"}
_PRODUCTS = {"convolution", "transposed", "dense", "matmul"}
_DEQUANTIZED = {"ConvInteger", "MatMulInteger"}  # scaled by the operators behind them
_IMAGE_RANK = 4


class Nodes:
    """A file's operators as a graph.

    Args:
        inspection: what was read of it.
    """

    def __init__(self, inspection: Inspection) -> None:
        self.format = inspection.format
        self.operators = inspection.operators
        self.constant = self._constants()
        self._readers = [0] * len(inspection.operators)
        for operator in inspection.operators:
            for place in operator.sources:
                if place >= 0:
                    self._readers[place] += 1
        self.fused = self._fused()

    def _constants(self) -> list[bool]:
        """Whether an operator reads constants only, and so runs when the file is loaded."""
        constant: list[bool] = []
        for operator in self.operators:
            own = len(constant)
            constant.append(
                all(0 <= place < own and constant[place] for place in operator.sources)
                if operator.input_shapes
                else True
            )
        return constant

    def inputs(self, place: int) -> list[tuple[int, ...]]:
        """Shapes of the activations an operator reads: no constants, unpacked or not."""
        operator = self.operators[place]
        return [
            shape
            for shape, source in zip(operator.input_shapes, operator.sources, strict=True)
            if source < 0 or not self.constant[source]
        ]

    def sources(self, place: int) -> list[int]:
        """Who made the activations an operator reads, in the order of `inputs`."""
        sources = self.operators[place].sources
        return [source for source in sources if source < 0 or not self.constant[source]]

    def unpacked(self, place: int) -> list[tuple[int, ...]]:
        """Shapes of the constants an operator reads that another one unpacks."""
        operator = self.operators[place]
        return [
            shape
            for shape, source in zip(operator.input_shapes, operator.sources, strict=True)
            if source >= 0 and self.constant[source]
        ]

    def producer(self, place: int) -> Producer | None:
        """Who made an operator's one activation; None where several did, or the graph's input."""
        sources = self.sources(place)
        if len(sources) != 1 or sources[0] < 0:
            return None
        source = sources[0]
        kind = kind_of(self.format, self.operators[source].name)
        return Producer(
            source, self.operators[source], kind, only_reader=self._readers[source] == 1
        )

    def is_dequantized(self, place: int) -> bool:
        """Whether all that an operator reads was dequantized just before: it computes in int8."""
        sources = [source for source in self.operators[place].sources if source >= 0]
        return bool(sources) and all(
            self.operators[source].name == "DequantizeLinear" for source in sources
        )

    def _fused(self) -> list[bool]:
        rules = _RULES[self.format]
        fused: list[bool] = []
        for place, constant in enumerate(self.constant):
            fused.append(constant or any(rule(self, place, fused) for rule in rules))
        return fused


class Producer(NamedTuple):
    """The operator that made an activation."""

    place: int
    operator: Operator
    kind: str
    only_reader: bool


def _clamp(nodes: Nodes, place: int, _fused: Sequence[bool]) -> bool:
    """A clamp behind an operator that nothing else reads; XNNPACK takes no RELU in int8."""
    operator, producer = nodes.operators[place], nodes.producer(place)
    if operator.name not in _CLAMPS or producer is None or not producer.only_reader:
        return False
    return producer.kind in _CLAMPED and operator.compute_dtype in {"float32", "float16"}


def _quantization(nodes: Nodes, place: int, _fused: Sequence[bool]) -> bool:
    """What stands between operators that compute in integers; the ends remain."""
    operator = nodes.operators[place]
    if kind_of("onnx", operator.name) != "quantize":
        return False
    return operator.name == "DynamicQuantizeLinear" or not operator.at_border


def _rescaling(nodes: Nodes, place: int, fused: Sequence[bool]) -> bool:
    """Cast, Mul and Add behind an integer product, and what computes their one scale."""
    operator = nodes.operators[place]
    if operator.name not in {"Cast", "Mul", "Add"}:
        return False
    if operator.name == "Mul" and math.prod(operator.output_shapes[0] or (1,)) == 1:
        return True
    sources = [source for source in operator.sources if source >= 0 and not nodes.constant[source]]
    return any(
        nodes.operators[source].name in _DEQUANTIZED
        or (fused[source] and nodes.operators[source].name in {"Cast", "Mul"})
        for source in sources
    )


def _bias(nodes: Nodes, place: int, fused: Sequence[bool]) -> bool:
    """A constant added to a product, or a normalization of one."""
    operator, producer = nodes.operators[place], nodes.producer(place)
    if operator.name not in {"Add", "BatchNormalization"} or producer is None:
        return False
    return (
        producer.only_reader
        and producer.kind in _PRODUCTS
        and operator.parameters > 0
        and not fused[producer.place]
    )


def _layout(nodes: Nodes, place: int, _fused: Sequence[bool]) -> bool:
    """A Transpose of an image: channels-last needs none."""
    operator = nodes.operators[place]
    if operator.name != "Transpose":
        return False
    return all(
        len(shape) == _IMAGE_RANK for shape in (*operator.input_shapes, *operator.output_shapes)
    )


_Rule: TypeAlias = "Callable[[Nodes, int, Sequence[bool]], bool]"
_RULES: dict[str, tuple[_Rule, ...]] = {
    "tflite": (_clamp,),
    "onnx": (_clamp, _quantization, _rescaling, _bias, _layout),
}
