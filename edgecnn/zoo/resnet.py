"""ResNet for small images, whose skips are convolutions, as document 000 section 2 defines it."""

from __future__ import annotations

from typing import NamedTuple

import keras
from keras import layers


class _Block(NamedTuple):
    filters: int
    dropout: float
    pooling: bool = False


_BLOCKS = (
    _Block(32, 0.2),
    _Block(32, 0.3),
    _Block(32, 0.4, pooling=True),
    _Block(64, 0.2),
    _Block(64, 0.2, pooling=True),
    _Block(256, 0.4),
)


def build(*, input_size: int, classes: int) -> keras.Model:
    """Build document 000's ResNet.

    Args:
        input_size: height and width of the input, pixels; at least 4, which two poolings halve.
        classes: size of the softmax.

    Returns:
        float32 (N, input_size, input_size, 3) to class probabilities (N, classes).
    """
    image = keras.Input((input_size, input_size, 3), name="image")
    x = _normalize_relu(_conv(image, 16, "stem_conv"), "stem")
    for number, block in enumerate(_BLOCKS, start=1):
        x = _residual(x, block, f"block{number}")
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dropout(0.4, name="flatten_dropout")(x)
    x = layers.Dense(4096, activation="relu", name="hidden")(x)
    x = layers.Dropout(0.23, name="hidden_dropout")(x)
    x = layers.Dense(classes, activation="softmax", name="predictions")(x)
    return keras.Model(image, x, name="resnet")


def _residual(x: keras.KerasTensor, block: _Block, name: str) -> keras.KerasTensor:
    branch = _normalize_relu(_conv(x, block.filters, f"{name}_conv1"), f"{name}_branch")
    branch = _conv(branch, block.filters, f"{name}_conv2")
    skip = _conv(x, block.filters, f"{name}_skip")
    x = layers.Add(name=f"{name}_add")([branch, skip])
    if block.pooling:
        x = layers.MaxPooling2D(2, name=f"{name}_pool")(x)
    x = layers.Dropout(block.dropout, name=f"{name}_dropout")(x)
    return _normalize_relu(x, name)


def _conv(x: keras.KerasTensor, filters: int, name: str) -> keras.KerasTensor:
    return layers.Conv2D(filters, 3, padding="same", name=name)(x)


def _normalize_relu(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    x = layers.BatchNormalization(name=f"{name}_bn")(x)
    return layers.Activation("relu", name=f"{name}_relu")(x)
