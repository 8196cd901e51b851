"""What the networks are made of."""

from __future__ import annotations

from typing import TypeAlias

import keras
from keras import layers

Tensor: TypeAlias = keras.KerasTensor


def conv(
    x: Tensor,
    filters: int,
    kernel: int | tuple[int, int] = 3,
    *,
    stride: int = 1,
    act: str = "relu",
) -> Tensor:
    """Convolution, normalization, activation; "" for none."""
    x = layers.Conv2D(filters, kernel, stride, padding="same", use_bias=False)(x)
    return activation(layers.BatchNormalization()(x), act)


def depthwise(x: Tensor, *, kernel: int = 3, stride: int = 1, act: str = "relu") -> Tensor:
    """Depthwise convolution, normalization, activation."""
    x = layers.DepthwiseConv2D(kernel, stride, padding="same", use_bias=False)(x)
    return activation(layers.BatchNormalization()(x), act)


def activation(x: Tensor, name: str) -> Tensor:
    """An activation by its Keras name."""
    if not name:
        return x
    return layers.ReLU(6.0)(x) if name == "relu6" else layers.Activation(name)(x)


def separable(x: Tensor, filters: int, stride: int = 1) -> Tensor:
    """Depthwise and pointwise."""
    return conv(depthwise(x, stride=stride), filters, 1)


def excite(x: Tensor, share: int = 4) -> Tensor:
    """Squeeze and excite."""
    channels = x.shape[-1]
    gate = layers.GlobalAveragePooling2D(keepdims=True)(x)
    gate = layers.Conv2D(max(channels // share, 4), 1, activation="relu")(gate)
    gate = layers.Conv2D(channels, 1, activation="sigmoid")(gate)
    return layers.Multiply()([x, gate])


def inverted(x: Tensor, filters: int, *, expand: int = 4, stride: int = 1, act: str = "relu6",
             excited: bool = False) -> Tensor:  # fmt: skip
    """MobileNet's inverted residual, with or without squeeze and excite."""
    wide = depthwise(conv(x, x.shape[-1] * expand, 1, act=act), stride=stride, act=act)
    wide = excite(wide) if excited else wide
    narrow = conv(wide, filters, 1, act="")
    same = stride == 1 and x.shape[-1] == filters
    return layers.Add()([x, narrow]) if same else narrow


def residual(x: Tensor, filters: int, stride: int = 1) -> Tensor:
    """ResNet's basic block."""
    branch = conv(conv(x, filters, stride=stride), filters, act="")
    skip = x if stride == 1 and x.shape[-1] == filters else layers.Conv2D(filters, 1, stride)(x)
    return layers.ReLU()(layers.Add()([branch, skip]))


def classes(x: Tensor, count: int, act: str | None = "softmax") -> Tensor:
    """Average over the plane, and a dense layer."""
    return layers.Dense(count, activation=act)(layers.GlobalAveragePooling2D()(x))


def model(inputs: Tensor | list[Tensor], outputs: Tensor | list[Tensor]) -> keras.Model:
    """The Keras model."""
    return keras.Model(inputs, outputs)


def image(height: int, width: int | None = None, channels: int = 3) -> Tensor:
    """An input for pictures."""
    return keras.Input((height, width or height, channels), name="image")
