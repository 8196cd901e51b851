"""A SavedModel's serving signature as a plain function."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgecnn.building.ends import last_line
from edgecnn.building.shapes import OpenEnd
from edgecnn.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

_DEFAULT = "serving_default"


@dataclass(frozen=True)
class Signature:
    """One function of a SavedModel.

    Attributes:
        function: a list of input tensors to the list of output tensors; it keeps the SavedModel's
            variables alive.
        inputs: the file stores them without an order, so they are ordered by name, numbers in
            names by value: args_2 before args_10.
        outputs: their names, ordered likewise.
        weights: all variables the function reads.
        trainable_weights: those that training changes.
    """

    function: Callable[[Sequence[Any]], list[Any]]
    inputs: tuple[OpenEnd, ...]
    outputs: tuple[str, ...]
    weights: Sequence[Any]
    trainable_weights: Sequence[Any]


def load(path: Path) -> Signature:
    """Load a SavedModel and choose its serving signature.

    Raises:
        InputError: it is corrupt, or has no signature to choose.
    """
    import tensorflow as tf

    try:
        loaded = tf.saved_model.load(str(path))
    except Exception as error:
        # TensorFlow raises nearly every type here, by what it stumbles over in the folder.
        raise InputError(
            f"{path}: TensorFlow {tf.__version__} cannot load it: {last_line(error)}",
            hint="The SavedModel may be incomplete (it needs its variables folder) or corrupt.",
        ) from error
    signature = _choose(path, loaded.signatures)
    _, specs = signature.structured_input_signature
    input_names = sorted(specs, key=_natural)
    output_names = tuple(sorted(signature.structured_outputs, key=_natural))

    def function(tensors: Sequence[Any], _alive: object = loaded) -> list[Any]:
        named = {
            name: tf.convert_to_tensor(tensor, specs[name].dtype)
            for name, tensor in zip(input_names, tensors, strict=True)
        }
        answers = signature(**named)
        return [answers[name] for name in output_names]

    return Signature(
        function=function,
        inputs=tuple(_open_end(path, name, specs[name]) for name in input_names),
        outputs=output_names,
        weights=signature.variables,
        trainable_weights=signature.trainable_variables,
    )


def _natural(name: str) -> list[tuple[int, str]]:
    """Sort key by which output_2 comes before output_10."""
    parts = re.split(r"(\d+)", name)
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]


def _open_end(path: Path, name: str, spec: Any) -> OpenEnd:  # noqa: ANN401 - a tf.TensorSpec
    if spec.shape.rank is None:
        raise InputError(
            f"{path}: the rank of its input {name} is unknown.",
            hint="Export it again with a signature that declares shapes.",
        )
    return OpenEnd(name, spec.dtype.name, tuple(spec.shape.as_list()))


def _choose(path: Path, signatures: Mapping[str, Any]) -> Any:  # noqa: ANN401 - a TensorFlow function
    if _DEFAULT in signatures:
        return signatures[_DEFAULT]
    if len(signatures) == 1:
        return next(iter(signatures.values()))
    names = ", ".join(sorted(signatures)) or "none"
    raise InputError(
        f"{path}: it has no signature {_DEFAULT!r} (its signatures: {names}).",
        hint="Keras writes one with model.export(FOLDER).",
    )
