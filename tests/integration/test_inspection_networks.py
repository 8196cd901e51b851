"""Inspection against published MAC counts, and against what TensorFlow's converters make."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from edgecnn.errors import CheckFailedError
from edgecnn.inspection import Inspection, check_recipe, inspect
from edgecnn.runtime.litert import LiteRTSession, partitions

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.tensorflow

INPUT_SHAPE = (1, 16, 16, 8)
# Read from the layers below: convolution, depthwise, pointwise, transposed, dense.
SMALL_MACS = 256 * 16 * 72 + 256 * 16 * 9 + 256 * 16 * 64 + 256 * 64 * 8 * 9 + 8 * 10
FLOAT_RECIPES = ("float32", "float16", "dynamic")


def small_network() -> Any:  # noqa: ANN401 - a Keras model
    """A little of everything, with a ReLU after an Add that no operator can take in."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(0)
    source = keras.Input(INPUT_SHAPE[1:], batch_size=1)
    x = layers.Conv2D(16, 3, padding="same", activation="relu")(source)
    y = layers.SeparableConv2D(64, 3, padding="same")(x)
    y = layers.Add()([y, layers.Concatenate()([x, x, x, x])])
    z = layers.ReLU()(y)
    y = layers.Add()([z, y])
    y = layers.Conv2DTranspose(8, 3, strides=2, padding="same")(y)
    y = layers.GlobalAveragePooling2D()(y)
    return keras.Model(source, layers.Dense(10, activation="softmax")(y))


def images() -> Iterator[list[np.ndarray[Any, Any]]]:
    random = np.random.default_rng(0)
    for _ in range(8):
        yield [random.random(INPUT_SHAPE, np.float32)]


def converted(model: Any, recipe: str) -> bytes:  # noqa: ANN401 - a Keras model
    import tensorflow as tf  # noqa: TID251 - heavy, and what the test compares with

    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    if recipe != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if recipe == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if recipe in {"int8", "int16x8"}:
        converter.representative_dataset = images
        sets = tf.lite.OpsSet
        wide = sets.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
        eight = sets.TFLITE_BUILTINS_INT8
        converter.target_spec.supported_ops = [eight if recipe == "int8" else wide]
    return bytes(converter.convert())


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("small")
    network = small_network()
    made = {}
    for recipe in (*FLOAT_RECIPES, "int8", "int16x8"):
        made[recipe] = folder / f"{recipe}.tflite"
        made[recipe].write_bytes(converted(network, recipe))
    return made


@pytest.fixture(scope="module")
def inspections(files: dict[str, Path]) -> dict[str, Inspection]:
    return {recipe: inspect(path) for recipe, path in files.items()}


@pytest.mark.parametrize("recipe", [*FLOAT_RECIPES, "int8", "int16x8"])
def test_the_converters_files_are_what_they_are_called(
    inspections: dict[str, Inspection], recipe: str
) -> None:
    found = inspections[recipe]
    assert sum(found.graph.macs_by_dtype.values()) == SMALL_MACS
    check_recipe(found, recipe, "float32")
    for other in set(inspections) - {recipe}:
        with pytest.raises(CheckFailedError):
            check_recipe(found, other, "float32")


def test_precision_is_told_apart(inspections: dict[str, Inspection]) -> None:
    macs = {recipe: set(found.graph.macs_by_dtype) for recipe, found in inspections.items()}
    assert macs["float32"] == macs["float16"] == {"float32"}
    assert "dynamic" in macs["dynamic"]
    assert macs["int8"] == {"int8"}
    assert macs["int16x8"] == {"int16"}
    assert set(inspections["float16"].graph.parameters_by_dtype) == {"float16"}
    assert set(inspections["int8"].graph.parameters_by_dtype) == {"int8", "int32"}


def test_the_relu_that_breaks_an_int8_graph_is_named(inspections: dict[str, Inspection]) -> None:
    whole, broken = inspections["float32"].graph, inspections["int8"].graph
    assert (whole.delegate_partitions, whole.undelegated_ops) == (1, {})
    assert broken.delegate_partitions is not None
    assert broken.delegate_partitions > 1
    assert broken.undelegated_ops["RELU"] == 1


@pytest.mark.parametrize("recipe", [*FLOAT_RECIPES, "int8", "int16x8"])
def test_operators_outside_partitions_are_those_whose_outputs_exist(
    files: dict[str, Path], recipe: str
) -> None:
    """A tensor that lives only inside a delegate has no data the interpreter could hand out."""
    session = LiteRTSession(files[recipe])
    interpreter = session._interpreter  # noqa: SLF001 - the proof needs the inside
    interpreter.invoke()
    details = interpreter._get_ops_details()  # noqa: SLF001 - likewise
    handed_on = {
        int(tensor) for op in details if op["op_name"] == "DELEGATE" for tensor in op["outputs"]
    }
    outside: dict[str, int] = {}
    for op in details:
        if op["op_name"] == "DELEGATE" or handed_on & {int(t) for t in op["outputs"]}:
            continue
        try:
            interpreter.get_tensor(op["outputs"][0])
        except ValueError:
            continue
        outside[op["op_name"]] = outside.get(op["op_name"], 0) + 1
    assert partitions(files[recipe])[1] == outside


@pytest.mark.parametrize(
    ("name", "gmacs"),
    # Sandler et al. 2018 (MobileNetV2: 300 M), Howard et al. 2017 (MobileNet: 569 M),
    # He et al. 2015 (ResNet-50: 3.8 G multiply-adds, 3.86 with the shortcuts and the classifier).
    [("MobileNetV2", 0.3008), ("MobileNet", 0.5687), ("ResNet50", 3.858)],
)
def test_published_mac_counts(name: str, gmacs: float, tmp_path: Path) -> None:
    import keras

    network = getattr(keras.applications, name)(weights=None)
    fixed = keras.Input((224, 224, 3), batch_size=1)
    path = tmp_path / f"{name}.tflite"
    path.write_bytes(converted(keras.Model(fixed, network(fixed)), "float32"))
    found = inspect(path)
    assert found.graph.macs_by_dtype["float32"] / 1e9 == pytest.approx(gmacs, rel=0.002)
    assert found.graph.delegate_partitions == 1


def test_onnx_counts_what_tflite_counts(files: dict[str, Path], tmp_path: Path) -> None:
    import tensorflow as tf  # noqa: TID251 - heavy, and what the test compares with
    import tf2onnx

    network = small_network()
    signature = [tf.TensorSpec(INPUT_SHAPE, tf.float32, name="image")]
    function = tf.function(lambda image: network(image), input_signature=signature)  # noqa: PLW0108 - Keras needs a plain function
    path = tmp_path / "small.onnx"
    tf2onnx.convert.from_function(
        function, input_signature=signature, opset=17, output_path=str(path)
    )
    found = inspect(path)
    assert found.graph.macs_by_dtype == {"float32": SMALL_MACS}
    assert found.graph.macs_by_dtype == inspect(files["float32"]).graph.macs_by_dtype
    check_recipe(found, "float32", "float32")
