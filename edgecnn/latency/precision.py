"""What a recipe makes of a network's operators, as `edgecnn export` writes them."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING

from edgecnn.latency.cost import INPUT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgecnn.latency.cost import NetCost, OperatorCost

_RELUS = {"RELU", "RELU6"}
_HARD_SWISH = "HARD_SWISH"


def for_recipe(cost: NetCost, recipe: str) -> NetCost:
    """A float network's cost under a recipe, as the exported .tflite has it.

    In int8 a ReLU that nothing absorbs is a QUANTIZE into a range that starts at zero, and a
    HARD_SWISH a sum and two products. Under the dynamic recipe depthwise convolutions and products
    of two activations stay in float.

    Args:
        cost: of a float network.
        recipe: one of `edgecnn.recipes.RECIPES`.

    Raises:
        InputError: there is no such recipe.
    """
    changed = cost.at(recipe)
    parts = [_for_recipe(operator, recipe) for operator in changed.operators]
    return replace(
        changed,
        operators=tuple(part for group in parts for part in group),
        sources=_sources(changed.sources, [len(group) for group in parts]),
    )


def _sources(
    sources: Sequence[tuple[int, ...]], counts: Sequence[int]
) -> tuple[tuple[int, ...], ...]:
    """Those of operators of which each became so many, one behind the other.

    The last of several also reads what the first one does.
    """
    ends = list(itertools.accumulate(counts))
    moved: list[tuple[int, ...]] = []
    for read, count in zip(sources, counts, strict=False):
        first = tuple(ends[place] - 1 if place != INPUT else INPUT for place in read)
        start = len(moved)
        moved += [first, *((place,) for place in range(start, start + count - 1))]
        if count > 1:
            moved[-1] = (*moved[-1], *first)
    return tuple(moved)


def _for_recipe(operator: OperatorCost, recipe: str) -> tuple[OperatorCost, ...]:
    if recipe == "int8" and operator.name in _RELUS:
        return (replace(operator, kind="quantize", name="QUANTIZE"),)
    if recipe == "int8" and operator.name == _HARD_SWISH:
        return _decomposed(operator)
    if recipe == "dynamic" and operator.kind in {"depthwise", "matmul"}:
        return (replace(operator, precision="float32"),)
    return (operator,)


def _decomposed(hard_swish: OperatorCost) -> tuple[OperatorCost, ...]:
    """What `quantize.passes.hard_swish_to_product` puts in its place."""
    of_constant = replace(hard_swish, kind="elementwise", weight_elements=1)
    gate = replace(
        of_constant, name="MUL", input_elements=2 * hard_swish.input_elements, weight_elements=0
    )
    return (replace(of_constant, name="ADD"), replace(of_constant, name="MUL"), gate)
