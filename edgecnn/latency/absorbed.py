"""Which operators of a file do not run by themselves: others absorb them.

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
        found: what `inspection` read.
    """

    def __init__(self, found: Inspection) -> None:
        self.format = found.format
        self.operators = found.operators
        self.constant = self._constants()
        self._readers = [0] * len(found.operators)
        for operator in found.operators:
            for place in operator.sources:
                if place >= 0:
                    self._readers[place] += 1
        self.absorbed = self._absorbed()

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

    def unpacked(self, place: int) -> list[tuple[int, ...]]:
        """Shapes of the constants an operator reads that another one unpacks."""
        operator = self.operators[place]
        return [
            shape
            for shape, source in zip(operator.input_shapes, operator.sources, strict=True)
            if source >= 0 and self.constant[source]
        ]

    def maker(self, place: int) -> Maker | None:
        """Who made an operator's one activation; None where several did, or the graph's input."""
        operator = self.operators[place]
        made = [source for source in operator.sources if source < 0 or not self.constant[source]]
        if len(made) != 1 or made[0] < 0:
            return None
        source = made[0]
        kind = kind_of(self.format, self.operators[source].name)
        return Maker(source, self.operators[source], kind, only_reader=self._readers[source] == 1)

    def is_dequantized(self, place: int) -> bool:
        """Whether all that an operator reads was dequantized just before: it computes in int8."""
        sources = [each for each in self.operators[place].sources if each >= 0]
        return bool(sources) and all(
            self.operators[each].name == "DequantizeLinear" for each in sources
        )

    def _absorbed(self) -> list[bool]:
        rules = _RULES[self.format]
        gone: list[bool] = []
        for place, constant in enumerate(self.constant):
            gone.append(constant or any(rule(self, place, gone) for rule in rules))
        return gone


class Maker(NamedTuple):
    """The operator that made an activation."""

    place: int
    operator: Operator
    kind: str
    only_reader: bool


def _clamp(nodes: Nodes, place: int, _gone: Sequence[bool]) -> bool:
    """A clamp behind an operator that nothing else reads; XNNPACK takes no RELU in int8."""
    operator, maker = nodes.operators[place], nodes.maker(place)
    if operator.name not in _CLAMPS or maker is None or not maker.only_reader:
        return False
    return maker.kind in _CLAMPED and operator.compute_dtype in {"float32", "float16"}


def _quantization(nodes: Nodes, place: int, _gone: Sequence[bool]) -> bool:
    """What stands between operators that compute in integers; the ends remain."""
    operator = nodes.operators[place]
    if kind_of("onnx", operator.name) != "quantize":
        return False
    return operator.name == "DynamicQuantizeLinear" or not operator.at_border


def _rescaling(nodes: Nodes, place: int, gone: Sequence[bool]) -> bool:
    """Cast, Mul and Add behind an integer product, and what computes their one scale."""
    operator = nodes.operators[place]
    if operator.name not in {"Cast", "Mul", "Add"}:
        return False
    if operator.name == "Mul" and math.prod(operator.output_shapes[0] or (1,)) == 1:
        return True
    made = [each for each in operator.sources if each >= 0 and not nodes.constant[each]]
    return any(
        nodes.operators[each].name in _DEQUANTIZED
        or (gone[each] and nodes.operators[each].name in {"Cast", "Mul"})
        for each in made
    )


def _bias(nodes: Nodes, place: int, gone: Sequence[bool]) -> bool:
    """A constant added to a product, or a normalization of one."""
    operator, maker = nodes.operators[place], nodes.maker(place)
    if operator.name not in {"Add", "BatchNormalization"} or maker is None:
        return False
    return (
        maker.only_reader
        and maker.kind in _PRODUCTS
        and operator.parameters > 0
        and not gone[maker.place]
    )


def _layout(nodes: Nodes, place: int, _gone: Sequence[bool]) -> bool:
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
