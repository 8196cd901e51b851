"""What the numbers of each output are: probabilities, logits, or values that are neither."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecnn.errors import InputError
from edgecnn.records import OutputInfo, OutputKind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from edgecnn.records import Network

KINDS: tuple[OutputKind, ...] = ("probabilities", "logits", "values")


def describe(
    network: Network, ends_in_probabilities: Sequence[bool], chosen: Mapping[str, OutputKind]
) -> tuple[OutputInfo, ...]:
    """The outputs of a network with the kind of each.

    Args:
        network: as it was read.
        ends_in_probabilities: whether each output ends in a softmax or a sigmoid.
        chosen: kind by output name, as the user says; "" is for every output that the graph says
            nothing of.

    Raises:
        InputError: a name in `chosen` that the network has not.
    """
    names = [end.name for end in network.outputs]
    unknown = sorted(chosen.keys() - {*names, ""})
    if unknown:
        raise InputError(
            f"--output: the network has no output {unknown[0]!r}.",
            hint=f"Its outputs are: {', '.join(names)}.",
        )
    return tuple(
        OutputInfo(
            end.name,
            end.dtype,
            end.shape,
            end.layout,
            kind=chosen.get(end.name, "probabilities" if bounded else chosen.get("", "values")),
        )
        for end, bounded in zip(network.outputs, ends_in_probabilities, strict=True)
    )
