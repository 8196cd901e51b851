"""A user's own models: what loads, and what is refused with which words."""

from __future__ import annotations

import re
import zipfile
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import pytest
import tensorflow as tf  # noqa: TID251 - makes SavedModels as users do

from edgecnn.building import BuildRequest, BuiltModel, build, identify, outside
from edgecnn.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.tensorflow

layers = keras.layers


def _net(shape: tuple[int | None, ...] = (8, 8, 3), batch: int | None = None) -> keras.Model:
    image = keras.Input(shape, batch_size=batch, name="picture")
    x = layers.Conv2D(4, 3, activation="relu")(image)
    x = layers.BatchNormalization()(x)
    return keras.Model(image, layers.Dense(5)(layers.GlobalAveragePooling2D()(x)), name="net")


def _save(model: keras.Model, path: Path) -> Path:
    if path.suffix:
        model.save(path)
    else:
        model.export(path, verbose=False)
    return path


def _build(path: Path, input_size: int | None = None) -> BuiltModel:
    return build(BuildRequest(str(path), input_size=input_size))


def _refusal(path: Path, input_size: int | None = None) -> InputError:
    with pytest.raises(InputError) as caught:
        _build(path, input_size)
    return caught.value


@pytest.mark.parametrize("name", ["net.keras", "net.h5", "net"])
def test_a_model_gives_its_own_answers(tmp_path: Path, name: str) -> None:
    model = _net()
    built = _build(_save(model, tmp_path / name))
    assert (built.input_shape, built.classes) == ((1, 8, 8, 3), 5)
    assert (built.parameters, built.trainable_parameters) == (
        model.count_params(),
        model.count_params() - 8,
    )
    assert built.identity.name == "net"
    traced = tf.function(built.function).get_concrete_function([tf.TensorSpec(built.input_shape)])
    image = np.random.default_rng(0).random(built.input_shape, np.float32)
    np.testing.assert_allclose(traced(tf.constant(image))[0], model(image), atol=1e-6)


@pytest.mark.parametrize("name", ["grey.keras", "grey"])
def test_a_variable_size_needs_the_option(tmp_path: Path, name: str) -> None:
    path = _save(_net((None, None, 1)), tmp_path / name)
    refusal = _refusal(path)
    assert "variable" in str(refusal)
    assert "--input-size" in refusal.hint
    assert _build(path, input_size=24).input_shape == (1, 24, 24, 1)


@pytest.mark.parametrize("name", ["net.keras", "net"])
def test_a_fixed_size_stays(tmp_path: Path, name: str) -> None:
    assert "fixed at 8x8" in str(_refusal(_save(_net(), tmp_path / name), input_size=16))


@pytest.mark.parametrize("name", ["two.keras", "two.h5", "two"])
def test_ends_keep_their_order_and_names(tmp_path: Path, name: str) -> None:
    right, left = keras.Input((8, 8, 3), name="right"), keras.Input((4,), name="left")
    pooled = layers.GlobalAveragePooling2D(name="pooled")(right)
    heads = [layers.Dense(2, name="second")(left), pooled]
    path = _save(keras.Model([right, left], heads), tmp_path / name)
    network = _build(path).network
    assert [(end.name, end.shape, end.layout) for end in network.inputs] == [
        ("right", (1, 8, 8, 3), "NHWC"),
        ("left", (1, 4), ""),
    ]
    names = ["second", "pooled"] if path.suffix else ["output_0", "output_1"]
    assert [(end.name, end.shape) for end in network.outputs] == list(
        zip(names, [(1, 2), (1, 3)], strict=True)
    )


def test_a_channels_first_input_is_said_to_be_so(tmp_path: Path) -> None:
    image = keras.Input((3, 16, 16))
    pooled = layers.GlobalAveragePooling2D(data_format="channels_first")(image)
    built = _build(_save(keras.Model(image, pooled), tmp_path / "net.keras"))
    assert (built.network.inputs[0].layout, built.network.outputs[0].shape) == ("NCHW", (1, 3))


def test_a_size_that_does_not_fit_is_refused_with_its_cause(tmp_path: Path) -> None:
    image = keras.Input((None, None, 3))
    halved = layers.Conv2D(3, 3, strides=2)(layers.UpSampling2D()(image))
    path = _save(keras.Model(image, layers.Add()([image, halved])), tmp_path / "net.keras")
    refusal = _refusal(path, 8)
    assert "does not run on inputs of" in str(refusal)
    assert "--input-shape" in refusal.hint


def test_a_sequential_without_an_input_is_refused(tmp_path: Path) -> None:
    model = keras.Sequential([layers.Flatten(), layers.Dense(3)])
    path = tmp_path / "net.keras"
    model.save(path)
    assert "0 inputs" in str(_refusal(path))


def _lambda_model() -> keras.Model:
    image = keras.Input((8, 8, 3))
    halved = layers.Lambda(lambda x: x / 2, name="halve", output_shape=(8, 8, 3))(image)
    return keras.Model(image, layers.GlobalAveragePooling2D()(halved))


class Doubled(keras.layers.Layer):  # type: ignore[misc]  # Keras has no types
    """A custom layer that only this file knows."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Double."""
        return 2 * inputs


def _custom_model() -> keras.Model:
    image = keras.Input((8, 8, 3))
    return keras.Model(image, layers.GlobalAveragePooling2D()(Doubled(name="twice")(image)))


@pytest.mark.parametrize("name", ["net.keras", "net.h5"])
def test_a_lambda_is_refused_by_its_layers_name(tmp_path: Path, name: str) -> None:
    refusal = _refusal(_save(_lambda_model(), tmp_path / name))
    assert "layer 'halve' is a Lambda" in str(refusal)
    assert "model.export" in refusal.hint


