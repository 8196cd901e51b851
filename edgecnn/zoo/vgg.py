"""VGG for small images: three blocks of two convolutions, as document 000 section 1 defines it."""

from __future__ import annotations

import keras
from keras import layers

_FILTERS = (64, 128, 256)
_DROPOUT = 0.4


def build(*, input_size: int, classes: int) -> keras.Model:
    """Build document 000's VGG.

    Args:
        input_size: height and width of the input, pixels; at least 8, which three poolings halve.
        classes: size of the softmax.

    Returns:
        float32 (N, input_size, input_size, 3) to class probabilities (N, classes).
    """
    image = x = keras.Input((input_size, input_size, 3), name="image")
    for number, filters in enumerate(_FILTERS, start=1):
        x = _block(x, filters, f"block{number}")
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(classes, activation="softmax", name="predictions")(x)
    return keras.Model(image, x, name="vgg")


def _block(x: keras.KerasTensor, filters: int, name: str) -> keras.KerasTensor:
    for number in (1, 2):
        x = layers.Conv2D(
            filters, 3, padding="same", activation="relu", name=f"{name}_conv{number}"
        )(x)
        x = layers.Dropout(_DROPOUT, name=f"{name}_dropout{number}")(x)
    return layers.MaxPooling2D(2, name=f"{name}_pool")(x)
