"""Xception for ImageNet, as document 003 defines it, after Chollet, arXiv:1610.02357.

It differs from the paper and from keras.applications: every convolution is padded ('same'), the
entry flow's skips are chained to each other instead of to the sums, each middle-flow block ends in
a ReLU before its Add, and the exit flow has no ReLU after its Add nor after its last
normalization.
"""

from __future__ import annotations

import keras
from keras import layers

from edgecnn.zoo.twins import NORMAL, SEPARABLE, Style

_ENTRY_FILTERS = (128, 256, 728)
_MIDDLE_BLOCKS = 8
_EXIT_FILTERS = (728, 1024, 1536, 2048)


def build(
    *, input_size: int, classes: int, width: float = 1.0, convolution: str = SEPARABLE
) -> keras.Model:
    """Build document 003's Xception.

    Args:
        input_size: height and width of the input, pixels; at least 32, which five strides halve.
        classes: size of the softmax.
        width: multiplies the channels of every convolution, rounded to multiples of 8; at 1.0
            they are the document's.
        convolution: "separable" as in the document, or "normal" for its twin, which has a 3x3
            convolution in the place of every separable one.

    Returns:
        float32 (N, input_size, input_size, 3) to class probabilities (N, classes).
    """
    image = keras.Input((input_size, input_size, 3), name="image")
    style = Style(width, convolution)
    x = _entry_flow(image, style)
    for number in range(1, _MIDDLE_BLOCKS + 1):
        x = _middle_block(x, style, f"middle{number}")
    x = _exit_flow(x, style)
    x = layers.GlobalAveragePooling2D(name="average_pool")(x)
    x = layers.Dense(classes, activation="softmax", name="predictions")(x)
    return keras.Model(image, x, name="xception")


def _entry_flow(image: keras.KerasTensor, style: Style) -> keras.KerasTensor:
    x = _conv_bn(image, style.filters(32), 3, "entry_conv1", strides=2)
    x = _relu(x, "entry_conv1")
    x = _conv_bn(x, style.filters(64), 3, "entry_conv2")
    x = skip = _relu(x, "entry_conv2")
    for number, channels in enumerate(_ENTRY_FILTERS, start=1):
        name, filters = f"entry{number}", style.filters(channels)
        # The first block's input has just passed a ReLU; the others' is a sum.
        branch = x if number == 1 else _relu(x, f"{name}_sep1")
        branch = _sep_pair(branch, (channels, channels), style, name)
        # Each skip continues the skip before it, not the sum: the paper's skips start at the sum.
        skip = _conv_bn(skip, filters, 1, f"{name}_skip", strides=2)
        x = layers.Add(name=f"{name}_add")([skip, branch])
    return x


def _middle_block(x: keras.KerasTensor, style: Style, name: str) -> keras.KerasTensor:
    branch = x
    for number in (1, 2, 3):
        branch = _relu(branch, f"{name}_sep{number}")
        branch = _sep_bn(branch, _ENTRY_FILTERS[-1], style, f"{name}_sep{number}")
    return layers.Add(name=f"{name}_add")([x, _relu(branch, f"{name}_end")])


def _exit_flow(x: keras.KerasTensor, style: Style) -> keras.KerasTensor:
    middle, wide, wider, widest = _EXIT_FILTERS
    branch = _sep_pair(_relu(x, "exit_sep1"), (middle, wide), style, "exit")
    skip = _conv_bn(x, style.filters(wide), 1, "exit_skip", strides=2)
    x = layers.Add(name="exit_add")([skip, branch])
    x = _sep_bn(x, wider, style, "exit_sep3")
    return _sep_bn(_relu(x, "exit_sep4"), widest, style, "exit_sep4")


def _sep_pair(
    x: keras.KerasTensor, channels: tuple[int, int], style: Style, name: str
) -> keras.KerasTensor:
    x = _sep_bn(x, channels[0], style, f"{name}_sep1")
    x = _sep_bn(_relu(x, f"{name}_sep2"), channels[1], style, f"{name}_sep2")
    return layers.MaxPooling2D(3, strides=2, padding="same", name=f"{name}_pool")(x)


def _conv_bn(
    x: keras.KerasTensor, filters: int, kernel_size: int, name: str, strides: int = 1
) -> keras.KerasTensor:
    x = layers.Conv2D(
        filters, kernel_size, strides=strides, padding="same", use_bias=False, name=name
    )(x)
    return layers.BatchNormalization(name=f"{name}_bn")(x)


def _sep_bn(x: keras.KerasTensor, channels: int, style: Style, name: str) -> keras.KerasTensor:
    filters = style.filters(channels)
    if style.convolution == NORMAL:
        return _conv_bn(x, filters, 3, name)
    x = layers.SeparableConv2D(filters, 3, padding="same", use_bias=False, name=name)(x)
    return layers.BatchNormalization(name=f"{name}_bn")(x)


def _relu(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    return layers.ReLU(name=f"{name}_relu")(x)
