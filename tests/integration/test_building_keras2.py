"""Files as Keras 2 wrote them. Keras 2 is not installed: its configurations are written by hand."""

from __future__ import annotations

import json
import zipfile
from typing import TYPE_CHECKING, Any

import h5py
import keras
import numpy as np
import pytest

from edgecnn.building import BuildRequest, build, identify
from edgecnn.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.tensorflow

layers = keras.layers


def _net() -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            layers.Conv2D(4, 3, name="c"),
            layers.DepthwiseConv2D(3, name="d"),
            layers.BatchNormalization(name="b"),
            layers.GlobalAveragePooling2D(name="g"),
        ]
    )


def _layer(kind: str, name: str, *calls: Any, **config: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    own = {"name": name, "trainable": True, "dtype": "float32", **config}
    return {"class_name": kind, "config": own, "name": name, "inbound_nodes": list(calls)}


def _function(function: str, source: str, **options: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    return _layer("TFOpLambda", f"tf.{function}", [source, 0, 0, options], function=function)


def _config(depthwise_groups: int = 1, function: str = "math.multiply") -> dict[str, Any]:
    """The network of `_net`, then clip((g * c) + 1, 0, 1.5)[:, 1:]."""
    conv = {"kernel_size": [3, 3], "padding": "valid", "use_bias": True}
    slices = [{"start": None, "stop": None, "step": None}, {"start": 1, "stop": None, "step": None}]
    picture = _layer("InputLayer", "x", batch_input_shape=[None, 8, 8, 3])
    chain = [
        picture,
        _layer("Conv2D", "c", [["x", 0, 0, {}]], filters=4, groups=1, **conv),
        _layer("DepthwiseConv2D", "d", [["c", 0, 0, {}]], groups=depthwise_groups, **conv),
        _layer("BatchNormalization", "b", [["d", 0, 0, {}]], axis=[3]),
        _layer("GlobalAveragePooling2D", "g", [["b", 0, 0, {}]]),
        _function(function, "g", y=2.0, name=None),
        _function("__operators__.add", f"tf.{function}", y=["g", 0, 0], name=None),
        _function("clip_by_value", "tf.__operators__.add", clip_value_min=0, clip_value_max=1.5),
        _layer(
            "SlicingOpLambda",
            "last",
            ["tf.clip_by_value", 0, 0, {"slice_spec": slices}],
            function="__operators__.getitem",
        ),
    ]
    ends = {"input_layers": [["x", 0, 0]], "output_layers": [["last", 0, 0]]}
    return {"class_name": "Functional", "config": {"name": "net", "layers": chain, **ends}}


def _save(path: Path, model: keras.Model, config: dict[str, Any]) -> Path:
    if path.suffix == ".h5":
        model.save(path)
        with h5py.File(path, "r+") as file:
            file.attrs["model_config"] = json.dumps(config)
            file.attrs["keras_version"] = "2.15.0"
        return path
    whole = path.with_name("whole.keras")
    model.save(whole)
    config = {**config, "module": "keras.src.engine.functional", "registered_name": "Functional"}
    with zipfile.ZipFile(whole) as source, zipfile.ZipFile(path, "w") as target:
        target.writestr("config.json", json.dumps(config))
        target.writestr("metadata.json", json.dumps({"keras_version": "2.15.0"}))
        target.writestr("model.weights.h5", source.read("model.weights.h5"))
    return path


@pytest.mark.parametrize("name", ["net.h5", "net.keras"])
def test_its_arithmetic_and_dead_arguments_are_read(tmp_path: Path, name: str) -> None:
    model = _net()
    model.layers[2].moving_mean.assign([0.1, -0.2, 0.3, 0.4])
    path = _save(tmp_path / name, model, _config())
    built = build(BuildRequest(str(path)))
    images = np.random.default_rng(0).random((1, 8, 8, 3), np.float32)
    pooled = np.asarray(model(images))
    expected = np.clip(pooled * 2 + pooled, 0, 1.5)[:, 1:]
    np.testing.assert_allclose(built.function([images])[0], expected, atol=1e-6)
    assert [end.name for end in built.network.outputs] == ["last"]


@pytest.mark.parametrize("name", ["net.h5", "net.keras"])
def test_an_argument_that_means_something_names_its_layer(tmp_path: Path, name: str) -> None:
    path = _save(tmp_path / name, _net(), _config(depthwise_groups=2))
    with pytest.raises(InputError, match=r"'d' \(DepthwiseConv2D\) was saved by Keras 2") as caught:
        build(BuildRequest(str(path)))
    assert "model.export" in caught.value.hint


def test_an_unknown_function_is_refused_before_tensorflow(tmp_path: Path) -> None:
    path = _save(tmp_path / "net.keras", _net(), _config(function="io.read_file"))
    with pytest.raises(InputError, match=r"is the function tf\.io\.read_file, saved by Keras 2"):
        identify(BuildRequest(str(path)))


def test_a_layer_that_keras_3_lacks_is_refused_with_the_way_out(tmp_path: Path) -> None:
    config = _config()
    config["config"]["layers"][4]["class_name"] = "LocallyConnected2D"
    path = _save(tmp_path / "net.h5", _net(), config)
    with pytest.raises(
        InputError, match=r"saved by Keras 2\.15\.0; .*LocallyConnected2D"
    ) as caught:
        build(BuildRequest(str(path)))
    assert "tf_keras" in caught.value.hint


def test_hard_sigmoid_is_keras_2s(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3, activation="hard_sigmoid")])
    path = tmp_path / "net.h5"
    model.save(path)
    with h5py.File(path, "r+") as file:
        file.attrs["keras_version"] = "2.3.1"
    built = build(BuildRequest(str(path)))
    x = np.linspace(-3, 3, 4, dtype=np.float32)[None]
    kernel, bias = model.layers[0].get_weights()
    expected = np.clip(0.2 * (x @ kernel + bias) + 0.5, 0, 1)
    np.testing.assert_allclose(built.function([x])[0], expected, atol=1e-6)
