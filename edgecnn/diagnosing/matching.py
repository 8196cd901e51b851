"""Which tensor of the float file is the counterpart of which in the quantized file."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgecnn.formats.tflite_graph import Operator
from edgecnn.quantize import affine
from edgecnn.quantize.passes import keep_float

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from edgecnn.formats.tflite_graph import Graph, Tensor

# What passes call the tensor behind an end whose dtype changed, and a float one beside an end.
_SUFFIXES = ("", "_inner", keep_float.SUFFIX)
_BORDER = {"QUANTIZE", "DEQUANTIZE"}


class Named(Operator):
    """An operator that its file calls otherwise.

    Args:
        name: what a .tflite calls it.
        inputs: tensors it reads; None for one that is left out.
        outputs: tensors it makes.
        options: as `Operator` has them.
        shown: what its file calls it.
    """

    def __init__(
        self,
        name: str,
        inputs: Iterable[Tensor | None],
        outputs: Iterable[Tensor],
        options: Any,  # noqa: ANN401 - as of any operator
        *,
        shown: str,
    ) -> None:
        super().__init__(name, inputs, outputs, options)
        self.shown = shown


def shown(operator: Operator) -> str:
    """What an operator's file calls it."""
    return operator.shown if isinstance(operator, Named) else operator.name


@dataclass(frozen=True)
class Pair:
    """An operator of the quantized file and its counterpart, by what they make.

    Attributes:
        index: place of the operator in the quantized file.
        made_by: the operator; a RELU that is written as a QUANTIZE is a QUANTIZE.
        twin: its counterpart in the float file.
        matched_by: "name", "structure" or "order".
    """

    index: int
    made_by: Operator
    twin: Operator
    matched_by: str

    @property
    def operator(self) -> str:
        """Name of the operator."""
        return self.made_by.name

    @property
    def name(self) -> str:
        """Name of the tensor in the quantized file."""
        return self.quantized.name

    @property
    def quantized(self) -> Tensor:
        """The tensor of the quantized file."""
        return self.made_by.output

    @property
    def real(self) -> Tensor:
        """The tensor of the float file."""
        return self.twin.output


def match(quantized: Graph, real: Graph) -> tuple[list[Pair], int]:
    """Pair the operators' outputs, by name; what is left, by kind and shape, in order.

    By order only where both files have equally many of a kind and shape left. QUANTIZE and
    DEQUANTIZE that only change a dtype have no counterpart, and are not counted as skipped; neither
    is what computes indices and shapes.

    Returns:
        The pairs in order of execution, and how many operators have no counterpart.
    """
    named = {name: twin for name, twin in real.by_output().items() if twin.output.is_float}
    pairs: list[Pair] = []
    left: list[tuple[int, Operator]] = []
    taken: set[Operator] = set()
    for index, operator in enumerate(quantized.operators):
        twin = _by_name(operator, named)
        at_border = operator.name in _BORDER
        if twin is not None and not (at_border and twin in taken):
            taken.add(twin)
            pairs.append(Pair(index, operator, twin, "name"))
        elif not at_border and _makes_reals(operator):
            left.append((index, operator))
    ordered = _by_order(left, [twin for twin in named.values() if twin not in taken])
    pairs = sorted(pairs + ordered, key=lambda pair: pair.index)
    return pairs, len(left) - len(ordered)


def _makes_reals(operator: Operator) -> bool:
    return any(t.is_float or t.quantization is not None for t in operator.outputs)


def _by_name(operator: Operator, named: dict[str, Operator]) -> Operator | None:
    if not operator.outputs:
        return None
    for suffix in _SUFFIXES:
        twin = named.get(operator.output.name.removesuffix(suffix))
        if twin is not None:
            return twin if twin.output.shape == operator.output.shape else None
    return None


def _by_order(left: list[tuple[int, Operator]], free: list[Operator]) -> list[Pair]:
    ours, theirs = defaultdict(list), defaultdict(list)
    for index, operator in left:
        if operator.outputs:
            ours[_kind(operator)].append((index, operator))
    for twin in free:
        theirs[_kind(twin)].append(twin)
    return [
        Pair(index, operator, twin, "order")
        for kind, operators in ours.items()
        if len(operators) == len(theirs[kind])
        for (index, operator), twin in zip(operators, theirs[kind], strict=True)
    ]


def _kind(operator: Operator) -> tuple[object, ...]:
    return operator.name, affine.fused_activation(operator), operator.output.shape
