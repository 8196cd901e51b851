"""Operators that exporters write as several, where TFLite has one."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    import onnx
    from numpy.typing import NDArray

    Constants = Mapping[str, NDArray[np.generic]]


def with_gelu(nodes: Sequence[onnx.NodeProto], constants: Constants) -> list[onnx.NodeProto]:
    """Nodes in which x (1 + erf(x / sqrt 2)) / 2, in any order of its factors, is one Gelu.

    The nodes it was made of stay, as nobody may need them any more.
    """
    import onnx

    producers = {output: node for node in nodes for output in node.output}
    consumers: dict[str, list[onnx.NodeProto]] = {}
    for node in nodes:
        for name in node.input:
            consumers.setdefault(name, []).append(node)
    gelus: dict[str, onnx.NodeProto] = {}
    for node in nodes:
        if node.op_type != "Erf":
            continue
        source = _source(producers.get(node.input[0]), constants)
        last = source and _last(node, source, consumers, producers, constants)
        if source and last:
            gelu = onnx.helper.make_node("Gelu", [source], [last.output[0]], name=last.name)
            gelus[last.output[0]] = gelu
    return [gelus.get(node.output[0], node) if node.output else node for node in nodes]


def _scalar(name: str, constants: Constants) -> float | None:
    values = constants.get(name)
    return float(values.reshape(())) if values is not None and values.size == 1 else None


def _factor(node: onnx.NodeProto, factor: float, constants: Constants) -> str | None:
    """The other operand of a node of two, where one is this number."""
    for here, other in (node.input, reversed(node.input)) if len(node.input) == 2 else ():  # noqa: PLR2004 - operands
        number = _scalar(here, constants)
        if number is not None and math.isclose(number, factor, rel_tol=1e-4):
            return str(other)
    return None


def _source(node: onnx.NodeProto | None, constants: Constants) -> str | None:
    """The x of x / sqrt 2."""
    if node is None:
        return None
    if node.op_type == "Mul":
        return _factor(node, math.sqrt(0.5), constants)
    divisor = _scalar(node.input[1], constants) if node.op_type == "Div" else None
    close = divisor is not None and math.isclose(divisor, math.sqrt(2), rel_tol=1e-4)
    return str(node.input[0]) if close else None


def _last(
    erf: onnx.NodeProto,
    source: str,
    consumers: Mapping[str, Sequence[onnx.NodeProto]],
    producers: Mapping[str, onnx.NodeProto],
    constants: Constants,
) -> onnx.NodeProto | None:
    """The product that x, one half and 1 + erf end in."""

    def only(name: str, kind: str) -> onnx.NodeProto | None:
        nodes = consumers.get(name, [])
        return nodes[0] if len(nodes) == 1 and nodes[0].op_type == kind else None

    def other(node: onnx.NodeProto, name: str) -> str:
        return str(node.input[1] if node.input[0] == name else node.input[0])

    plus = only(erf.output[0], "Add")
    if plus is None or _factor(plus, 1.0, constants) != erf.output[0]:
        return None
    first = only(plus.output[0], "Mul")
    if first is None:
        return None
    factor = other(first, plus.output[0])
    made_by = producers.get(factor)
    if made_by is not None and made_by.op_type == "Mul":
        return first if _factor(made_by, 0.5, constants) == source else None
    second = only(first.output[0], "Mul")
    if second is None:
        return None
    rest = {factor, other(second, first.output[0])}
    halves = [name for name in rest if (_scalar(name, constants) or 0) == 0.5]  # noqa: PLR2004 - one half
    return second if source in rest and len(halves) == 1 else None
