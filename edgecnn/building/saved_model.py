"""A SavedModel's serving signature as a plain function."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgecnn.building.ends import last_line, unique
from edgecnn.building.shapes import OpenEnd
from edgecnn.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

_DEFAULT = "serving_default"
_ENDPOINTS = ("serve", "__call__", "call")


@dataclass(frozen=True)
class Signature:
    """One function of a SavedModel.

    Attributes:
        function: a list of input tensors to the list of output tensors; it keeps the SavedModel's
            variables alive.
        inputs: in the order of the function that Keras's export leaves beside the signature. A
            signature alone is stored without an order: then by name, numbers in names by value
            (args_2 before args_10).
        outputs: their names, by name likewise; Keras names a list's output_0, output_1, ...
        weights: all variables the function reads.
        trainable_weights: those that training changes.
    """

    function: Callable[[Sequence[Any]], list[Any]]
    inputs: tuple[OpenEnd, ...]
    outputs: tuple[str, ...]
    weights: Sequence[Any]
    trainable_weights: Sequence[Any]


def load(path: Path, name: str | None = None) -> Signature:
    """Load a SavedModel and choose a function of it.

    Args:
        path: the folder.
        name: of the signature; None for serving_default, or the only one, or, where there is
            no signature, the endpoint that Keras's model.export writes or the model's own call.

    Raises:
        InputError: it is corrupt, or has no such function, or several and none is named.
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
    if name is None and not loaded.signatures:
        return _from_endpoint(path, loaded)
    return _from_signature(path, loaded, _choose(path, loaded.signatures, name))


def _from_signature(path: Path, loaded: Any, signature: Any) -> Signature:  # noqa: ANN401 - TensorFlow's
    import tensorflow as tf

    _, specs = signature.structured_input_signature
    input_names = _order(loaded, specs)
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


def _from_endpoint(path: Path, loaded: Any) -> Signature:  # noqa: ANN401 - what TensorFlow loaded
    import tensorflow as tf

    concrete = next(_concrete(loaded), None)
    if concrete is None:
        raise InputError(
            f"{path}: it has no signature and no function of tensors.",
            hint="Keras writes one with model.export(FOLDER).",
        )
    structure = concrete.structured_input_signature
    specs = tf.nest.flatten(structure)
    names = unique([spec.name or f"input_{index}" for index, spec in enumerate(specs)])
    outputs = concrete.structured_outputs
    count = len(tf.nest.flatten(outputs))
    named = isinstance(outputs, dict) and len(outputs) == count

    def function(tensors: Sequence[Any], _alive: object = loaded) -> list[Any]:
        fed = [tf.convert_to_tensor(t, s.dtype) for t, s in zip(tensors, specs, strict=True)]
        arguments, options = tf.nest.pack_sequence_as(structure, fed)
        return list(tf.nest.flatten(concrete(*arguments, **options)))

    return Signature(
        function=function,
        inputs=tuple(_open_end(path, n, s) for n, s in zip(names, specs, strict=True)),
        outputs=tuple(sorted(outputs) if named else (f"output_{k}" for k in range(count))),
        weights=concrete.variables,
        trainable_weights=concrete.trainable_variables,
    )


def _concrete(loaded: Any) -> Iterator[Any]:  # noqa: ANN401 - what TensorFlow loaded
    """The functions of tensors that Keras's export and call leave beside the signatures."""
    import tensorflow as tf

    for name in _ENDPOINTS:
        for concrete in getattr(getattr(loaded, name, None), "concrete_functions", ()):
            leaves = tf.nest.flatten(concrete.structured_input_signature)
            if leaves and all(isinstance(leaf, tf.TensorSpec) for leaf in leaves):
                yield concrete


def _order(loaded: Any, specs: Mapping[str, Any]) -> list[str]:  # noqa: ANN401 - what TensorFlow loaded
    """The inputs as the endpoint beside the signature declares them, else by name."""
    import tensorflow as tf

    for concrete in _concrete(loaded):
        names = [leaf.name for leaf in tf.nest.flatten(concrete.structured_input_signature)]
        if sorted(map(str, names)) == sorted(specs):
            return names
    return sorted(specs, key=_natural)


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


def _choose(path: Path, signatures: Mapping[str, Any], chosen: str | None) -> Any:  # noqa: ANN401 - a TensorFlow function
    if chosen is None and len(signatures) == 1:
        return next(iter(signatures.values()))
    name = _DEFAULT if chosen is None else chosen
    if name in signatures:
        return signatures[name]
    names = sorted(signatures)
    raise InputError(
        f"{path}: it has no signature {name!r}; its signatures: {', '.join(names) or 'none'}.",
        hint=f"Choose one: {path}:{names[0]}" if names else "Name the folder alone.",
    )
