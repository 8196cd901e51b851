"""A small Xception with depthwise convolutions, as document 000 section 5 defines it.

Its skip paths pass several BatchNormalization and Dropout layers in a row, because the document's
code assigns those to the skip instead of the branch. The quirk is part of the model.
"""

from __future__ import annotations

import keras
from keras import layers

from edgecnn.zoo.twins import NORMAL, SEPARABLE, Style

_DROPOUT = 0.4


def build(
    *, input_size: int, classes: int, width: float = 1.0, convolution: str = SEPARABLE
) -> keras.Model:
    """Build document 000's XceptionNet.

    Args:
        input_size: height and width of the input, pixels; at least 5, so that after the stride of
            two and the two unpadded poolings one pixel is left.
        classes: size of the softmax.
        width: multiplies the channels of every convolution, rounded to multiples of 8; at 1.0
            they are the document's.
        convolution: "separable" as in the document (its depthwise convolutions have no pointwise
            one behind them), or "normal" for its twin, which has a 3x3 convolution of as many
            channels in the place of every depthwise one.

    Returns:
        float32 (N, input_size, input_size, 3) to class probabilities (N, classes).
    """
    image = keras.Input((input_size, input_size, 3), name="image")
    style = Style(width, convolution)
    x = _normalize(_conv(image, style.filters(32), "stem_conv1", strides=2), "stem_conv1")
    x = _normalize(_conv(x, style.filters(64), "stem_conv2"), "stem_conv2")
    x = _block1(x, style, "block1")
    x = _block2(x, style, "block2")
    x = layers.Activation("relu", name="head_relu")(x)
    x = _normalize(_conv(x, style.filters(256), "head_conv1"), "head_conv1")
    x = _normalize(_conv(x, style.filters(128), "head_conv2"), "head_conv2")
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(classes, activation="softmax", name="predictions")(x)
    return keras.Model(image, x, name="xception-mini")


def _block1(skip: keras.KerasTensor, style: Style, name: str) -> keras.KerasTensor:
    branch = _depthwise(skip, style, f"{name}_depthwise1")
    skip = _normalize(skip, f"{name}_skip1")
    branch = _depthwise(branch, style, f"{name}_depthwise2")
    skip = _normalize(skip, f"{name}_skip2")
    return _join(branch, skip, style.filters(64), name)


def _block2(skip: keras.KerasTensor, style: Style, name: str) -> keras.KerasTensor:
    branch = layers.Activation("relu", name=f"{name}_relu")(skip)
    branch = _conv(branch, style.filters(256), f"{name}_conv")
    skip = _normalize(skip, f"{name}_skip1")
    branch = _depthwise(branch, style, f"{name}_depthwise1")
    skip = _normalize(skip, f"{name}_skip2")
    branch = _depthwise(branch, style, f"{name}_depthwise2", activation=None)
    skip = _normalize(skip, f"{name}_skip3")
    return _join(branch, skip, style.filters(256), name)


def _join(
    branch: keras.KerasTensor, skip: keras.KerasTensor, filters: int, name: str
) -> keras.KerasTensor:
    """Pool the branch and convolve the skip, both 2x2 and unpadded, and concatenate them."""
    branch = layers.MaxPooling2D(2, strides=1, name=f"{name}_pool")(branch)
    skip = layers.Conv2D(filters, 2, name=f"{name}_skip_conv")(skip)
    return layers.Concatenate(name=f"{name}_concat")([branch, skip])


def _conv(x: keras.KerasTensor, filters: int, name: str, strides: int = 1) -> keras.KerasTensor:
    return layers.Conv2D(filters, 3, strides=strides, padding="same", activation="relu", name=name)(
        x
    )


def _depthwise(
    x: keras.KerasTensor, style: Style, name: str, activation: str | None = "relu"
) -> keras.KerasTensor:
    if style.convolution == NORMAL:
        return layers.Conv2D(x.shape[-1], 3, padding="same", activation=activation, name=name)(x)
    return layers.DepthwiseConv2D(3, padding="same", activation=activation, name=name)(x)


def _normalize(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    x = layers.BatchNormalization(name=f"{name}_bn")(x)
    return layers.Dropout(_DROPOUT, name=f"{name}_dropout")(x)
