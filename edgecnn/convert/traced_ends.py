"""Refuses networks whose ends are not tensors of their own, which no format keeps apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgecnn.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgecnn.records import Network

_PASSING = {"Identity", "StopGradient", "Snapshot"}


def check(model: str, network: Network, inputs: Sequence[Any], outputs: Sequence[Any]) -> None:
    """Check a traced network's ends.

    Args:
        model: its name, for the errors' sentences.
        network: its ends' names.
        inputs: its placeholders, in order.
        outputs: its output tensors, in order.

    Raises:
        InputError: an output is an input or another output as it is, or is constant, or an input is
            not used.
    """
    names = {
        tensor.name: f"its input {end.name}"
        for tensor, end in zip(inputs, network.inputs, strict=True)
    }
    used: set[str] = set()
    for tensor, end in zip(outputs, network.outputs, strict=True):
        source = _source(tensor)
        if source.name in names:
            raise InputError(
                f"{model}: its output {end.name} is {names[source.name]}, unchanged.",
                hint="Leave that output out of the model.",
            )
        read = _reads(source, {tensor.name for tensor in inputs})
        if not read:
            raise InputError(
                f"{model}: its output {end.name} is constant: it depends on no input.",
                hint="Leave that output out of the model.",
            )
        used |= read
        names[source.name] = f"its output {end.name}"
    idle = [names[tensor.name] for tensor in inputs if tensor.name not in used]
    if idle:
        raise InputError(f"{model}: no output depends on {idle[0]}.", hint="Leave that input out.")


def _source(tensor: Any) -> Any:  # noqa: ANN401 - a tensor of TensorFlow
    """The tensor behind operators that only pass it on."""
    while tensor.op.type in _PASSING:
        tensor = tensor.op.inputs[0]
    return tensor


def _reads(tensor: Any, inputs: set[str]) -> set[str]:  # noqa: ANN401 - a tensor of TensorFlow
    """Which of the inputs a tensor depends on."""
    pending, seen, read = [tensor], set(), set()
    while pending:
        reached = pending.pop()
        if reached.name in inputs:
            read.add(reached.name)
        if reached.op not in seen:
            seen.add(reached.op)
            pending.extend(reached.op.inputs)
    return read
