"""Keras -> float ONNX: the same function, the same bytes, and clear refusals."""

from __future__ import annotations

import hashlib
import importlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnx
import onnxruntime
import pytest
import tensorflow as tf  # noqa: TID251 - the test traces as the converter's caller does
from keras import layers
from onnx_nets import operators, snr_db

from edgecnn.convert.onnx_float import to_onnx
from edgecnn.errors import InputError
from edgecnn.formats import onnx_taps
from edgecnn.quantize.onnx_dynamic import to_dynamic
from edgecnn.quantize.onnx_float16 import to_float16
from edgecnn.quantize.onnx_qdq import to_int8

pytestmark = pytest.mark.tensorflow

# Small inputs, and few channels where that can be said: ONNX's operators are the same at any size.
_SEEDS: dict[str, dict[str, Any]] = {
    "vgg": {"input_size": 16},
    "resnet": {"input_size": 8},
    "densenet": {"input_size": 16},
    "inception": {"input_size": 32},
    "xception_mini": {"input_size": 16},
    "xception": {"input_size": 71, "width": 0.25},
}


def trace(model: keras.Model) -> Any:  # noqa: ANN401 - a ConcreteFunction; TensorFlow has no types
    """The network as a concrete function over constant weights, batch 1."""
    trained = [np.asarray(v) for v in model.trainable_variables]
    other = [np.asarray(v) for v in model.non_trainable_variables]
    call = tf.function(lambda x: model.stateless_call(trained, other, x, training=False)[0])
    return call.get_concrete_function(tf.TensorSpec((1, *model.input_shape[1:]), tf.float32))


def _shake(model: keras.Model) -> None:
    """Give normalizations the statistics and scales that training would: not zeros and ones."""
    random = np.random.default_rng(0)
    for variable in model.variables:
        shape = tuple(variable.shape)
        if variable.name in {"moving_mean", "beta"}:
            variable.assign(0.1 * random.normal(size=shape))
        elif variable.name in {"moving_variance", "gamma"}:
            variable.assign(1 + 0.3 * random.random(size=shape))


def _images(model: keras.Model, count: int) -> list[Any]:
    random = np.random.default_rng(1)
    shape = (1, *model.input_shape[1:])
    return [random.random(shape, dtype=np.float32) for _ in range(count)]


def _open(model: str | bytes) -> onnxruntime.InferenceSession:
    """As `runtime.onnxrt` does: without VNNI, x86's 16-bit sums would saturate."""
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.x64quantprecision", "1")
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _run(path: Path, feeds: list[Any]) -> Any:  # noqa: ANN401 - a numpy array
    session = _open(str(path))
    return np.concatenate([session.run(["output"], {"input": feed})[0] for feed in feeds])


def _logits(path: Path, feeds: list[Any]) -> Any:  # noqa: ANN401 - a numpy array
    data, places = onnx_taps.tap(path.read_bytes())
    assert places == (0,)
    session = _open(data)
    return np.concatenate([session.run(None, {"input": feed})[-1] for feed in feeds])


@pytest.mark.parametrize("name", _SEEDS)
def test_seed_networks_under_every_recipe(name: str, tmp_path: Path) -> None:
    keras.utils.set_random_seed(0)
    build = importlib.import_module(f"edgecnn.zoo.{name}").build
    model = build(classes=10, **_SEEDS[name])
    _shake(model)
    function, feeds, path = trace(model), _images(model, 3), tmp_path / "float.onnx"
    to_onnx(function, path, ["input"], ["output"])
    expected = np.concatenate([np.asarray(function(tf.constant(feed))) for feed in feeds])
    assert snr_db(expected, _run(path, feeds)) > 80
    found = operators(onnx.load(str(path)))
    assert found.count("Transpose") == 1
    assert "Identity" not in found

    reference, out = _logits(path, feeds), tmp_path / "out.onnx"
    to_float16(path, out)
    assert snr_db(reference, _logits(out, feeds)) > 50
    to_dynamic(path, out)
    assert snr_db(reference, _logits(out, feeds)) > 25
    to_int8(path, out, feeds)
    assert snr_db(reference, _logits(out, feeds)) > 15
    assert out.stat().st_size < 0.35 * path.stat().st_size


def _mobile() -> keras.Model:
    """What the seeds lack: ReLU6, zero padding before a stride, a sigmoid gate, dilation."""
    keras.utils.set_random_seed(0)
    image = keras.Input((33, 33, 3))
    x = layers.ZeroPadding2D(((0, 1), (0, 1)))(image)
    x = layers.Conv2D(8, 3, strides=2, use_bias=False)(x)
    x = layers.ReLU(6.0)(layers.BatchNormalization()(x))
    gate = layers.GlobalAveragePooling2D(keepdims=True)(x)
    x = layers.Multiply()([x, layers.Conv2D(8, 1, activation="sigmoid")(gate)])
    x = layers.Conv2D(8, 3, dilation_rate=2, padding="same", activation="relu")(x)
    x = layers.AveragePooling2D(2)(x)
    x = layers.Dense(4)(layers.Flatten()(x))
    model = keras.Model(image, x)
    _shake(model)
    return model


def test_a_network_with_what_the_seeds_lack(tmp_path: Path) -> None:
    model = _mobile()
    function, feeds, path = trace(model), _images(model, 3), tmp_path / "float.onnx"
    to_onnx(function, path, ["input"], ["output"])
    expected = np.concatenate([np.asarray(function(tf.constant(feed))) for feed in feeds])
    assert snr_db(expected, _run(path, feeds)) > 80
    assert "Pad" not in operators(onnx.load(str(path)))
    assert onnx_taps.tap(path.read_bytes()) == (path.read_bytes(), ())
    to_int8(path, tmp_path / "int8.onnx", feeds)
    assert snr_db(expected, _run(tmp_path / "int8.onnx", feeds)) > 20


