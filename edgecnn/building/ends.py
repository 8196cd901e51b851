"""The ends of a network: their names, and what comes out once the sizes that go in are fixed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgecnn.errors import InputError
from edgecnn.records import Endpoint

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_IMAGE_RANK = 4


def unique(names: Sequence[str], taken: Sequence[str] = ()) -> list[str]:
    """The names, where one comes again with _1, _2 and so on behind it."""
    used = set(taken)
    result = []
    for name in names:
        count, candidate = 0, name
        while candidate in used:
            count += 1
            candidate = f"{name}_{count}"
        used.add(candidate)
        result.append(candidate)
    return result


def last_line(error: Exception) -> str:
    """What an error of TensorFlow or Keras says in the end: the cause, not where it happened."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__


def measure_outputs(
    model: str,
    function: Callable[[Sequence[Any]], list[Any]],
    inputs: Sequence[Endpoint],
    names: Sequence[str],
) -> tuple[Endpoint, ...]:
    """The outputs' dtypes and shapes, by running the network once on zeros.

    Raises:
        InputError: it does not run at these sizes, or an output is no plain tensor.
    """
    import tensorflow as tf

    zeros = [tf.zeros(end.shape, end.dtype) for end in inputs]
    try:
        outputs = function(zeros)
    except Exception as error:
        # Keras and TensorFlow raise nearly every type here, by the layer that does not fit.
        shapes = ", ".join(f"{end.name} {end.shape}" for end in inputs)
        raise InputError(
            f"{model}: it does not run on inputs of {shapes}: {last_line(error)}",
            hint="If the sizes are wrong, give others with --input-size or --input-shape.",
        ) from error
    image = any(end.layout == "NHWC" for end in inputs)
    return tuple(
        _endpoint(model, name, value, image=image)
        for name, value in zip(names, outputs, strict=True)
    )


def _endpoint(model: str, name: str, value: Any, *, image: bool) -> Endpoint:  # noqa: ANN401 - a tensor
    import tensorflow as tf

    if not isinstance(value, tf.Tensor) or value.dtype.name in {"string", "resource", "variant"}:
        raise InputError(f"{model}: its output {name} is no tensor of numbers.")
    layout = "NHWC" if image and len(value.shape) == _IMAGE_RANK else ""
    return Endpoint(name, value.dtype.name, tuple(value.shape), layout)
