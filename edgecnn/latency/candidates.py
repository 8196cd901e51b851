"""What `fit` searches: the networks that could be exported in place of the one that was named."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgecnn.errors import InputError
from edgecnn.latency.options import RECIPES
from edgecnn.latency.subjects import Shape, find_subjects
from edgecnn.zoo import MODELS, find

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from edgecnn.latency.subjects import Subject
    from edgecnn.progress import Progress
    from edgecnn.records import ModelSpec

_LARGEST = 1.25
_LARGE_INPUT, _LARGE_STEP, _STEP = 128, 32, 8


@dataclass(frozen=True)
class Range:
    """What is varied of a network of the zoo.

    Attributes:
        widths: width multipliers.
        smallest: share of the network's own input size that is the smallest to look at.
    """

    widths: tuple[float, ...]
    smallest: float


USUAL = Range((0.25, 0.375, 0.5, 0.625, 0.75, 0.875, 1.0, 1.25), 0.3)
TINY = Range((0.0625, 0.125, 0.1875, *USUAL.widths), 0.1)


@dataclass(frozen=True)
class Choice:
    """One network that could be exported.

    Attributes:
        model: a zoo name, `keras:NAME` or a path.
        input_size: pixels; None for its own, which cannot change or costs a conversion.
        width: width multiplier; None where it has none.
        subject: under one recipe, with its cost.
    """

    model: str
    input_size: int | None
    width: float | None
    subject: Subject


def find_choices(
    model: str,
    recipes: Sequence[str],
    *,
    input_sizes: Sequence[int] = (),
    input_shapes: Mapping[str, tuple[int, ...]] | None = None,
    varied: Range = USUAL,
    progress: Progress,
) -> tuple[Choice, ...]:
    """The networks to choose from.

    A network of the zoo with a width multiplier varies in width, input size and recipe. One without
    varies in input size and recipe, and the other networks of the zoo with the same input are
    looked at too, as they are. Any other model has its recipes, and the input sizes that are named.

    Args:
        model: a zoo name, `keras:NAME`, or a path.
        recipes: to choose from.
        input_sizes: instead of the usual ones, pixels.
        input_shapes: of inputs that a file leaves open, by name.
        varied: of a network of the zoo.
        progress: told of what takes long.

    Raises:
        InputError: no such model, or it cannot have one of these sizes or recipes.
        MissingPartError: TensorFlow is needed and not installed.
    """
    if not recipes:
        raise InputError("No recipe is named.", hint=f"Usual: {', '.join(RECIPES)}.")
    if model.lower() not in MODELS:
        shapes = [
            Shape(size, input_shapes=dict(input_shapes or {})) for size in input_sizes or (None,)
        ]
        return tuple(_of_any(model, recipes, shapes, progress))
    if input_shapes:
        raise InputError(
            f"--input-shape is for models of your own; {model} is one of the zoo.",
            hint="--input-sizes says what to choose from.",
        )
    named = find(model)
    widths = varied.widths if named.has_width else (None,)
    sizes = input_sizes or _usual_sizes(named, varied)
    choices = [*_of_zoo(named, widths, recipes, sizes, progress)]
    if not named.has_width:
        for spec in _siblings(named):
            sizes = [size for size in input_sizes if size >= (spec.min_input_size or size)]
            if not input_sizes:
                sizes = [*_usual_sizes(spec, varied)]
            choices += _of_zoo(spec, (None,), recipes, sizes, progress)
    return tuple(choices)


def _siblings(named: ModelSpec) -> list[ModelSpec]:
    return [
        spec
        for spec in MODELS.values()
        if spec.input_size == named.input_size and spec is not named
    ]


def _of_zoo(
    spec: ModelSpec,
    widths: Sequence[float | None],
    recipes: Sequence[str],
    sizes: Sequence[int],
    progress: Progress,
) -> Iterator[Choice]:
    for width, size in itertools.product(widths, sizes):
        for subject in find_subjects(spec.name, recipes, Shape(size, width), progress):
            yield Choice(spec.name, size, width, subject)


def _usual_sizes(spec: ModelSpec, varied: Range) -> tuple[int, ...]:
    """Multiples of 32 (or 8, of small inputs) about the network's own size, and that one."""
    own, smallest = spec.input_size, spec.min_input_size or spec.input_size
    step = _LARGE_STEP if own >= _LARGE_INPUT else _STEP
    lowest = max(math.ceil(own * varied.smallest / step) * step, step)
    usual = range(lowest, math.floor(own * _LARGEST) + 1, step)
    return tuple(sorted({own, *(size for size in usual if size >= smallest)}))


def _of_any(
    model: str, recipes: Sequence[str], shapes: Sequence[Shape], progress: Progress
) -> Iterator[Choice]:
    for shape in shapes:
        for subject in find_subjects(model, recipes, shape, progress):
            yield Choice(model, shape.side, None, subject)
