"""Xception for ImageNet, as document 003 defines it, after Chollet, arXiv:1610.02357.

It differs from the paper and from keras.applications: every convolution is padded ('same'), the
entry flow's skips are chained to each other instead of to the sums, each middle-flow block ends in
a ReLU before its Add, and the exit flow has no ReLU after its Add nor after its last
normalization.
"""

from __future__ import annotations

import keras
from keras import layers

from edgecnn.zoo.width import scale_channels

_ENTRY_FILTERS = (128, 256, 728)
_MIDDLE_BLOCKS = 8
_EXIT_FILTERS = (728, 1024, 1536, 2048)


def build(*, input_size: int, classes: int, width: float = 1.0) -> keras.Model:
    """Build document 003's Xception.

    Args:
        input_size: height and width of the input, pixels; at least 32, which five strides halve.
        classes: size of the softmax.
        width: multiplies the channels of every convolution, rounded to multiples of 8; at 1.0
            they are the document's.

    Returns:
        float32 (N, input_size, input_size, 3) to class probabilities (N, classes).
    """
    image = keras.Input((input_size, input_size, 3), name="image")
    x = _entry_flow(image, width)
    middle = scale_channels(_ENTRY_FILTERS[-1], width)
    for number in range(1, _MIDDLE_BLOCKS + 1):
        x = _middle_block(x, middle, f"middle{number}")
    x = _exit_flow(x, width)
    x = layers.GlobalAveragePooling2D(name="average_pool")(x)
    x = layers.Dense(classes, activation="softmax", name="predictions")(x)
    return keras.Model(image, x, name="xception")


def _entry_flow(image: keras.KerasTensor, width: float) -> keras.KerasTensor:
    x = _conv_bn(image, scale_channels(32, width), 3, "entry_conv1", strides=2)
    x = _relu(x, "entry_conv1")
    x = _conv_bn(x, scale_channels(64, width), 3, "entry_conv2")
    x = skip = _relu(x, "entry_conv2")
    for number, channels in enumerate(_ENTRY_FILTERS, start=1):
        name, filters = f"entry{number}", scale_channels(channels, width)
        # The first block's input has just passed a ReLU; the others' is a sum.
        branch = x if number == 1 else _relu(x, f"{name}_sep1")
        branch = _sep_pair(branch, filters, filters, name)
        # Each skip continues the skip before it, not the sum: the paper's skips start at the sum.
        skip = _conv_bn(skip, filters, 1, f"{name}_skip", strides=2)
        x = layers.Add(name=f"{name}_add")([skip, branch])
    return x


def _middle_block(x: keras.KerasTensor, filters: int, name: str) -> keras.KerasTensor:
    branch = x
    for number in (1, 2, 3):
        branch = _relu(branch, f"{name}_sep{number}")
        branch = _sep_bn(branch, filters, f"{name}_sep{number}")
    return layers.Add(name=f"{name}_add")([x, _relu(branch, f"{name}_end")])


def _exit_flow(x: keras.KerasTensor, width: float) -> keras.KerasTensor:
    middle, wide, wider, widest = (scale_channels(c, width) for c in _EXIT_FILTERS)
    branch = _sep_pair(_relu(x, "exit_sep1"), middle, wide, "exit")
    skip = _conv_bn(x, wide, 1, "exit_skip", strides=2)
    x = layers.Add(name="exit_add")([skip, branch])
    x = _sep_bn(x, wider, "exit_sep3")
    return _sep_bn(_relu(x, "exit_sep4"), widest, "exit_sep4")


def _sep_pair(x: keras.KerasTensor, first: int, second: int, name: str) -> keras.KerasTensor:
    x = _sep_bn(x, first, f"{name}_sep1")
    x = _sep_bn(_relu(x, f"{name}_sep2"), second, f"{name}_sep2")
    return layers.MaxPooling2D(3, strides=2, padding="same", name=f"{name}_pool")(x)


def _conv_bn(
    x: keras.KerasTensor, filters: int, kernel_size: int, name: str, strides: int = 1
) -> keras.KerasTensor:
    x = layers.Conv2D(
        filters, kernel_size, strides=strides, padding="same", use_bias=False, name=name
    )(x)
    return layers.BatchNormalization(name=f"{name}_bn")(x)


def _sep_bn(x: keras.KerasTensor, filters: int, name: str) -> keras.KerasTensor:
    x = layers.SeparableConv2D(filters, 3, padding="same", use_bias=False, name=name)(x)
    return layers.BatchNormalization(name=f"{name}_bn")(x)


def _relu(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    return layers.ReLU(name=f"{name}_relu")(x)