def test_bytes_do_not_depend_on_the_process(tmp_path: Path) -> None:
    """Another hash seed, and layer names that another network has moved on."""
    to_onnx(trace(_mobile()), tmp_path / "here.onnx", ["input"], ["output"])
    script = (
        "import sys, pathlib; from test_onnx_float import _mobile, trace\n"
        "from edgecnn.convert.onnx_float import to_onnx\n"
        "_mobile(); to_onnx(trace(_mobile()), pathlib.Path(sys.argv[1]), ['input'], ['output'])\n"
    )
    here = Path(__file__).parent
    paths = [str(here), str(here.parent), str(here.parent.parent)]
    subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "there.onnx")],
        check=True,
        env={**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": os.pathsep.join(paths)},
    )
    digests = {hashlib.sha256(p.read_bytes()).hexdigest() for p in tmp_path.glob("*here.onnx")}
    assert len(list(tmp_path.glob("*here.onnx"))) == 2
    assert len(digests) == 1


def test_input_and_output_have_the_contract_s_names_and_shapes(tmp_path: Path) -> None:
    path = tmp_path / "float.onnx"
    to_onnx(trace(_mobile()), path, ["input"], ["output"])
    graph = onnx.load(str(path)).graph
    ends = {
        i.name: [d.dim_value for d in i.type.tensor_type.shape.dim]
        for i in (*graph.input, *graph.output)
    }
    assert ends == {"input": [1, 33, 33, 3], "output": [1, 4]}


def test_an_open_batch_is_refused(tmp_path: Path) -> None:
    function = tf.function(tf.nn.relu).get_concrete_function(tf.TensorSpec((None, 8), tf.float32))
    with pytest.raises(InputError, match="open shape"):
        to_onnx(function, tmp_path / "x.onnx", ["input"], ["output"])


def test_inputs_and_outputs_keep_their_names_and_order(tmp_path: Path) -> None:
    """The third input is read by nobody and stays one of the model's."""

    def network(image: Any, number: Any, _unused: Any) -> tuple[Any, ...]:  # noqa: ANN401 - tensors
        return tf.identity(number), tf.nn.softmax(image), image + number

    specs = [tf.TensorSpec(shape, tf.float32) for shape in ((1, 8), (1, 1), (2, 3))]
    function, path = tf.function(network).get_concrete_function(*specs), tmp_path / "x.onnx"
    to_onnx(function, path, ["image", "number", "unused"], ["zoom", "age", "sum"])
    graph = onnx.load(str(path)).graph
    assert [item.name for item in graph.input] == ["image", "number", "unused"]
    assert [item.name for item in graph.output] == ["zoom", "age", "sum"]
    random = np.random.default_rng(0)
    feeds = [random.normal(size=spec.shape).astype(np.float32) for spec in specs]
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    answers = session.run(None, dict(zip(["image", "number", "unused"], feeds, strict=True)))
    for expected, computed in zip(network(*feeds), answers, strict=True):
        assert np.allclose(np.asarray(expected), computed, atol=1e-6)


def _block(layer: Any) -> keras.Model:  # noqa: ANN401 - builds on a tensor
    keras.utils.set_random_seed(0)
    image = keras.Input((8, 8, 4))
    return keras.Model(image, layer(image))


@pytest.mark.parametrize(
    "layer",
    [
        lambda x: layers.Dense(6, activation="gelu")(layers.LayerNormalization()(x)),
        layers.Conv2D(8, 3, groups=4, padding="same"),
        layers.Conv2DTranspose(6, 2, strides=2, padding="same"),
        lambda x: layers.UpSampling2D(2)(layers.GroupNormalization(2)(x)),
    ],
    ids=["gelu", "grouped", "transposed", "upsampled"],
)
def test_layers_that_converters_lack(layer: Any, tmp_path: Path) -> None:  # noqa: ANN401 - likewise
    model, path = _block(layer), tmp_path / "float.onnx"
    function, feeds = trace(model), _images(model, 3)
    to_onnx(function, path, ["input"], ["output"])
    expected = np.concatenate([np.asarray(function(tf.constant(feed))) for feed in feeds])
    assert snr_db(expected, _run(path, feeds)) > 100
    to_int8(path, tmp_path / "int8.onnx", feeds)
    assert snr_db(expected, _run(tmp_path / "int8.onnx", feeds)) > 15


def test_unfrozen_weights_are_refused(tmp_path: Path) -> None:
    weight = tf.Variable(tf.ones((8, 8)))
    function = tf.function(lambda x: x @ weight).get_concrete_function(
        tf.TensorSpec((1, 8), tf.float32)
    )
    with pytest.raises(InputError, match="inputs"):
        to_onnx(function, tmp_path / "x.onnx", ["input"], ["output"])


def test_an_operator_that_onnx_lacks_is_named(tmp_path: Path) -> None:
    function = tf.function(tf.math.bessel_i0e).get_concrete_function(
        tf.TensorSpec((1, 8), tf.float32)
    )
    with pytest.raises(InputError, match="BesselI0e"):
        to_onnx(function, tmp_path / "x.onnx", ["input"], ["output"])
    assert list(tmp_path.iterdir()) == []
