"""Inception for small images, as document 000 section 4 defines it."""

from __future__ import annotations

from typing import NamedTuple

import keras
from keras import layers


class _Module(NamedTuple):
    """Filters of an inception module's four branches."""

    conv1: int
    reduce3: int
    conv3: int
    reduce5: int
    conv5: int
    pool_projection: int


_MODULE_3A = _Module(64, 96, 128, 16, 32, 32)
_MODULE_3B = _Module(128, 128, 192, 32, 96, 96)
_MODULE_4A = _Module(192, 96, 208, 16, 48, 64)


def build(*, input_size: int, classes: int) -> keras.Model:
    """Build document 000's Inception net (it defines a module 4b too, and does not use it).

    Args:
        input_size: height and width of the input, pixels; at least 17, so that the 2x2 average
            pooling has two rows to read.
        classes: size of the softmax.

    Returns:
        float32 (N, input_size, input_size, 3) to class probabilities (N, classes).
    """
    image = keras.Input((input_size, input_size, 3), name="image")
    x = _conv(image, 64, 7, "stem_conv1", strides=2)
    x = _halve(x, "stem_pool1")
    x = _conv(x, 64, 1, "stem_conv2")
    x = _conv(x, 192, 3, "stem_conv3")
    x = _halve(x, "stem_pool2")
    x = _inception(x, _MODULE_3A, "module3a")
    x = _inception(x, _MODULE_3B, "module3b")
    x = _halve(x, "module3_pool")
    x = _inception(x, _MODULE_4A, "module4a")
    return keras.Model(image, _classifier(x, classes), name="inception")


def _inception(x: keras.KerasTensor, module: _Module, name: str) -> keras.KerasTensor:
    branch1 = _conv(x, module.conv1, 1, f"{name}_1x1")
    branch3 = _conv(x, module.reduce3, 1, f"{name}_3x3_reduce")
    branch3 = _conv(branch3, module.conv3, 3, f"{name}_3x3")
    branch5 = _conv(x, module.reduce5, 1, f"{name}_5x5_reduce")
    branch5 = _conv(branch5, module.conv5, 5, f"{name}_5x5")
    pooled = layers.MaxPooling2D(3, strides=1, padding="same", name=f"{name}_pool")(x)
    pooled = _conv(pooled, module.pool_projection, 1, f"{name}_pool_projection")
    return layers.Concatenate(name=f"{name}_concat")([branch1, branch3, branch5, pooled])


def _classifier(x: keras.KerasTensor, classes: int) -> keras.KerasTensor:
    x = layers.AveragePooling2D(2, strides=3, name="head_pool")(x)
    x = _conv(x, 128, 1, "head_conv")
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(1024, activation="relu", name="hidden")(x)
    x = layers.Dropout(0.7, name="hidden_dropout")(x)
    return layers.Dense(classes, activation="softmax", name="predictions")(x)


def _conv(
    x: keras.KerasTensor, filters: int, kernel_size: int, name: str, strides: int = 1
) -> keras.KerasTensor:
    return layers.Conv2D(
        filters, kernel_size, strides=strides, padding="same", activation="relu", name=name
    )(x)


def _halve(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    return layers.MaxPooling2D(3, strides=2, padding="same", name=name)(x)
