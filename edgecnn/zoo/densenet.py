"""DenseNet for small images, as document 000 section 3 defines it."""

from __future__ import annotations

import keras
from keras import layers

_BLOCK_FILTERS = (8, 16, 32, 64, 128)
_LAYERS_PER_BLOCK = 5
_DROPOUT = 0.8


def build(*, input_size: int, classes: int) -> keras.Model:
    """Build document 000's DenseNet.

    Args:
        input_size: height and width of the input, pixels; at least 4, which two poolings halve.
        classes: size of the softmax.

    Returns:
        float32 (N, input_size, input_size, 3) to class probabilities (N, classes).
    """
    image = keras.Input((input_size, input_size, 3), name="image")
    x = _conv(image, 4, "stem_conv")
    for number, filters in enumerate(_BLOCK_FILTERS, start=1):
        if number > 1:
            x = _normalize(x, f"block{number}")
        x = _dense_block(x, filters, f"block{number}")
        x = layers.Dropout(_DROPOUT, name=f"block{number}_dropout")(x)
    x = _normalize(_pool(x, "pool1"), "pool1")
    x = layers.Conv2D(96, 1, activation="relu", name="transition_conv")(x)
    x = _normalize(x, "transition")
    x = _normalize(_pool(x, "pool2"), "pool2")
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dropout(0.4, name="flatten_dropout")(x)
    x = layers.Dense(classes, activation="softmax", name="predictions")(x)
    return keras.Model(image, x, name="densenet")


def _dense_block(x: keras.KerasTensor, filters: int, name: str) -> keras.KerasTensor:
    """Five convolutions; the quirks are the document's.

    The first two both read the block's input; the later ones read the concatenation of the block's
    earlier layers, never the input itself; and the last layer alone is the block's output.
    """
    outputs = [_conv(x, filters, f"{name}_conv1"), _conv(x, filters, f"{name}_conv2")]
    for number in range(3, _LAYERS_PER_BLOCK + 1):
        joined = layers.Concatenate(name=f"{name}_concat{number}")(outputs)
        outputs.append(_conv(joined, filters, f"{name}_conv{number}"))
    return outputs[-1]


def _conv(x: keras.KerasTensor, filters: int, name: str) -> keras.KerasTensor:
    return layers.Conv2D(filters, 3, padding="same", activation="relu", name=name)(x)


def _normalize(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    return layers.BatchNormalization(name=f"{name}_bn")(x)


def _pool(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    return layers.MaxPooling2D(2, name=name)(x)
