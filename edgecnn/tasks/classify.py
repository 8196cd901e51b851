"""From an output to classes with their probabilities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgecnn.tasks.outputs import Output, TaskError, shapes_text, sigmoid, softmax

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_TWO = 2


@dataclass(frozen=True)
class Candidate:
    """A class and what speaks for it.

    Attributes:
        index: its number.
        label: its name.
        score: its probability, or its value where the output has no probabilities.
        probability: whether the score is one.
    """

    index: int
    label: str
    score: float
    probability: bool


def scores(output: Output) -> NDArray[np.float64]:
    """One number a class; probabilities unless the output is of values.

    A softmax is put over logits alone, never over values. One logit is a sigmoid over two
    classes, and one probability likewise: (1 - p, p), for the class that p speaks for is the
    second.
    """
    values = _flat(output)
    if output.kind == "values":
        return values
    if len(values) == 1:
        second = values[0] if output.kind == "probabilities" else float(sigmoid(values)[0])
        return np.array([1.0 - second, second])
    return values if output.kind == "probabilities" else softmax(values)


def class_count(output: Output) -> int:
    """How many classes an output tells of."""
    count = _flat(output).size
    return _TWO if count == 1 and output.kind != "values" else count


def top(
    output: Output, labels: Sequence[str] = (), *, most: int = 5, above: float | None = None
) -> list[Candidate]:
    """The classes of highest score, best first; of tied ones the first.

    Args:
        output: of one sample.
        labels: of the classes in order; they are numbered beyond its end. For two classes out of
            one number a single label names the one that the number speaks for.
        most: how many at most.
        above: none whose score is below.

    Raises:
        TaskError: the output is empty.
    """
    numbers, raw = scores(output), _flat(output)
    # A softmax keeps the order, but the least of its shares are all zero.
    order = np.argsort(-(raw if len(raw) == len(numbers) else numbers), kind="stable")[:most]
    return [
        Candidate(
            int(index),
            label(_named(labels, output), int(index)),
            float(numbers[index]),
            output.kind != "values",
        )
        for index in order
        if above is None or numbers[index] >= above
    ]


def choose(outputs: Sequence[Output]) -> Output:
    """The output that classifies: the one of probabilities, else of logits, else the only one.

    Raises:
        TaskError: several may be meant.
    """
    for kind in ("probabilities", "logits"):
        fits = [output for output in outputs if output.kind == kind]
        if len(fits) == 1:
            return fits[0]
        if fits:
            break
    if len(outputs) == 1:
        return outputs[0]
    raise TaskError(
        f"Several outputs may tell the class: {shapes_text(outputs)}.", "Name one with --output."
    )


def label(labels: Sequence[str], index: int) -> str:
    """The name of a class; its number where there is no name."""
    return labels[index] if 0 <= index < len(labels) else f"class {index}"


def _named(labels: Sequence[str], output: Output) -> Sequence[str]:
    if len(labels) == 1 and class_count(output) == _TWO:
        return (f"not {labels[0]}", labels[0])
    return labels


def _flat(output: Output) -> NDArray[np.float64]:
    values = output.values
    flat: NDArray[np.float64] = (
        (values[0] if values.ndim else values).astype(np.float64).reshape(-1)
    )
    if not flat.size:
        raise TaskError(f"The output {output.name} is empty.", "Look at it with --task none.")
    return flat
