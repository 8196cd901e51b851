"""A user's own network, in every form it may have, exported as int8 and held to Keras's answers."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING, Any

import command_line
import keras
import numpy as np
import pytest
import tensorflow as tf  # noqa: TID251 - makes models as users do
from PIL import Image

import edgecnn
from edgecnn.errors import InputError
from edgecnn.records import Preprocessing

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.tensorflow

layers = keras.layers
SIDE, CLASSES = 24, 5
MEAN, STD = (103.9, 116.8, 123.7), (57.4, 57.1, 58.4)
# Pixels a user's network may want: reversed channels, each with a mean and a divisor of its own.
FED = Preprocessing(mean=MEAN, std=STD, channel_order="BGR")


def network(batch: int | None = None) -> keras.Model:
    keras.utils.set_random_seed(0)
    image = keras.Input((SIDE, SIDE, 3), batch_size=batch, name="picture")
    x = layers.Conv2D(16, 3, strides=2, activation="relu", padding="same")(image)
    x = layers.BatchNormalization()(x)
    skip = layers.SeparableConv2D(16, 3, padding="same")(x)
    x = layers.ReLU(6.0)(layers.Add()([x, skip]))
    x = layers.Dropout(0.5)(layers.GlobalAveragePooling2D()(x))
    return keras.Model(image, layers.Dense(CLASSES, activation="softmax")(x))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The network as net.keras, net.h5, a SavedModel and net.tflite, and photographs to feed it."""
    made = tmp_path_factory.mktemp("own")
    model = network()
    model.save(made / "net.keras")
    model.save(made / "net.h5")
    model.export(made / "saved", verbose=False)
    fixed = tf.lite.TFLiteConverter.from_keras_model(network(batch=1))
    (made / "net.tflite").write_bytes(fixed.convert())
    left_open = tf.lite.TFLiteConverter.from_keras_model(network())
    (made / "open.tflite").write_bytes(left_open.convert())
    random = np.random.default_rng(0)
    for number in range(40):
        place = made / "photographs" / "ab"[number % 2]
        place.mkdir(parents=True, exist_ok=True)
        rough = random.integers(0, 256, (5, 6, 3), np.uint8)
        Image.fromarray(rough).resize((60, 40)).save(place / f"{number}.png")
    return made


