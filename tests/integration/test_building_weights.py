"""Weights files of every format go into their places, and into no others."""

from __future__ import annotations

import functools
import zipfile
from typing import TYPE_CHECKING, Any

import h5py
import keras
import numpy as np
import pytest

from edgecnn.building import BuildRequest, build
from edgecnn.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.tensorflow

_FORMATS = ["w.weights.h5", "w.h5", "w.keras", "named.npz", "unnamed.npz"]


def _keras_model(request: BuildRequest) -> keras.Model:
    model = build(request).keras_model
    assert model is not None
    return model


@functools.cache
def _written(name: str) -> keras.Model:
    """What is saved in every format; nobody changes it."""
    return _keras_model(BuildRequest(name, input_size=32, seed=1))


def _save(model: keras.Model, path: Path) -> Path:
    if path.name == "named.npz":
        named: dict[str, Any] = {each.path: each.numpy() for each in model.weights}
        np.savez(path, **named)
    elif path.name == "unnamed.npz":
        np.savez(path, *model.get_weights())
    elif path.name.endswith(".weights.h5"):
        model.save_weights(path)
    else:
        model.save(path)
    return path


def _assert_same_weights(one: keras.Model, two: keras.Model) -> None:
    for ours, theirs in zip(one.weights, two.weights, strict=True):
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy(), err_msg=ours.path)


@pytest.mark.parametrize(
    ("model", "name"),
    [
        *(("xception-mini", name) for name in _FORMATS),
        *(("keras:EfficientNetB0", name) for name in ("w.weights.h5", "w.h5")),
        *(("keras:ConvNeXtTiny", name) for name in ("w.weights.h5", "w.h5")),
    ],
)
def test_every_weight_comes_back(tmp_path: Path, model: str, name: str) -> None:
    """EfficientNet holds a Normalization with state of its own, ConvNeXt nested models."""
    saved = _written(model)
    path = _save(saved, tmp_path / name)
    request = BuildRequest(model, input_size=32, seed=2, weights=str(path))
    loaded = _keras_model(request)
    _assert_same_weights(loaded, saved)
    image = np.random.default_rng(0).random((1, 32, 32, 3), np.float32)
    np.testing.assert_allclose(loaded(image), saved(image), atol=1e-6)


def test_a_sequential_model_of_the_same_layers_fits(tmp_path: Path) -> None:
    """The documents build VGG as a Sequential, without our layer names."""
    layers = keras.layers
    theirs = keras.Sequential([keras.Input((32, 32, 3))])
    for filters in (64, 128, 256):
        for _ in range(2):
            theirs.add(layers.Conv2D(filters, 3, padding="same", activation="relu"))
            theirs.add(layers.Dropout(0.4))
        theirs.add(layers.MaxPooling2D(2))
    theirs.add(layers.Flatten())
    theirs.add(layers.Dense(10, activation="softmax"))
    theirs.compile(optimizer="adam", loss="categorical_crossentropy")
    theirs.fit(np.zeros((1, 32, 32, 3)), np.zeros((1, 10)), verbose=0)  # gives Adam its slots
    for name in ("w.weights.h5", "w.h5", "w.keras", "unnamed.npz"):
        path = _save(theirs, tmp_path / name)
        _assert_same_weights(_keras_model(BuildRequest("vgg", weights=str(path))), theirs)


@pytest.mark.parametrize("name", _FORMATS)
def test_the_first_layer_that_differs_is_named(tmp_path: Path, name: str) -> None:
    path = _save(_keras_model(BuildRequest("vgg", classes=7)), tmp_path / name)
    with pytest.raises(InputError, match="predictions") as caught:
        build(BuildRequest("vgg", weights=str(path)))
    assert "4096x10, 10" in str(caught.value)
    assert "4096x7, 7" in str(caught.value)
    assert "--classes" in caught.value.hint


@pytest.mark.parametrize("name", _FORMATS)
def test_a_file_with_more_layers_is_refused(tmp_path: Path, name: str) -> None:
    """Keras's own loader would take the first layers and say nothing."""
    small = _keras_model(BuildRequest("vgg"))
    extra = keras.layers.Dense(10, name="one_more")(small.output)
    path = _save(keras.Model(small.input, extra), tmp_path / name)
    with pytest.raises(InputError, match="no place for the file's") as caught:
        build(BuildRequest("vgg", weights=str(path)))
    assert "one_more" in str(caught.value) or name == "unnamed.npz"


