"""Products ahead of a function that is infinite at zero, or has no value below it.

A logarithm of a spectrum, a division by a norm: what comes in is positive and may be close to zero,
where the rounding of the product that made it changes its sign. Then one answer is no number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecnn.formats.onnx_graph import maker_of

if TYPE_CHECKING:
    import onnx_ir as ir

_PRODUCTS = {"Conv", "ConvTranspose", "Gemm", "MatMul"}
# By operator, the input that has to be positive.
_POLES = {"Div": 1, "Log": 0, "Reciprocal": 0, "Sqrt": 0}
_MOVING = {
    "Concat", "Flatten", "Gather", "Identity", "Pad", "Reshape", "Slice", "Split", "Squeeze",
    "Transpose", "Unsqueeze",
}  # fmt: skip
_BY_CONSTANT = {"Add", "Div", "Mul", "Sub"}
_ADDING = {"AveragePool", "GlobalAveragePool", "ReduceMean", "ReduceSum"}


def ahead_of_poles(graph: ir.Graph) -> set[ir.Node]:
    """The products that stay float for what reads them, with all between the two."""
    kept: set[ir.Node] = set()
    for node in graph:
        place = _POLES.get(node.op_type)
        if place is not None:
            way = _way_to_product(node.inputs[place])
            kept.update(way)
    return kept


def _way_to_product(value: ir.Value | None) -> list[ir.Node]:
    """The nodes from a product to a value, through moves, sums and constants; none without one."""
    way: list[ir.Node] = []
    while (maker := maker_of(value)) is not None:
        way.append(maker)
        if maker.op_type in _PRODUCTS:
            return way
        computed = [v for v in maker.inputs if v is not None and v.const_value is None]
        passes = maker.op_type in _MOVING | _ADDING | _BY_CONSTANT
        if not passes or len(computed) != 1:
            return []
        value = computed[0]
    return []
