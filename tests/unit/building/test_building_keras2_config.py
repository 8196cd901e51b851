"""Configurations of Keras 2 in the form of Keras 3."""

from __future__ import annotations

from typing import Any

import pytest

from edgecnn.building import keras2, keras2_functions
from edgecnn.building.precision import in_float32
from edgecnn.errors import InputError


def layer(kind: str, name: str = "it", calls: Any = (), **config: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    return {
        "class_name": kind,
        "config": {"name": name, **config},
        "name": name,
        "inbound_nodes": list(calls),
    }


def graph(*layers: dict[str, Any], output: str, call: int = 0) -> dict[str, Any]:
    config = {
        "name": "net",
        "layers": list(layers),
        "input_layers": [["x", 0, 0]],
        "output_layers": [[output, call, 0]],
    }
    return {"class_name": "Functional", "config": config}


@pytest.mark.parametrize(
    ("kind", "old", "new"),
    [
        ("DepthwiseConv2D", {"groups": 1}, {}),
        ("Conv2D", {"groups": 4}, {"groups": 4}),
        ("RandomFlip", {"rng_type": "stateful"}, {}),
        ("BatchNormalization", {"axis": [3]}, {"axis": 3}),
        ("LayerNormalization", {"axis": [1, 2, 3]}, {"axis": [1, 2, 3]}),
        ("LSTM", {"time_major": False}, {}),
        ("LeakyReLU", {"alpha": 0.1}, {"negative_slope": 0.1}),
        ("InputLayer", {"batch_input_shape": [None, 3]}, {"batch_shape": [None, 3]}),
        ("Dense", {"activation": "relu6"}, {"activation": "relu6"}),
    ],
)
def test_arguments(kind: str, old: dict[str, Any], new: dict[str, Any]) -> None:
    translated = keras2.translate(layer(kind, **old))
    assert translated["config"] == {"name": "it", **new}
    assert translated["module"] == "keras.layers"


@pytest.mark.parametrize(
    ("kind", "argument", "value"),
    [("LSTM", "time_major", True), ("DepthwiseConv2D", "groups", 2)],
)
def test_an_argument_that_means_something_is_refused(kind: str, argument: str, value: Any) -> None:  # noqa: ANN401 - JSON
    with pytest.raises(InputError, match=f"'it' \\({kind}\\) was saved by Keras 2 with {argument}"):
        keras2.translate(layer(kind, **{argument: value}))


def test_arithmetic_becomes_a_call_of_a_function() -> None:
    translated = keras2.translate(
        graph(
            layer("InputLayer", "x"),
            layer(
                "TFOpLambda",
                "tf.math.multiply",
                [["_CONSTANT_VALUE", -1, 2.0, {"y": ["x", 0, 0], "name": None}]],
                function="math.multiply",
            ),
            output="tf.math.multiply",
        )
    )
    function = translated["config"]["layers"][1]
    assert function["config"] == {"name": "tf.math.multiply", "function": "math.multiply"}
    (call,) = function["inbound_nodes"]
    assert call["args"] == [2.0]
    assert call["kwargs"]["y"]["config"]["keras_history"] == ["x", 0, 0]
    assert call["kwargs"].keys() == {"y"}


def test_calls_of_nested_models_are_counted_from_0() -> None:
    inner = graph(layer("InputLayer", "x"), layer("Dense", "d", [[["x", 0, 0, {}]]]), output="d")
    nested = {**inner, "name": "inner", "inbound_nodes": [[["x", 0, 0, {}]]]}
    head = layer("Dense", "a/b", [[["inner", 1, 0, {}]]])
    config = keras2.translate(graph(layer("InputLayer", "x"), nested, head, output="a/b"))["config"]
    (call,) = config["layers"][2]["inbound_nodes"]
    assert call["args"][0]["config"]["keras_history"] == ["inner", 0, 0]
    assert config["output_layers"] == [["a_b", 0, 0]]


def test_a_sequential_gets_the_input_its_first_layer_holds() -> None:
    old = {
        "class_name": "Sequential",
        "config": [
            {"class_name": "Dense", "config": {"name": "d", "batch_input_shape": [None, 4]}}
        ],
    }
    first, dense = keras2.translate(old)["config"]["layers"]
    assert (first["class_name"], first["config"]["batch_shape"]) == ("InputLayer", [None, 4])
    assert "batch_input_shape" not in dense["config"]


@pytest.mark.parametrize(
    ("function", "resolved"),
    [
        ("math.multiply", "math.multiply"),
        ("__operators__.add", "math.add"),
        ("__operators__.getitem", "__operators__.getitem"),
        ("compat.v1.pad", "compat.v1.pad"),
        ("nn.relu6", "nn.relu6"),
        ("io.read_file", None),
        ("math.a.b", None),
        ("py_function", None),
        ("__operators__.__class__", None),
    ],
)
def test_only_functions_of_tensors_are_known(function: str, resolved: str | None) -> None:
    assert keras2_functions.resolve(function) == resolved


def test_reduced_precision_becomes_float32_but_for_inputs() -> None:
    policy = {"class_name": "DTypePolicy", "config": {"name": "mixed_float16"}}
    config = graph(
        layer("InputLayer", "x", dtype="float16"),
        layer("Dense", "a", dtype=policy),
        layer("Dense", "b", dtype="bfloat16"),
        layer("Embedding", "c", dtype="int32"),
        output="a",
    )
    dtypes = [each["config"]["dtype"] for each in in_float32(config)["config"]["layers"]]
    assert dtypes == ["float16", "float32", "float32", "int32"]


@pytest.mark.parametrize(
    ("version", "old"),
    [("2.15.0", True), ("1.2.2", True), ("3.15.1", False), (None, False), (2, False)],
)
def test_versions(version: object, old: bool) -> None:  # noqa: FBT001 - a parameter of the test
    assert keras2.is_keras2(version) is old
