"""The literal numbers of the zoo's table are those of the networks Keras builds."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import keras
import pytest

from edgecnn.building import load_builder
from edgecnn.zoo import MODELS

if TYPE_CHECKING:
    from edgecnn.records import ModelSpec

pytestmark = pytest.mark.tensorflow


def _count(layer: keras.Layer) -> tuple[int, int]:
    """MACs and activations (outputs of every convolution and dense layer) of one layer."""
    kind = type(layer).__name__
    if kind not in {"Conv2D", "DepthwiseConv2D", "SeparableConv2D", "Dense"}:
        return 0, 0
    outputs = math.prod(layer.output.shape[1:])
    channels_in = layer.input.shape[-1]
    if kind == "Dense":
        return outputs * channels_in, outputs
    kernel = math.prod(layer.kernel_size)
    if kind == "Conv2D":
        return outputs * kernel * channels_in, outputs
    if kind == "DepthwiseConv2D":
        return outputs * kernel, outputs
    depthwise = math.prod(layer.output.shape[1:3]) * channels_in
    return depthwise * kernel + outputs * channels_in, depthwise + outputs


def _totals(model: keras.Model) -> tuple[int, int, int, int]:
    trainable = sum(math.prod(weight.shape) for weight in model.trainable_weights)
    counts = [_count(layer) for layer in model.layers]
    macs, activations = (sum(column) for column in zip(*counts, strict=True))
    return model.count_params(), trainable, macs, activations


@pytest.mark.parametrize("spec", MODELS.values(), ids=MODELS.keys())
def test_numbers_of_the_table(spec: ModelSpec) -> None:
    model = load_builder(spec)(input_size=spec.input_size, classes=spec.classes)
    assert model.input_shape == (None, spec.input_size, spec.input_size, 3)
    assert model.output_shape == (None, spec.classes)
    assert _totals(model) == (
        spec.parameters,
        spec.trainable_parameters,
        spec.macs,
        spec.activations,
    )


def test_counting_agrees_with_the_published_figures_of_xception() -> None:
    """8.40 GMACs and 35.8 M activations are published for the original, which pads less.

    Counters that add the normalizations' multiplications come out half a percent above ours.
    """
    with keras.StatelessScope():
        _, _, macs, activations = _totals(keras.applications.Xception(weights=None))
    assert macs == pytest.approx(8.40e9, rel=0.01)
    assert activations == pytest.approx(35.8e6, rel=0.001)
