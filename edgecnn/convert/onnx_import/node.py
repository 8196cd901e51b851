"""A node of the ONNX graph as the lowering functions see it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgecnn.convert.onnx_import.reshaping import settled
from edgecnn.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import onnx
    from numpy.typing import NDArray

    from edgecnn.convert.onnx_import.value import Value


def attributes_of(node: onnx.NodeProto) -> dict[str, Any]:
    """Attributes by name; strings as str."""
    import onnx

    values = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    return {k: v.decode() if isinstance(v, bytes) else v for k, v in values.items()}


def label_of(node: onnx.NodeProto) -> str:
    """What to call a node in a sentence: many have no name."""
    return node.name or (node.output[0] if node.output else node.op_type)


@dataclass(frozen=True)
class Node:
    """An operator with its operands.

    Attributes:
        operator: ONNX's name of it.
        label: its name, or its first output's.
        operands: None where an optional one was left out.
        outputs: names; empty where nobody asks for one.
        attributes: those that were written down.
        opset: version of ONNX's operator set.
    """

    operator: str
    label: str
    operands: tuple[Value | None, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]
    opset: int

    def get(self, name: str, default: Any = None) -> Any:  # noqa: ANN401 - as ONNX types them
        """An attribute, or what ONNX says it is when it is left out."""
        return self.attributes.get(name, default)

    def has(self, index: int) -> bool:
        """Whether there is such an operand."""
        return index < len(self.operands) and self.operands[index] is not None

    def value(self, index: int) -> Value:
        """An operand, with no reshape left to do."""
        return settled(self.viewed(index))

    def viewed(self, index: int) -> Value:
        """An operand, perhaps with a reshape left to do."""
        if not self.has(index):
            raise self.refused(f"operand {index} is missing")
        operand = self.operands[index]
        assert operand is not None  # noqa: S101 - `has` said so
        return operand

    def values(self) -> list[Value]:
        """All operands that there are."""
        return [settled(operand) for operand in self.operands if operand is not None]

    def known(self, index: int, name: str) -> NDArray[Any]:
        """The numbers of an operand that has to be constant."""
        array = self.value(index).array
        if array is None:
            raise self.refused(f"its {name} is computed while the model runs")
        return array

    def option(self, index: int, name: str, default: Any = None) -> Any:  # noqa: ANN401 - as ONNX types them
        """What newer operator sets have as an operand and older ones as an attribute, as a list."""
        if self.has(index):
            return self.known(index, name).tolist()
        return self.get(name, default)

    def axis(self, default: int = 0, *, rank: int | None = None, name: str = "axis") -> int:
        """An axis, counted from the front."""
        rank = self.value(0).rank if rank is None else rank
        return int(self.get(name, default)) % max(rank, 1)

    def refused(self, reason: str) -> InputError:
        """The error that this node cannot be had in a .tflite."""
        return InputError(
            f"{self.operator} ({self.label}) cannot be converted to .tflite: {reason}.",
            hint="Export the model without it, cut the model before it, or use --format onnx.",
        )
