"""A user's Keras file to a Keras model, and how that model's ends are called."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgecnn.building import keras_config, weights
from edgecnn.building.ends import last_line, unique
from edgecnn.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import keras


def load(path: Path) -> keras.Model:
    """Load a .keras, .h5 or .hdf5 file. Nothing in it is executed.

    Raises:
        InputError: Keras cannot load it, its weights are not finite, or its ends are not known.
    """
    import keras

    if path.suffix.lower() != ".keras":
        keras_config.check_config(path, weights.read_legacy_config(path))
    try:
        # Training's optimizer and losses are not exported, and may be custom objects.
        model = keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:
        # Keras raises nearly every type here, by what it stumbles over in the file.
        raise InputError(
            f"{path}: Keras {keras.__version__} cannot load it: {last_line(error)}",
            hint="If the file is whole: load it where it was made, and call model.export(FOLDER)"
            " there; edgecnn takes that SavedModel folder.",
        ) from error
    weights.check_finite(path, model.weights)
    _require_ends(path, model)
    return model


def _require_ends(path: Path, model: keras.Model) -> None:
    try:
        known = bool(model.inputs and model.outputs)
    except ValueError:  # a Sequential that has never seen an input
        known = False
    if not known:
        raise InputError(
            f"{path}: it has 0 inputs that are known: it was never called, or given an Input.",
            hint="Call it on a sample, or begin it with keras.Input(shape), and save it again.",
        )


def input_names(model: keras.Model) -> list[str]:
    """The names of its Input layers, in order."""
    return unique([tensor.name for tensor in model.inputs])


def output_names(model: keras.Model) -> list[str]:
    """The names of the layers its outputs come from, in order; a layer may come twice."""
    return [tensor._keras_history.operation.name for tensor in model.outputs]  # noqa: SLF001 - as Keras's own output_names


def pack_inputs(model: keras.Model, tensors: Sequence[Any]) -> Any:  # noqa: ANN401 - tensors
    """A flat list of inputs in the structure (list, dict) that the model was declared with."""
    import keras

    if isinstance(model, keras.Sequential):
        return tensors[0]
    return keras.tree.pack_sequence_as(model.input, list(tensors))
