"""Each network of the zoo is the same function as the code of the document that defines it."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from edgecnn.building import load_builder
from edgecnn.zoo import MODELS

if TYPE_CHECKING:
    import keras

SEEDS = Path(__file__).parents[1] / "seeds"
# zoo name -> the variable that holds the model in the document's code
VARIABLES = {
    "vgg": "custom_vgg",
    "resnet": "resnet_model",
    "densenet": "dense_net",
    "inception": "inc",
    "xception-mini": "xception",
    "xception": "model",
}

pytestmark = pytest.mark.tensorflow


@pytest.fixture(scope="module", params=list(VARIABLES))
def models(request: pytest.FixtureRequest) -> tuple[keras.Model, keras.Model]:
    """The document's network and ours."""
    name: str = request.param
    spec = MODELS[name]
    theirs = runpy.run_path(str(SEEDS / f"{name.replace('-', '_')}.py"))[VARIABLES[name]]
    return theirs, load_builder(spec)(input_size=spec.input_size, classes=spec.classes)


def _randomize(model: keras.Model, rng: np.random.Generator) -> None:
    """Give every weight a value, so that no BatchNormalization or bias is the identity."""
    for weight in model.weights:
        if weight.name in {"moving_variance", "gamma"}:
            weight.assign(rng.uniform(0.5, 1.5, weight.shape).astype(np.float32))
        elif weight.name in {"moving_mean", "beta", "bias"}:
            weight.assign(rng.normal(0, 0.1, weight.shape).astype(np.float32))


def _weighted_layers(model: keras.Model) -> list[keras.Layer]:
    return [layer for layer in model.layers if layer.weights]


def _logits(model: keras.Model) -> keras.Model:
    """The same network without its softmax, which would hide differences."""
    model.layers[-1].activation = None
    return model


def test_every_network_of_the_zoo_has_its_document() -> None:
    assert set(VARIABLES) == set(MODELS)


def test_same_function_as_the_documents_code(models: tuple[keras.Model, keras.Model]) -> None:
    theirs, ours = models
    rng = np.random.default_rng(0)
    _randomize(theirs, rng)
    pairs = list(zip(_weighted_layers(theirs), _weighted_layers(ours), strict=True))
    for source, target in pairs:
        assert type(source) is type(target), target.name
        target.set_weights(source.get_weights())
    assert sum(len(target.weights) for _, target in pairs) == len(ours.weights)
    images = rng.uniform(-1, 1, (2, *ours.input_shape[1:])).astype(np.float32)

    expected = np.asarray(theirs(images, training=False))
    np.testing.assert_allclose(np.asarray(ours(images, training=False)), expected, atol=1e-5)

    logits = np.asarray(_logits(theirs)(images, training=False))
    error = np.asarray(_logits(ours)(images, training=False)) - logits
    assert np.abs(error).max() <= 1e-5 * np.abs(logits).max()
    assert np.abs(logits).max() > 1e-3


def test_same_training_behaviour_as_the_documents_code(
    models: tuple[keras.Model, keras.Model],
) -> None:
    """Dropout and normalization stand in the same places with the same settings."""
    settings = ("rate", "momentum", "epsilon", "padding", "strides", "pool_size", "use_bias")

    def described(model: keras.Model) -> list[tuple[object, ...]]:
        return sorted(
            (type(layer).__name__, *(str(getattr(layer, key, "")) for key in settings))
            for layer in model.layers
            if type(layer).__name__ != "InputLayer"
        )

    theirs, ours = models
    assert described(ours) == described(theirs)