def keras_logits(pixels: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """What Keras computes of RGB pixels, up to the constant that a softmax forgets."""
    fed = (pixels[..., ::-1].astype(np.float64) - MEAN) / STD
    logits: np.ndarray[Any, Any] = np.log(np.asarray(network()(fed.astype(np.float32))))
    return logits


def centred(logits: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    centred: np.ndarray[Any, Any] = logits - logits.mean(axis=1, keepdims=True)
    return centred


@pytest.mark.parametrize("name", ["net.keras", "net.h5", "saved", "net.tflite", "open.tflite"])
def test_every_form_of_a_network_is_exported_and_fed_as_the_user_says(
    folder: Path, tmp_path: Path, name: str, request: pytest.FixtureRequest
) -> None:
    if name != "net.keras":  # one form has children that start cold, as a user's have
        request.getfixturevalue("warm_children")
    (artifact,) = edgecnn.export(
        str(folder / name),
        calibration=str(folder / "photographs"),
        calibration_samples=8,
        preprocessing=FED,
        out=tmp_path,
    ).artifacts
    formats = ["tflite"] if name.endswith(".tflite") else ["tflite", "onnx"]
    assert [file.format for file in artifact.manifest.files] == formats
    assert edgecnn.verify(artifact.folder).ok
    assert artifact.manifest.preprocessing == FED
    assert artifact.manifest.model.weights == name
    assert artifact.manifest.model.input_shape == (1, SIDE, SIDE, 3)
    with np.load(artifact.folder / "reference.npz") as reference:
        wanted = keras_logits(reference["x0"])
        np.testing.assert_allclose(centred(reference["z0"]), centred(wanted), atol=2e-3)
    for file in artifact.manifest.files:
        assert file.parity.snr_db is not None
        assert file.parity.snr_db > 15, file.format
        assert set(file.graph.macs_by_dtype) <= {"int8", "uint8"}


@pytest.mark.usefixtures("float_stage_here")
def test_images_are_not_fed_before_the_user_says_how(folder: Path, tmp_path: Path) -> None:
    for calibration in (None, str(folder / "photographs")):
        with pytest.raises(InputError, match="input is scaled is not known") as caught:
            edgecnn.export(str(folder / "net.keras"), calibration=calibration, out=tmp_path / "out")
        assert "--input-range" in caught.value.hint
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("float_stage_here")
def test_arrays_are_fed_as_they_are(folder: Path, tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=(20, SIDE, SIDE, 3)).astype(np.float32)
    np.savez(tmp_path / "inputs.npz", values)
    (artifact,) = edgecnn.export(
        str(folder / "net.keras"), calibration=str(tmp_path / "inputs.npz"), out=tmp_path / "out",
        calibration_samples=8, recipes=["float32"], formats=["tflite"],
    ).artifacts  # fmt: skip
    with np.load(artifact.folder / "reference.npz") as reference:
        fed, logits = reference["x0"], reference["z0"]
    assert all((values == each).all(axis=(1, 2, 3)).any() for each in fed)
    wanted = np.log(np.asarray(network()(fed)))
    np.testing.assert_allclose(centred(logits), centred(wanted), atol=2e-3)
    assert edgecnn.verify(artifact.folder).ok


@pytest.mark.usefixtures("float_stage_here")
def test_the_shapes_a_flatten_computes_are_gone_once_the_batch_is_fixed(tmp_path: Path) -> None:
    image = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, activation="relu")(image)
    x = layers.Reshape((6, 3, 8))(x)
    x = layers.Dense(CLASSES)(layers.Flatten()(x))
    model = keras.Model(image, layers.Softmax()(x))
    path = tmp_path / "flat.tflite"
    path.write_bytes(tf.lite.TFLiteConverter.from_keras_model(model).convert())
    assert "SHAPE" in edgecnn.inspect(path).graph.ops
    np.savez(tmp_path / "inputs.npz", np.random.default_rng(0).normal(size=(24, 8, 8, 3)))
    artifacts = edgecnn.export(
        str(path), calibration=str(tmp_path / "inputs.npz"), out=tmp_path / "out",
        calibration_samples=8, recipes=["float32", "int8"], formats=["tflite"],
    ).artifacts  # fmt: skip
    for artifact in artifacts:
        graph = artifact.manifest.files[0].graph
        assert not {"SHAPE", "PACK", "STRIDED_SLICE"} & set(graph.ops)
        assert graph.delegate_partitions == 1
        assert edgecnn.verify(artifact.folder).ok
    with np.load(artifacts[0].folder / "reference.npz") as reference:
        fed, logits = reference["x0"], reference["z0"]
    wanted = np.log(np.asarray(model(fed)))
    np.testing.assert_allclose(centred(logits), centred(wanted), atol=2e-3)


@pytest.mark.usefixtures("warm_children")
def test_a_tflite_that_reads_variables_is_refused(tmp_path: Path) -> None:
    """TFLiteConverter makes such a file of a function that was not frozen."""
    model = network()
    function = tf.function(model).get_concrete_function(tf.TensorSpec((1, SIDE, SIDE, 3)))
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function], model)
    (tmp_path / "net.tflite").write_bytes(converter.convert())
    with pytest.raises(InputError, match="READ_VARIABLE") as caught:
        edgecnn.export(str(tmp_path / "net.tflite"), preprocessing=FED, out=tmp_path / "out")
    assert "from_keras_model" in caught.value.hint
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["net.keras", "net.h5"])
def test_a_lambda_is_refused_with_exit_code_2(tmp_path: Path, name: str) -> None:
    image = keras.Input((8, 8, 3))
    halved = layers.Lambda(lambda x: x / 2, name="halve", output_shape=(8, 8, 3))(image)
    keras.Model(image, layers.GlobalAveragePooling2D()(halved)).save(tmp_path / name)
    out = tmp_path / "out"
    args = ("export", tmp_path / name, "--input-range", "0,1", "--out", out)
    error = command_line.forked_json(*args, code=2)["error"]
    assert "'halve' is a Lambda" in error["message"]
    assert "model.export" in error["hint"]
    assert not out.exists()


@pytest.mark.parametrize("name", ["net.keras", "net.h5", "saved/saved_model.pb"])
@pytest.mark.parametrize("size", [0, 100, -100])
@pytest.mark.usefixtures("float_stage_here")
def test_a_damaged_file_is_refused_by_its_name(
    folder: Path, tmp_path: Path, name: str, size: int
) -> None:
    whole = folder / name.partition("/")[0]
    copy = tmp_path / whole.name
    if whole.is_dir():
        shutil.copytree(whole, copy)
    else:
        shutil.copy(whole, copy)
    damaged = tmp_path / name
    damaged.write_bytes(damaged.read_bytes()[:size])
    with pytest.raises(InputError, match=re.escape(copy.name)):
        edgecnn.export(str(copy), preprocessing=FED, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("float_stage_here")
def test_a_network_whose_normalization_keeps_its_own_tensors_is_exported(tmp_path: Path) -> None:
    """As EfficientNet's and ConvNeXt's do, beside their variables."""
    keras.utils.set_random_seed(0)
    image = keras.Input((SIDE, SIDE, 3))
    given = layers.Normalization(mean=list(MEAN), variance=[each**2 for each in STD])(image)
    adapted = layers.Normalization()
    x = layers.Conv2D(8, 3, strides=2, activation="relu")(adapted(given))
    adapted.adapt(np.random.default_rng(0).normal(3.0, 2.0, (64, SIDE, SIDE, 3)))
    x = layers.GlobalAveragePooling2D()(x)
    model = keras.Model(image, layers.Dense(CLASSES, activation="softmax")(x))
    model.save(tmp_path / "net.keras")
    result = edgecnn.export(
        str(tmp_path / "net.keras"),
        recipes=("float32",),
        formats=("tflite",),
        preprocessing=Preprocessing(mean=(0.0,), std=(1.0,)),
        out=tmp_path / "out",
    )
    (file,) = result.artifacts[0].manifest.files
    assert file.parity.snr_db is None or file.parity.snr_db > 80
