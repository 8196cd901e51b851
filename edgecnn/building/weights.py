"""Reads weights files strictly: every array of the file has its place, and every place its array.

Keras's own loaders let a file with more layers than the network pass, and one with nested layers
missing; here the first layer that differs is named. Nothing in a file is executed.
"""

from __future__ import annotations

import contextlib
import io
import re
import shlex
import zipfile
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgecnn.building import hdf5
from edgecnn.errors import InputError
from edgecnn.gate import arrays as gate_arrays

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    import h5py
    import keras

_RAISED_BY_READERS = gate_arrays.UNREADABLE


@dataclass(frozen=True)
class _Place:
    """A layer of the network that has weights, and the key Keras 3 files store it under."""

    layer: keras.Layer
    key: str


@dataclass(frozen=True)
class _Contents:
    """A file's arrays, sorted by the network's places.

    Attributes:
        by_place: the arrays of each place; shorter or empty where the file lacks them. An array is
            anything with a shape that `[()]` reads.
        unused: the file's names for what has no place in the network.
    """

    by_place: list[list[Any]]
    unused: list[str]


def load(model: keras.Model, path: Path) -> None:
    """Assign a file's weights to a network.

    Args:
        model: a network of Keras; all of its weights are assigned, or none.
        path: .weights.h5 or .keras (Keras 3), .h5 (Keras's older format, weights or whole model),
            or .npz: arrays named as the network's variables ("block1_conv1/kernel"), or unnamed
            (arr_0, arr_1, ...) in the order of `model.get_weights()`.

    Raises:
        InputError: the file is corrupt or does not fit; the first layer that differs is named.
    """
    places = list(_places(model.layers, "layers"))
    with contextlib.ExitStack() as open_files:
        try:
            contents = _read(path, places, open_files)
            _check_fit(path, places, contents)
            arrays = [[array[()] for array in datasets] for datasets in contents.by_place]
        except _RAISED_BY_READERS as error:
            raise InputError(
                f"{path} cannot be read as weights: {error}", hint="It may be corrupt."
            ) from error
    for place, variables in zip(places, arrays, strict=True):
        place.layer.load_own_variables({str(k): value for k, value in enumerate(variables)})
    check_finite(path, model.weights)


def check_finite(path: Path, variables: Iterable[Any]) -> None:
    """Raise InputError when a weight is NaN or infinite, naming the first."""
    import numpy as np

    for variable in variables:
        values = variable.numpy()
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise InputError(
                f"{path}: its weight {variable.path} holds NaN or infinity.",
                hint="The training that made it diverged; use an earlier checkpoint.",
            )


def read_legacy_config(path: Path) -> tuple[str, str | None]:
    """Return a whole model's JSON configuration in Keras's older .h5 format.

    With it comes the version of Keras that wrote it, where the file says so.

    Raises:
        InputError: the file is corrupt, or holds weights only.
    """
    import h5py

    try:
        with h5py.File(path, "r") as file:
            config, version = (file.attrs.get(key) for key in ("model_config", "keras_version"))
    except (OSError, RuntimeError, KeyError, ValueError) as error:
        raise InputError(f"{path} is a corrupt HDF5 file: {error}") from error
    if config is None:
        raise InputError(
            f"{path} holds weights without a network.",
            hint=f"Name the network: `NAME --weights {shlex.quote(str(path))}`.",
        )
    return _text(config), None if version is None else _text(version)


def _places(layers: Sequence[keras.Layer], prefix: str) -> Iterator[_Place]:
    seen: Counter[str] = Counter()
    for layer in layers:
        kind = _snake_case(type(layer).__name__)
        key = f"{prefix}/{kind}_{seen[kind]}" if seen[kind] else f"{prefix}/{kind}"
        seen[kind] += 1
        nested = getattr(layer, "layers", None)
        if nested:
            yield from _places(nested, f"{key}/layers")
        elif layer.weights:
            yield _Place(layer, key)


