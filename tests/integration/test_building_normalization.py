"""Adapting BatchNormalization: exactly the statistics of the images, and nothing else changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
import numpy as np
import pytest

from edgecnn.building import BuildRequest, adapt_batch_normalization, build
from edgecnn.errors import InputError

if TYPE_CHECKING:
    import numpy.typing as npt

pytestmark = pytest.mark.tensorflow


def _images(size: int, count: int = 8) -> npt.NDArray[np.float32]:
    return np.random.default_rng(0).uniform(-1, 1, (count, size, size, 3)).astype(np.float32)


def _normalizations(model: keras.Model) -> list[keras.Layer]:
    return [each for each in model.layers if isinstance(each, keras.layers.BatchNormalization)]


@pytest.mark.parametrize("name", ["xception-mini", "densenet", "keras:MobileNetV2"])
def test_every_normalization_sees_mean_zero_and_variance_one(name: str) -> None:
    model = build(BuildRequest(name, input_size=32)).keras_model
    assert model is not None
    images = _images(32)
    adapt_batch_normalization(model, images)
    layers = _normalizations(model)
    outputs = keras.Model(model.input, [layer.output for layer in layers])(images, training=False)
    assert len(layers) > 5
    for layer, output in zip(layers, outputs, strict=True):
        values = np.asarray(output, np.float64).reshape(-1, output.shape[-1])
        variance = layer.moving_variance.numpy()
        np.testing.assert_allclose(values.mean(0), 0, atol=1e-3, err_msg=layer.name)
        expected = variance / (variance + layer.epsilon)  # below 1 for a dead channel
        np.testing.assert_allclose(values.var(0), expected, atol=1e-3, err_msg=layer.name)


def test_it_equals_a_training_pass_without_momentum_and_dropout() -> None:
    """Keras's own update, the slow way, is the reference."""
    request = BuildRequest("xception", input_size=64, width=0.25)
    adapted, reference = build(request).keras_model, build(request).keras_model
    assert adapted is not None
    assert reference is not None
    for layer in _normalizations(reference):
        layer.momentum = 0.0
    reference(_images(64), training=True)
    adapt_batch_normalization(adapted, _images(64))
    for ours, theirs in zip(adapted.weights, reference.weights, strict=True):
        np.testing.assert_allclose(
            ours.numpy(), theirs.numpy(), rtol=1e-4, atol=1e-5, err_msg=ours.path
        )


def test_trained_weights_are_left_alone() -> None:
    model = build(BuildRequest("xception-mini")).keras_model
    assert model is not None
    before = [weight.numpy() for weight in model.trainable_weights]
    adapt_batch_normalization(model, _images(32))
    for weight, old in zip(model.trainable_weights, before, strict=True):
        np.testing.assert_array_equal(weight.numpy(), old)


def test_a_network_without_normalization_stays_as_it_is() -> None:
    model = build(BuildRequest("vgg")).keras_model
    assert model is not None
    before = model.get_weights()
    adapt_batch_normalization(model, _images(32, count=1))
    for new, old in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(new, old)


def test_a_normalization_inside_a_nested_model_is_refused_by_name() -> None:
    inner = keras.Sequential([keras.layers.BatchNormalization(name="inner_bn")], name="inner")
    image = keras.Input((8, 8, 3))
    with pytest.raises(InputError, match="inner_bn"):
        adapt_batch_normalization(keras.Model(image, inner(image)), _images(8))


def test_no_images_are_refused() -> None:
    model = build(BuildRequest("vgg")).keras_model
    with pytest.raises(InputError, match="at least one image"):
        adapt_batch_normalization(model, _images(32, count=0))