@pytest.mark.parametrize("name", ["net.keras", "net.h5"])
def test_a_custom_layer_is_refused_by_its_name(tmp_path: Path, name: str) -> None:
    refusal = _refusal(_save(_custom_model(), tmp_path / name))
    assert "Doubled" in str(refusal)
    assert "layer 'twice'" in str(refusal) or name == "net.h5"  # there Keras itself finds it
    assert "model.export" in refusal.hint


@pytest.mark.parametrize("make", [_lambda_model, _custom_model])
def test_the_way_out_that_the_hint_names_works(tmp_path: Path, make: Any) -> None:  # noqa: ANN401 - a maker
    model = make()
    built = _build(_save(model, tmp_path / "exported"))
    image = np.ones((1, 8, 8, 3), np.float32)
    np.testing.assert_allclose(built.function([image])[0], model(image), atol=1e-6)


@pytest.mark.parametrize("name", ["net.keras", "net.h5"])
def test_a_cut_keras_file_is_refused(tmp_path: Path, name: str) -> None:
    path = _save(_net(), tmp_path / name)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert "corrupt" in str(_refusal(path))


def test_a_keras_file_without_its_weights_is_refused(tmp_path: Path) -> None:
    whole, cut = _save(_net(), tmp_path / "net.keras"), tmp_path / "cut.keras"
    with zipfile.ZipFile(whole) as source, zipfile.ZipFile(cut, "w") as target:
        for name in ("config.json", "metadata.json"):
            target.writestr(name, source.read(name))
    assert "cannot load it" in str(_refusal(cut))


def test_an_h5_file_of_weights_only_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.weights.h5"
    _net().save_weights(path)
    renamed = path.rename(tmp_path / "net.h5")
    refusal = _refusal(renamed)
    assert "weights without a network" in str(refusal)
    assert "--weights" in refusal.hint


def test_nan_weights_are_refused(tmp_path: Path) -> None:
    model = _net()
    model.layers[1].bias.assign([0, np.nan, 0, 0])
    assert "NaN" in str(_refusal(_save(model, tmp_path / "net.keras")))


def test_a_corrupt_saved_model_is_refused(tmp_path: Path) -> None:
    path = _save(_net(), tmp_path / "net")
    graph = path / "saved_model.pb"
    whole = graph.read_bytes()
    graph.write_bytes(whole[: len(whole) // 2])
    assert "cannot load it" in str(_refusal(path))
    graph.write_bytes(whole)
    for file in (path / "variables").iterdir():
        file.unlink()
    assert "cannot load it" in str(_refusal(path))


class _Outside(tf.Module):  # type: ignore[misc] # TensorFlow has no types
    """A network that does something with a file of the user's each time it is called."""

    def __init__(self, kind: str, file: str) -> None:
        self.kind, self.file = kind, file
        self.scale = tf.Variable(2.0)

    @tf.function(input_signature=[tf.TensorSpec((1, 8, 8, 3))])  # type: ignore[untyped-decorator]
    def __call__(self, image: Any) -> Any:  # noqa: ANN401 - tensors
        if self.kind == "WriteFile":
            tf.io.write_file(self.file, "changed")
        elif self.kind == "ReadFile":
            image += tf.strings.to_number(tf.io.read_file(self.file))
        elif self.kind == "PrintV2":
            tf.print("changed", output_stream=f"file://{self.file}")
        elif self.kind == "EagerPyFunc":
            image = tf.py_function(lambda each: each, [image], tf.float32)
        else:
            tf.raw_ops.SaveV2(
                prefix=self.file, tensor_names=["a"], shape_and_slices=[""], tensors=[image]
            )
        return image * self.scale


@pytest.mark.parametrize("kind", ["WriteFile", "ReadFile", "PrintV2", "EagerPyFunc", "SaveV2"])
def test_a_saved_model_that_reaches_outside_is_refused_before_it_is_loaded(
    tmp_path: Path, kind: str
) -> None:
    file = tmp_path / "precious.txt"
    file.write_text("1")
    model = _Outside(kind, str(file))
    tf.saved_model.save(model, str(tmp_path / "net"), signatures=model.__call__)
    file.write_text("1")
    assert f"has the operator {kind}" in str(_refusal(tmp_path / "net"))
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["precious.txt"]
    assert file.read_text() == "1"


def test_the_operators_that_are_refused_are_tensorflows() -> None:
    """A name that is misspelt refuses nothing."""
    pattern = outside._OUTSIDE.pattern  # noqa: SLF001 - the table itself
    plain = {name for name in re.split(r"[|()\[\]*?]+", pattern) if len(name) > len("Reader")}
    known = " ".join(dir(tf.raw_ops))
    unknown = [name for name in plain if name not in known and name.isalnum()]
    assert len(plain) > len(unknown) + 10
    # Registered, but no part of the public module.
    assert sorted(unknown) == ["CalibrationStatisticsSaver", "DumpTensor"]


def test_a_saved_model_without_signatures_is_refused(tmp_path: Path) -> None:
    tf.saved_model.save(tf.Module(), str(tmp_path / "net"))
    refusal = _refusal(tmp_path / "net")
    assert "no signature" in str(refusal)
    assert "model.export" in refusal.hint


@pytest.mark.parametrize("name", ["MobileNetV3Small", "EfficientNetB0", "ConvNeXtTiny"])
def test_keras_own_networks_pass_the_check_for_custom_code(tmp_path: Path, name: str) -> None:
    path = tmp_path / "net.keras"
    getattr(keras.applications, name)(weights=None, input_shape=(32, 32, 3)).save(path)
    assert identify(BuildRequest(str(path))).kind == "keras-file"
    assert _build(path).input_shape == (1, 32, 32, 3)
