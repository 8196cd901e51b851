"""A SavedModel's serving signature as a plain function."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgecnn.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

_DEFAULT = "serving_default"


@dataclass(frozen=True)
class Signature:
    """One function of a SavedModel, of one input and one output.

    Attributes:
        function: the input tensor to the output tensor; it keeps the SavedModel's variables alive.
        input_shape: None where an axis is variable.
        input_dtype: its name, such as "float32".
        output_shape: None where an axis is variable.
        variables: all variables the function reads.
        trainable_variables: those that training changes.
    """

    function: Callable[[Any], Any]
    input_shape: Sequence[int | None]
    input_dtype: str
    output_shape: Sequence[int | None]
    variables: Sequence[Any]
    trainable_variables: Sequence[Any]


def load(path: Path) -> Signature:
    """Load a SavedModel and choose its serving signature.

    Raises:
        InputError: it is corrupt, or has no signature of one input and one output.
    """
    import tensorflow as tf

    try:
        loaded = tf.saved_model.load(str(path))
    except Exception as error:
        # TensorFlow raises nearly every type here, by what it stumbles over in the folder.
        first_line = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise InputError(
            f"{path}: TensorFlow {tf.__version__} cannot load it: {first_line}",
            hint="The SavedModel may be incomplete (it needs its variables folder) or corrupt.",
        ) from error
    signature = _choose(path, loaded.signatures)
    (_, inputs), outputs = signature.structured_input_signature, signature.structured_outputs
    input_name, image = _only(path, "inputs", inputs)
    output_name, output = _only(path, "outputs", outputs)
    if image.shape.rank is None or output.shape.rank is None:
        raise InputError(f"{path}: the rank of its input or output is unknown.")

    def function(images: Any, _alive: object = loaded) -> Any:  # noqa: ANN401 - tensors
        return signature(**{input_name: images})[output_name]

    return Signature(
        function=function,
        input_shape=image.shape.as_list(),
        input_dtype=image.dtype.name,
        output_shape=output.shape.as_list(),
        variables=signature.variables,
        trainable_variables=signature.trainable_variables,
    )


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


def _only(path: Path, side: str, tensors: Mapping[str, Any]) -> tuple[str, Any]:
    if len(tensors) != 1:
        raise InputError(
            f"{path}: its signature has {len(tensors)} {side} ({', '.join(sorted(tensors))});"
            " edgecnn exports networks with one.",
            hint="Save a model with one image as input and one output.",
        )
    return next(iter(tensors.items()))