@pytest.mark.parametrize("name", _FORMATS)
def test_a_file_with_fewer_layers_is_refused(tmp_path: Path, name: str) -> None:
    whole = _keras_model(BuildRequest("vgg"))
    path = _save(keras.Model(whole.input, whole.get_layer("flatten").output), tmp_path / name)
    with pytest.raises(InputError, match=r"predictions has weights .* the file none"):
        build(BuildRequest("vgg", weights=str(path)))


def test_nan_is_refused_by_the_weights_name(tmp_path: Path) -> None:
    model = _keras_model(BuildRequest("vgg"))
    model.get_layer("block2_conv1").bias.assign(np.full(128, np.nan))
    path = _save(model, tmp_path / "unnamed.npz")
    with pytest.raises(InputError, match="block2_conv1/bias holds NaN"):
        build(BuildRequest("vgg", weights=str(path)))


def test_a_cut_file_is_refused(tmp_path: Path) -> None:
    for name in ("w.weights.h5", "w.keras", "unnamed.npz"):
        path = _save(_keras_model(BuildRequest("inception")), tmp_path / name)
        path.write_bytes(path.read_bytes()[:20_000])
        with pytest.raises(InputError, match="cannot be read as weights"):
            build(BuildRequest("inception", weights=str(path)))


def _outside(group: h5py.Group, kind: str, secret: Path) -> None:
    """Put another file's bytes in the place of a group's first array."""
    shape, dtype = group["0"].shape, group["0"].dtype
    del group["0"]
    if kind == "external storage":
        group.create_dataset("0", shape, dtype, external=[(str(secret), 0, h5py.h5f.UNLIMITED)])
    elif kind == "a virtual dataset":
        layout = h5py.VirtualLayout(shape, dtype)
        layout[...] = h5py.VirtualSource(str(secret), "data", shape, dtype)
        group.create_virtual_dataset("0", layout)
    else:
        group["0"] = h5py.ExternalLink(str(secret), "/data")


def _change(path: Path, kind: str, secret: Path) -> None:
    """Bring a secret file into a file of weights, by its first array."""
    with h5py.File(path, "r+") as file:
        groups: list[h5py.Group] = []
        file.visititems(
            lambda _, found: (
                groups.append(found) if isinstance(found, h5py.Group) and "0" in found else None
            )
        )
        _outside(groups[0], kind, secret)


def _change_archive(path: Path, kind: str, secret: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    weights = path.with_suffix(".h5")
    weights.write_bytes(members["model.weights.h5"])
    _change(weights, kind, secret)
    members["model.weights.h5"] = weights.read_bytes()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


@pytest.mark.parametrize("kind", ["external storage", "a virtual dataset", "an external link"])
@pytest.mark.parametrize("name", ["w.weights.h5", "w.keras", "whole.keras"])
def test_another_files_bytes_are_not_brought_in(tmp_path: Path, kind: str, name: str) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"root:x:0:0" * 10_000)
    path = _save(_written("xception-mini"), tmp_path / name)
    change = _change_archive if path.suffix == ".keras" else _change
    change(path, kind, secret)
    request = BuildRequest("xception-mini", input_size=32, weights=str(path))
    if name.startswith("whole"):
        request = BuildRequest(str(path))
    with pytest.raises(InputError, match=r"which edgecnn does not read\.$"):
        build(request)


def test_a_pickle_in_an_npz_is_not_run(tmp_path: Path) -> None:
    path = tmp_path / "w.npz"
    np.savez(path, np.array([{"code": 1}], dtype=object))
    with pytest.raises(InputError, match="cannot be read as weights"):
        build(BuildRequest("vgg", weights=str(path)))


def test_an_hdf5_file_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "w.h5"
    with h5py.File(path, "w") as file:
        file["measurements"] = np.zeros(3)
    with pytest.raises(InputError, match=r"block1_conv1 has weights .* the file none"):
        build(BuildRequest("vgg", weights=str(path)))
