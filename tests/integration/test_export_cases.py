"""The kinds of networks that people bring, each small: right in every file, or said why not.

Each was reported against some converter: wrong answers without a word, crashes, refusals of what
can be done. What is asserted is the source's own answers, anew, and what the user must be told.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import h5py
import judging
import keras
import numpy as np
import onnx
import onnxruntime
import pytest
from judging import Source, files, hold
from keras_sources import CALIBRATED, JUDGED, signals, source
from onnx import TensorProto, helper, numpy_helper

import edgecnn
from edgecnn.errors import EdgeCnnError
from edgecnn.records import Preprocessing
from edgecnn.tasks import classify
from edgecnn.tasks.outputs import Output

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edgecnn.records import FileInfo

pytestmark = [pytest.mark.tensorflow, pytest.mark.usefixtures("float_stage_here")]

layers, ops = keras.layers, keras.ops


@pytest.fixture(autouse=True)
def seeded() -> None:
    keras.utils.set_random_seed(3)


def features(x: Any, *widths: int, activation: str = "relu") -> Any:  # noqa: ANN401 - KerasTensors
    """Convolutions that halve the image."""
    for width in widths:
        x = layers.Conv2D(width, 3, strides=2, padding="same", activation=activation)(x)
    return x


def pooled(x: Any) -> Any:  # noqa: ANN401 - likewise
    return layers.GlobalAveragePooling2D()(x)


def model(shape: tuple[int | None, ...], body: Callable[[Any], Any]) -> keras.Model:
    image = keras.Input(shape, name="image")
    return keras.Model(image, body(image))


def is_full(file: FileInfo) -> bool:
    """Whether a quantized file computes in integers throughout."""
    return file.integer == "full" and not file.float_ops


# Every output of every file is the source's: nothing else has to be said of these kinds.


def leaky_relu() -> keras.Model:
    def body(x: Any) -> Any:  # noqa: ANN401 - KerasTensors
        for width in (8, 8):
            x = layers.LeakyReLU(negative_slope=0.1)(layers.Conv2D(width, 3, strides=2)(x))
        return layers.Conv2D(6, 1, name="map")(x)

    return model((24, 24, 3), body)


def upsampled() -> keras.Model:
    def body(x: Any) -> Any:  # noqa: ANN401 - KerasTensors
        x = layers.UpSampling2D(2)(features(x, 8, 12))
        x = layers.Conv2D(8, 3, padding="same", activation="relu")(x)
        x = layers.UpSampling2D(2, interpolation="bilinear")(x)
        return layers.Conv2D(2, 1, activation="sigmoid", name="mask")(x)

    return model((16, 24, 3), body)


def grouped() -> keras.Model:
    def body(x: Any) -> Any:  # noqa: ANN401 - KerasTensors
        x = layers.Conv2D(8, 3, groups=4, padding="same")(features(x, 8))
        return layers.Dense(4, name="scores")(pooled(layers.ReLU()(layers.BatchNormalization()(x))))

    return model((16, 16, 4), body)


def unet() -> keras.Model:
    def body(x: Any) -> Any:  # noqa: ANN401 - KerasTensors
        skip = layers.Conv2D(8, 3, padding="same", activation="relu")(x)
        x = layers.Conv2D(16, 3, padding="same", activation="relu")(layers.MaxPooling2D()(skip))
        x = layers.Conv2DTranspose(8, 2, strides=2, padding="same")(x)
        x = layers.Conv2D(8, 3, padding="same", activation="relu")(layers.Concatenate()([x, skip]))
        return layers.Conv2D(2, 1, activation="sigmoid", name="mask")(x)

    return model((16, 24, 3), body)


def three_heads() -> keras.Model:
    """In no order that a converter could sort them into."""

    def body(x: Any) -> Any:  # noqa: ANN401 - KerasTensors
        x = pooled(features(x, 8, 16))
        return [
            layers.Dense(1, name="zeal")(x),
            layers.Dense(3, activation="softmax", name="age")(x),
            layers.Dense(3, activation="softmax", name="mood")(x),
        ]

    return model((24, 24, 3), body)


def two_inputs() -> keras.Model:
    picture, numbers = keras.Input((16, 16, 3), name="picture"), keras.Input((4,), name="numbers")
    x = layers.Concatenate()([pooled(features(picture, 12)), layers.Dense(8)(numbers)])
    return keras.Model([picture, numbers], layers.Dense(3, activation="softmax", name="y")(x))


def sensor() -> keras.Model:
    def body(x: Any) -> Any:  # noqa: ANN401 - KerasTensors
        x = layers.MaxPooling1D()(layers.Conv1D(8, 5, activation="relu")(x))
        x = layers.Conv1D(8, 3, activation="relu")(x)
        return layers.Dense(3, activation="softmax", name="y")(layers.Flatten()(x))

    return model((32, 3), body)


def flattened() -> keras.Model:
    """More inputs to a dense layer than their covariance is worth: each weight is rounded alone."""

    def body(x: Any) -> Any:  # noqa: ANN401 - KerasTensors
        return layers.Dense(5, name="scores")(layers.Flatten()(features(x, 32)))

    return model((20, 20, 3), body)


FULL_INT8 = [leaky_relu, upsampled, grouped, unet, three_heads, two_inputs, sensor, flattened]


@pytest.mark.parametrize("build", FULL_INT8)
def test_every_file_is_the_source_and_int8_is_integer_throughout(
    tmp_path: Path, build: Callable[[], keras.Model]
) -> None:
    made = source(tmp_path, build())
    result = made.export(tmp_path / "out")
    hold(made, result)
    assert list(files(result, "int8")) == ["tflite", "onnx"]
    # Unasked, a small network that integers would spoil keeps layers float that have kernels.
    strict = made.export(tmp_path / "strict", recipes=("int8",), formats=("tflite",), strict=True)
    assert is_full(files(strict, "int8")["tflite"])
    for artifact in result.artifacts:
        assert edgecnn.verify(artifact.folder).ok


def test_layer_normalization_and_gelu_stay_float_where_int8_has_no_kernel(tmp_path: Path) -> None:
    def body(x: Any) -> Any:  # noqa: ANN401 - KerasTensors
        x = layers.LayerNormalization()(layers.Conv2D(8, 4, strides=4)(x))
        y = layers.LayerNormalization()(layers.DepthwiseConv2D(3, padding="same")(x))
        y = layers.Dense(8)(layers.Dense(16, activation="gelu")(y))
        return layers.Dense(4, name="scores")(pooled(layers.Add()([x, y])))

    made = source(tmp_path, model((16, 16, 3), body))
    result = made.export(tmp_path / "out")
    hold(made, result)
    for file in files(result, "int8").values():
        assert file.integer in {"full", "mixed"}
        assert bool(file.float_ops) == (file.integer == "mixed")


# What an output is decides what is done with it.


def test_one_logit_is_a_sigmoid_over_two_classes_and_a_value_is_left_alone(tmp_path: Path) -> None:
    made = source(
        tmp_path, model((16, 16, 3), lambda x: layers.Dense(1, name="y")(pooled(features(x, 8))))
    )
    result = made.export(tmp_path / "out", outputs={"": "logits"}, formats=("tflite",))
    hold(made, result)
    (artifact, _) = result.artifacts
    (info,) = artifact.manifest.outputs
    (file,) = artifact.manifest.files
    assert info.kind == "logits"
    (found,) = judging.answers(artifact.folder, artifact.manifest, file, list(made.inputs.values()))
    for value in found:
        no, yes = classify.scores(Output(info.name, value[None], info.kind, info.layout))
        assert yes == pytest.approx(1 / (1 + np.exp(-float(value[0]))), abs=1e-6)
        assert no == pytest.approx(1 - yes)
    plain = made.export(tmp_path / "plain", recipes=("float32",), formats=("tflite",))
    (info,) = plain.artifacts[0].manifest.outputs
    assert info.kind == "values"
    assert classify.scores(Output(info.name, found[:1], info.kind)).tolist() == found[0].tolist()


def test_boxes_in_pixels_beside_scores_do_not_share_a_scale(tmp_path: Path) -> None:
    def body(x: Any) -> Any:  # noqa: ANN401 - KerasTensors
        x = features(x, 8, 16)
        boxes = layers.Conv2D(4, 1, activation="sigmoid")(x)
        boxes = layers.Rescaling(320.0)(layers.Reshape((36, 4))(boxes))
        scores = layers.Conv2D(3, 1, activation="sigmoid")(x)
        return layers.Concatenate(name="raw")([boxes, layers.Reshape((36, 3))(scores)])

    made = source(tmp_path, model((24, 24, 3), body))
    result = made.export(tmp_path / "out")
    hold(made, result)
    for file in files(result, "int8").values():
        assert file.outputs[0].dtype == "float32"
        assert "CONV_2D" not in file.float_ops  # what computes is quantized all the same
    notes = " ".join(result.artifacts[1].manifest.notes)
    assert "raw" in notes or files(result, "int8")["tflite"].float_ops


def test_a_regression_far_from_zero_leaves_as_float32(tmp_path: Path) -> None:
    def body(x: Any) -> Any:  # noqa: ANN401 - KerasTensors
        far = keras.initializers.Constant(2000.0)
        wide = keras.initializers.RandomNormal(0, 30.0, seed=1)
        return layers.Dense(1, kernel_initializer=wide, bias_initializer=far, name="cm")(
            pooled(features(x, 8, 16))
        )

    made = source(tmp_path, model((24, 24, 3), body))
    assert 5 < made.outputs["cm"].std() < 200
    result = made.export(tmp_path / "out")
    hold(made, result)
    tflite = files(result, "int8")["tflite"]
    assert tflite.outputs[0].dtype == "float32"
    assert tflite.inputs[0].dtype == "int8"
    assert "float32" in " ".join(result.artifacts[1].manifest.notes)


def test_an_argmax_gives_the_same_integers(tmp_path: Path) -> None:
    def body(x: Any) -> Any:  # noqa: ANN401 - KerasTensors
        return ops.argmax(layers.Conv2D(4, 1)(features(x, 8)), axis=-1)

    made = source(tmp_path, model((16, 16, 3), body), "")
    result = made.export(tmp_path / "out", recipes=("float32",))
    hold(made, result, float32=25)  # where two classes are nearly equal a pixel may tip
    for file in files(result, "float32").values():
        assert file.outputs[0].dtype.startswith("int")
    try:
        result = made.export(tmp_path / "int8", recipes=("int8",))
    except EdgeCnnError as error:
        assert error.hint  # noqa: PT017 - it may be refused, with a sentence
    else:
        hold(made, result, int8=10)  # nine pixels of ten


# How the source is fed, and what it is.


def test_a_network_that_divides_by_255_itself_warns_of_scaling_twice(tmp_path: Path) -> None:
    def body(x: Any) -> Any:  # noqa: ANN401 - KerasTensors
        x = features(layers.Rescaling(1 / 255)(x), 8, 16)
        return layers.Dense(3, activation="softmax", name="y")(layers.Flatten()(x))

    made = source(tmp_path, model((24, 24, 3), body), high=255.0)
    result = made.export(tmp_path / "out")
    hold(made, result)
    assert "twice" not in " ".join(result.warnings)
    twice = edgecnn.export(
        str(made.path), out=tmp_path / "twice", calibration_samples=4, recipes=("float32",),
        formats=("tflite",), preprocessing=Preprocessing.from_range(0, 1),
    )  # fmt: skip
    assert "scaled twice" in " ".join(twice.warnings)


def test_mixed_precision_is_rebuilt_in_float32(tmp_path: Path) -> None:
    keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        net = model(
            (16, 16, 1),
            lambda x: layers.Dense(4, dtype="float32", activation="softmax", name="y")(
                layers.Flatten()(layers.BatchNormalization()(features(x, 8, 8)))
            ),
        )
    finally:
        keras.mixed_precision.set_global_policy("float32")
    made = source(tmp_path, net)
    # The source itself computes in float16, whose own rounding is all that may differ.
    hold(made, made.export(tmp_path / "out"), float32=45)


def test_a_float16_tflite_is_unpacked_and_quantized(tmp_path: Path) -> None:
    net = model((16, 16, 3), lambda x: layers.Dense(4, name="y")(pooled(features(x, 8, 16))))
    made = source(tmp_path, net, ".float16.tflite")
    result = made.export(tmp_path / "out", formats=("tflite",))
    hold(made, result, float32=45)  # the file's weights are rounded, the model's are not
    assert is_full(files(result, "int8")["tflite"])


def test_a_recurrent_network_is_float32_and_dynamic_and_int8_or_a_sentence(tmp_path: Path) -> None:
    def body(x: Any) -> Any:  # noqa: ANN401 - KerasTensors
        x = layers.Reshape((4, 72))(features(x, 8))
        x = layers.Bidirectional(layers.LSTM(8, return_sequences=True))(x)
        return layers.Dense(6, activation="softmax", name="y")(x)

    made = source(tmp_path, model((12, 12, 1), body))
    result = made.export(tmp_path / "out", recipes=("float32", "dynamic"), formats=("tflite",))
    hold(made, result)
    assert "WHILE" not in files(result, "float32")["tflite"].graph.ops
    try:
        result = made.export(tmp_path / "int8", recipes=("int8",))
    except EdgeCnnError as error:
        assert "LSTM" in error.message  # noqa: PT017 - it may be refused, with a sentence
        assert "dynamic" in error.hint  # noqa: PT017 - likewise
    else:
        hold(made, result, int8=10)  # what is rounded goes round and round


def test_an_open_size_is_fixed_by_input_size(tmp_path: Path) -> None:
    net = model((None, None, 1), lambda x: layers.Dense(3, name="y")(pooled(features(x, 8))))
    made = source(tmp_path, net, sizes=(20, 36, 1))
    result = made.export(tmp_path / "out", input_size=(20, 36))
    hold(made, result)
    assert result.artifacts[0].manifest.inputs[0].shape == (1, 20, 36, 1)


def test_a_file_of_keras_2_is_read(tmp_path: Path) -> None:
    net = model(
        (16, 16, 3),
        lambda x: layers.Dense(3, activation="softmax", name="y")(
            pooled(layers.DepthwiseConv2D(3, padding="same")(features(x, 8)))
        ),
    )
    made = source(tmp_path, net, ".h5")
    with h5py.File(made.path, "r+") as file:
        config = json.loads(file.attrs["model_config"])
        for layer in config["config"]["layers"]:
            if layer["class_name"] == "DepthwiseConv2D":
                layer["config"]["groups"] = 1
        file.attrs["model_config"] = json.dumps(config)
        file.attrs["keras_version"] = "2.15.0"
    hold(made, made.export(tmp_path / "out"))


def torch_like(folder: Path) -> Source:
    """Channels first, an open batch, a shape computed before the last layer."""
    random = np.random.default_rng(0)

    def weights(*shape: int) -> Any:  # noqa: ANN401 - an array
        return random.normal(0, 0.3, shape).astype(np.float32)

    nodes = [
        helper.make_node("Conv", ["images", "w"], ["c"], pads=[1] * 4, strides=[2, 2]),
        helper.make_node("Sigmoid", ["c"], ["s"]),
        helper.make_node("Mul", ["c", "s"], ["silu"]),
        helper.make_node("Conv", ["silu", "d"], ["e"], pads=[1] * 4, group=8),
        helper.make_node("GlobalAveragePool", ["e"], ["p"]),
        helper.make_node("Shape", ["p"], ["sizes"]),
        helper.make_node("Gather", ["sizes", "first"], ["n"], axis=0),
        helper.make_node("Concat", ["n", "rest"], ["to"], axis=0),
        helper.make_node("Reshape", ["p", "to"], ["flat"]),
        helper.make_node("Gemm", ["flat", "v", "b"], ["scores"], transB=1),
        helper.make_node("Conv", ["e", "h"], ["heat"]),
    ]
    constants = {
        "w": weights(8, 3, 3, 3), "d": weights(8, 1, 3, 3), "v": weights(5, 8), "b": weights(5),
        "h": weights(2, 8, 1, 1), "first": np.array([0]), "rest": np.array([-1]),
    }  # fmt: skip
    ends = [
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", *sizes])]
        for name, *sizes in (("images", 3, 16, 24), ("scores", 5), ("heat", 2, 8, 12))
    ]
    stored = [numpy_helper.from_array(values, name) for name, values in constants.items()]
    graph = helper.make_graph(nodes, "net", ends[0], ends[1] + ends[2], stored)
    opset = helper.make_opsetid("", 17)
    path = folder / "net.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=8), path)
    judged, calibrated = (
        np.ascontiguousarray(signals((16, 24, 3), count, count).transpose(0, 3, 1, 2))
        for count in (JUDGED, CALIBRATED)
    )
    np.savez(folder / "calibration.npz", images=calibrated)
    scores, heat = onnxruntime.InferenceSession(str(path)).run(None, {"images": judged})
    outputs = {"scores": scores, "heat": heat}
    return Source(path, {"images": judged}, outputs, folder / "calibration.npz")


def test_onnx_as_pytorch_writes_it_in_both_formats(tmp_path: Path) -> None:
    made = torch_like(tmp_path)
    result = made.export(tmp_path / "out")
    hold(made, result)
    for recipe in ("float32", "int8"):
        written = files(result, recipe)
        assert written["onnx"].inputs[0].shape == (1, 3, 16, 24)
        assert written["onnx"].outputs[1].layout == "NCHW"
        assert written["tflite"].inputs[0].shape == (1, 16, 24, 3)
        assert written["tflite"].outputs[1].shape == (1, 8, 12, 2)
        assert "TRANSPOSE" not in written["tflite"].graph.ops
