"""A user's Keras file to a Keras model, and how that model's ends are called."""

from __future__ import annotations

import json
import shutil
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecnn.building import hdf5, keras2, keras2_functions, keras_config, precision, weights
from edgecnn.building.ends import last_line, unique
from edgecnn.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import keras


@dataclass(frozen=True)
class _Saved:
    """What a Keras file says of itself: its checked configuration, and which Keras wrote it."""

    config: dict[str, Any]
    version: str | None


def load(path: Path) -> keras.Model:
    """Load a .keras, .h5 or .hdf5 file. Nothing in it is executed.

    A file of Keras 2, or of a model that computes in float16, is loaded from a copy with its
    configuration rewritten; its weights stay as they are.

    Raises:
        InputError: Keras cannot load it, its weights are not finite, or its ends are not known.
    """
    saved = _read(path)
    hdf5.require_own_bytes(path)
    config = precision.in_float32(saved.config)
    if keras2.is_keras2(saved.version):
        config = keras2.translate(config)
    with tempfile.TemporaryDirectory() as folder:
        source = path if config == saved.config else _copy(path, config, Path(folder))
        model = _load(path, source, saved.version)
    weights.check_finite(path, model.weights)
    _require_ends(path, model)
    _refuse_stateful(path, model)
    return model


def _read(path: Path) -> _Saved:
    if path.suffix.lower() != ".keras":
        text, version = weights.read_legacy_config(path)
        return _Saved(keras_config.check_config(path, text), version)
    config = keras_config.read_archive(path)
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        metadata = json.loads(archive.read("metadata.json")) if "metadata.json" in names else {}
    return _Saved(config, metadata.get("keras_version"))


def _copy(path: Path, config: dict[str, Any], folder: Path) -> Path:
    """The file with another configuration."""
    import h5py

    copy = folder / f"model{path.suffix.lower()}"
    if path.suffix.lower() == ".keras":
        with zipfile.ZipFile(path) as source, zipfile.ZipFile(copy, "w") as target:
            for member in source.infolist():
                if member.filename != "config.json":
                    target.writestr(member, source.read(member))
            target.writestr("config.json", json.dumps(config))
        return copy
    shutil.copyfile(path, copy)
    with h5py.File(copy, "r+") as file:
        file.attrs["model_config"] = json.dumps(config)
    return copy


def _load(path: Path, source: Path, version: str | None) -> keras.Model:
    import keras

    custom: dict[str, Any] = {}
    if keras2.is_keras2(version):
        custom = {
            "TensorFlowFunction": keras2_functions.operation_class(),
            keras2.HARD_SIGMOID: keras2_functions.hard_sigmoid,
        }
    try:
        # Training's optimizer and losses are not exported, and may be custom objects.
        with keras.saving.custom_object_scope(custom):
            return keras.saving.load_model(source, custom, compile=False, safe_mode=True)
    except Exception as error:
        # Keras raises nearly every type here, by what it stumbles over in the file.
        saved_by = f"saved by Keras {version}; " if keras2.is_keras2(version) else ""
        raise InputError(
            f"{path}: {saved_by}Keras {keras.__version__} cannot load it: {last_line(error)}",
            hint=keras2.EXPORT_HINT
            if keras2.is_keras2(version)
            else "If the file is whole: load it where it was made, and call model.export(FOLDER)"
            " there; edgecnn takes that SavedModel folder.",
        ) from error


def _require_ends(path: Path, model: keras.Model) -> None:
    try:
        known = bool(model.inputs and model.outputs)
    except (AttributeError, ValueError):  # a Sequential that has never seen an input
        known = False
    if not known:
        raise InputError(
            f"{path}: it has 0 inputs that are known: it was never called, or given an Input.",
            hint="Call it on a sample, or begin it with keras.Input(shape), and save it again.",
        )


def _refuse_stateful(path: Path, model: keras.Model) -> None:
    for layer in model._flatten_layers():  # noqa: SLF001 - no public walk
        if getattr(layer, "stateful", False):
            raise InputError(
                f"{path}: its layer {layer.name!r} is stateful: its answer depends on what came"
                " before, and an exported file keeps nothing.",
                hint="Build it again with stateful=False and the same weights.",
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
