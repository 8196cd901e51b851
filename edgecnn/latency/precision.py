"""What a recipe makes of a network's operators, as `edgecnn export` writes them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from edgecnn.latency.cost import MULTIPLYING

if TYPE_CHECKING:
    from edgecnn.latency.cost import NetCost, OperatorCost

_RELUS = {"RELU", "RELU6"}


def under(cost: NetCost, recipe: str) -> NetCost:
    """A float network's cost under a recipe, as the exported .tflite has it.

    In int8 a ReLU that nothing absorbs is a QUANTIZE into a range that starts at zero. Under the
    dynamic recipe depthwise convolutions and products of two activations stay in float.

    Args:
        cost: of a float network.
        recipe: one of `edgecnn.recipes.RECIPES`.

    Raises:
        InputError: there is no such recipe.
    """
    changed = cost.at(recipe)
    return replace(changed, operators=tuple(_under(each, recipe) for each in changed.operators))


def _under(operator: OperatorCost, recipe: str) -> OperatorCost:
    if recipe == "int8" and operator.name in _RELUS:
        return replace(operator, kind="quantize", name="QUANTIZE")
    if recipe == "dynamic" and operator.kind in MULTIPLYING and not _is_dynamic(operator):
        return replace(operator, precision="float32")
    return operator


def _is_dynamic(operator: OperatorCost) -> bool:
    return operator.kind not in {"depthwise", "matmul"}