def _snake_case(name: str) -> str:
    """As Keras names the groups of its files: DepthwiseConv2D to depthwise_conv2d."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=.)(?=[A-Z][a-z])", "_", name).lower()


def _read(path: Path, places: list[_Place], open_files: contextlib.ExitStack) -> _Contents:
    import h5py

    suffix = path.suffix.lower()
    if suffix == ".npz":
        return _read_npz(path, places, open_files)
    source: Any = path
    if suffix == ".keras":
        with zipfile.ZipFile(path) as archive:
            gate_arrays.check_sizes(archive, path.stat().st_size)
            source = io.BytesIO(archive.read("model.weights.h5"))
    file = open_files.enter_context(h5py.File(source, "r"))
    hdf5.require_own(file, path)
    if "layer_names" in file.attrs:
        return _read_legacy(file, places)
    if "model_weights" in file:
        return _read_legacy(file["model_weights"], places)
    return _read_keras3(file, places)


def _read_keras3(file: h5py.File, places: list[_Place]) -> _Contents:
    groups = {place.key: file.get(f"{place.key}/vars") or {} for place in places}
    by_place = [[group[str(index)] for index in range(len(group))] for group in groups.values()]
    stored: dict[str, str] = {}

    def note(name: str) -> None:
        key, layer, _ = name.rpartition("/vars/")
        # Random generators' states and the optimizer's slots are no weights.
        if layer and "seed_generator" not in key and not key.startswith("optimizer"):
            stored.setdefault(key, str(file[f"{key}/vars"].attrs.get("name", key)))

    file.visit(note)
    return _Contents(by_place, [name for key, name in stored.items() if key not in groups])


def _read_legacy(group: h5py.Group, places: list[_Place]) -> _Contents:
    named = [
        (_text(layer), group[_text(layer)][_text(weight)])
        for layer in group.attrs["layer_names"]
        for weight in group[_text(layer)].attrs["weight_names"]
        if "seed_generator" not in _text(weight)
    ]
    return _in_order(named, places)


def _read_npz(path: Path, places: list[_Place], open_files: contextlib.ExitStack) -> _Contents:
    # A pickled array would run code: it is refused by a ValueError.
    archive = open_files.enter_context(gate_arrays.opened(path))
    if "arr_0" in archive:
        count = len(archive)
        return _in_order([(f"arr_{i}", archive[f"arr_{i}"]) for i in range(count)], places)
    names = [[variable.path for variable in place.layer.weights] for place in places]
    by_place = [[archive[name] for name in group if name in archive] for group in names]
    known = {name for group in names for name in group}
    return _Contents(by_place, [name for name in archive if name not in known])


def _in_order(named: list[tuple[str, Any]], places: list[_Place]) -> _Contents:
    """Deal the arrays out to the places, as many to each as it has weights."""
    rest = iter(named)
    by_place = [
        [array for _, (_, array) in zip(place.layer.weights, rest, strict=False)]
        for place in places
    ]
    return _Contents(by_place, [name for name, _ in rest])


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _check_fit(path: Path, places: list[_Place], contents: _Contents) -> None:
    for place, arrays in zip(places, contents.by_place, strict=True):
        expected = [tuple(weight.shape) for weight in place.layer.weights]
        shapes = [tuple(array.shape) for array in arrays]
        if shapes != expected:
            raise _misfit(
                path,
                f"the network's layer {place.layer.name} has weights of shapes"
                f" {_show(expected)}, the file {_show(shapes)}",
            )
    if contents.unused:
        raise _misfit(path, f"the network has no place for the file's {contents.unused[0]}")


def _misfit(path: Path, difference: str) -> InputError:
    return InputError(
        f"{path} does not fit: {difference}.",
        hint="The weights must come from the same network with the same --classes, --input-size"
        " and --width.",
    )


def _show(shapes: list[tuple[int, ...]]) -> str:
    return ", ".join("x".join(map(str, shape)) or "scalar" for shape in shapes) or "none"
