"""The zoo and keras.applications through `build`: reproducible, resizable, ready to trace."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tensorflow as tf  # noqa: TID251 - the test traces as a converter would
import weight_hashes

import edgecnn
from edgecnn.building import BuildRequest, BuiltModel, build, load_builder
from edgecnn.errors import InputError
from edgecnn.zoo import MODELS
from edgecnn.zoo.keras_applications import APPLICATIONS

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

pytestmark = pytest.mark.tensorflow


@functools.cache
def _smallest(name: str) -> BuiltModel:
    """A zoo network at its smallest input, for the tests that only look at it."""
    return _build_smallest(name)


def _build_smallest(name: str) -> BuiltModel:
    return build(BuildRequest(name, classes=3, input_size=MODELS[name].min_input_size))


def _run(built: BuiltModel) -> npt.NDArray[np.float32]:
    """The output of one image through the traced function."""
    traced = tf.function(built.function).get_concrete_function([tf.TensorSpec(built.input_shape)])
    return np.asarray(traced(tf.ones(built.input_shape))[0])


@pytest.mark.parametrize("name", MODELS)
def test_a_zoo_network_at_its_smallest_input(name: str) -> None:
    smallest, built = MODELS[name].min_input_size, _smallest(name)
    assert built.input_shape == (1, smallest, smallest, 3)
    probabilities = _run(built)
    assert probabilities.shape == (1, built.classes) == (1, 3)
    assert probabilities.sum() == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize("name", ["vgg", "resnet", "densenet", "inception", "xception-mini"])
def test_below_its_smallest_input_a_network_cannot_be(name: str) -> None:
    smallest = MODELS[name].min_input_size
    assert smallest is not None
    with pytest.raises(ValueError, match=r"negative|positive|zero|smaller|cannot"):
        load_builder(MODELS[name])(input_size=smallest - 1, classes=3)


def test_parameters_are_counted() -> None:
    built = build(BuildRequest("xception-mini"))
    spec = MODELS["xception-mini"]
    assert (built.parameters, built.trainable_parameters) == (
        spec.parameters,
        spec.trainable_parameters,
    )


def test_half_the_width_is_about_a_quarter_of_the_weights() -> None:
    whole = MODELS["xception"].parameters
    half = build(BuildRequest("xception", width=0.5)).parameters
    assert 0.25 * whole < half < 0.32 * whole


def test_every_channel_count_of_a_narrow_xception_is_a_multiple_of_eight() -> None:
    model = build(BuildRequest("xception", width=0.3, input_size=64)).keras_model
    assert model is not None
    channels = {layer.output.shape[-1] for layer in model.layers[1:-1]}
    assert min(channels) == 8
    assert all(count % 8 == 0 for count in channels)


@pytest.mark.parametrize("name", MODELS)
def test_names_do_not_depend_on_what_was_built_before(name: str) -> None:
    first, second = _smallest(name).keras_model, _build_smallest(name).keras_model
    assert first is not None
    assert second is not None
    assert [weight.path for weight in first.weights] == [weight.path for weight in second.weights]
    assert [layer.name for layer in first.layers] == [layer.name for layer in second.layers]


def test_random_weights_are_the_same_bytes_in_every_process() -> None:
    """Whatever was built before in that process: nothing there, and much in this one."""
    xception = {"model": "xception", "input_size": 64, "width": 0.25, "seed": 3}
    mobilenet = {"model": "keras:MobileNetV3Small", "input_size": 64, "seed": 3}
    done = subprocess.run(
        [sys.executable, weight_hashes.__file__, json.dumps([xception, mobilenet])],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    there = json.loads(done.stdout.splitlines()[-1])
    assert set(there) == {"xception", "keras:MobileNetV3Small"}
    here = weight_hashes.hashes_of([{"model": "vgg", "seed": 5}, mobilenet, xception])
    assert there.items() < here.items()


def test_another_seed_gives_other_weights() -> None:
    one, two = (build(BuildRequest("vgg", seed=seed)).keras_model for seed in (1, 2))
    assert one is not None
    assert two is not None
    assert not np.array_equal(one.get_weights()[0], two.get_weights()[0])


@pytest.mark.parametrize("name", ["MobileNetV3Small", "ResNet50V2"])
def test_a_keras_network_with_options(name: str) -> None:
    built = build(BuildRequest(f"keras:{name.lower()}", classes=7, input_size=64))
    assert built.identity.name == f"keras:{name}"
    assert built.identity.preprocessing == APPLICATIONS[name].preprocessing
    assert _run(built).shape == (1, 7)


def test_a_tflite_file_is_not_built(tmp_path: Path) -> None:
    path = tmp_path / "net.tflite"
    path.write_bytes(b"\x1c\x00\x00\x00TFL3")
    with pytest.raises(InputError, match="nothing to build"):
        build(BuildRequest(str(path)))


def test_the_verb_gives_the_keras_model_with_the_weights_of_a_file(tmp_path: Path) -> None:
    model = edgecnn.build("vgg", classes=3, input_size=8, seed=5)
    path = tmp_path / "vgg.weights.h5"
    model.save_weights(path)
    again = edgecnn.build("vgg", classes=3, input_size=8, weights=str(path))
    image = np.ones((2, 8, 8, 3), np.float32)
    np.testing.assert_array_equal(again(image), model(image))
    again.export(tmp_path / "saved", verbose=False)
    with pytest.raises(InputError, match="holds no Keras model"):
        edgecnn.build(str(tmp_path / "saved"))
