"""Which output is scored, and what its numbers are."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from edgecnn.errors import InputError
from edgecnn.evaluating.options import parse_output
from edgecnn.tasks import segment
from edgecnn.tasks.outputs import TaskError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgecnn.evaluating.signature import OutputSpec, Signature
    from edgecnn.tasks.outputs import Output

_TWO = 2
_FEWEST_RANK = 3  # of a map


@dataclass(frozen=True)
class Choice:
    """The output that is scored.

    Attributes:
        name: its name.
        kind: what its numbers are.
        classes: that it tells apart; None where it holds their numbers.
    """

    name: str
    kind: str
    classes: int | None


def select_outputs(signature: Signature, output: str | None) -> tuple[OutputSpec, ...]:
    """The outputs that may be meant, with the kinds that the user gave them.

    Raises:
        InputError: the network has no such output.
    """
    if output is None:
        return signature.outputs
    name, kind = parse_output(output, tuple(end.name for end in signature.outputs))
    matches = [end for end in signature.outputs if name in {None, end.name}]
    return tuple(end if kind is None else replace(end, kind=kind) for end in matches)


def class_output(file: str, signature: Signature, output: str | None) -> Choice:
    """The output that tells the class: the one that is asked for, else the only one with scores.

    Raises:
        InputError: none does, or several may; they are listed.
    """
    outputs = select_outputs(signature, output)
    rows = [end for end in outputs if math.prod(end.shape) in {1, end.shape[-1]}]
    scores = [end for end in rows if end.kind != "values"]
    if len(outputs) == 1:
        chosen = outputs[0]
    elif len(scores) == 1:
        chosen = scores[0]
    else:
        what = "several outputs that may tell the class" if scores else "no output of class scores"
        raise InputError(
            f"{file} has {what}: {', '.join(map(str, outputs))}.",
            hint="Name one with --output NAME or NAME=logits; or --task detect, --task segment.",
        )
    return _class_choice(file, chosen, is_row=chosen in rows)


def _class_choice(file: str, chosen: OutputSpec, *, is_row: bool) -> Choice:
    count = math.prod(chosen.shape)
    if not is_row or count == 0:
        raise InputError(
            f"{file}: its output {chosen} is no row of class scores.",
            hint="--task detect is for boxes, --task segment for masks; --output NAME for another.",
        )
    if count == 1 and chosen.kind == "values":
        raise InputError(
            f"{file}: its output {chosen.name} is one number, and what it is is not known.",
            hint="Say it: --output logits (below 0 the first class, above it the second), or"
            " --output probabilities. A number that is no class cannot be evaluated;"
            " `edgecnn verify` tells how close it is to float.",
        )
    return Choice(chosen.name, chosen.kind, _TWO if count == 1 else count)


def map_output(
    file: str, signature: Signature, output: str | None, size: tuple[int, int]
) -> Choice:
    """The output that is a map of classes: the one that is asked for, else the largest map.

    Raises:
        InputError: none is, or several may be; they are listed.
    """
    outputs = select_outputs(signature, output)
    try:
        chosen = segment.choose([end.zeros() for end in outputs])
        classes = segment.class_count(chosen, size)
    except TaskError as error:
        raise InputError(f"{file}: {error.message}", hint=error.hint) from error
    return Choice(chosen.name, chosen.kind, classes)


def chosen_output(outputs: Sequence[Output], choice: Choice) -> Output:
    """That output of one sample."""
    output = next(output for output in outputs if output.name == choice.name)
    return replace(output, kind=choice.kind)
