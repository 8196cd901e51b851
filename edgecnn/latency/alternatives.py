"""What one could change about a network that is too slow, one thing at a time."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from edgecnn.latency.precision import for_recipe
from edgecnn.latency.subjects import DEFAULT_RECIPE, Subject
from edgecnn.latency.zoo_nets import costs_of_zoo
from edgecnn.zoo import MODELS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edgecnn.latency.subjects import Shape

_FASTEST = "int8"
_SMALLER = 0.75
_STEP = 8


def alternatives(
    subject: Subject, cores: int, threads: int, shape: Shape
) -> Iterator[tuple[str, Subject, int]]:
    """Each change in the words of the command line, the network after it, and its threads.

    Args:
        subject: the network as it is.
        cores: of the device.
        threads: of one inference.
        shape: what the user asked the network to be.
    """
    if threads < cores:
        yield f"--threads {cores}", subject, cores
    if quantized := _quantized(subject, shape):
        yield f"--{_FASTEST}", quantized, threads
    spec = MODELS.get(subject.name)
    if spec is None:
        return
    size = round((shape.side or spec.input_size) * _SMALLER / _STEP) * _STEP
    if size >= (spec.min_input_size or spec.input_size):
        smaller = replace(shape, input_size=size)
        yield f"--input-size {size}", _rebuilt(subject, subject.recipe, smaller), threads
    if spec.has_width:
        width = (1.0 if shape.width is None else shape.width) * _SMALLER
        narrower = replace(shape, width=width)
        yield f"--width {width:g}", _rebuilt(subject, subject.recipe, narrower), threads


def _quantized(subject: Subject, shape: Shape) -> Subject | None:
    if subject.recipe == _FASTEST:
        return None
    if subject.name in MODELS:
        return _rebuilt(subject, _FASTEST, shape)
    if subject.recipe == DEFAULT_RECIPE:
        return Subject(subject.name, _FASTEST, for_recipe(subject.cost, _FASTEST))
    return None


def _rebuilt(subject: Subject, recipe: str, shape: Shape) -> Subject:
    cost = costs_of_zoo(
        subject.name,
        input_size=shape.side,
        width=shape.width,
        convolution=shape.convolution,
        classes=shape.classes,
        recipe=recipe,
    )
    return Subject(subject.name, recipe, cost)
