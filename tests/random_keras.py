"""Random small Keras networks: layers in random order, then some heads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Callable

    Draw = Callable[[Any], Any]
    Tensor = Any  # Keras has no types

layers, ops = keras.layers, keras.ops

_SIDES, _WIDTHS = st.sampled_from((8, 12, 16)), st.sampled_from((4, 6, 8))
_PADDING = st.sampled_from(("same", "valid"))
_ACTIVATIONS = st.sampled_from((None, "relu", "relu6", "silu", "tanh", "sigmoid", "hard_swish",
                                "elu", "gelu", "softplus", "leaky_relu"))  # fmt: skip
_SMALLEST = 4


def _side(x: Tensor) -> int:
    return int(min(x.shape[1:3]))


def _conv(draw: Draw, x: Tensor) -> Tensor:
    stride = draw(st.sampled_from((1, 2))) if _side(x) > _SMALLEST else 1
    groups = draw(st.sampled_from((1, 1, 2))) if x.shape[-1] % 2 == 0 else 1
    dilation = draw(st.sampled_from((1, 2))) if stride == groups == 1 else 1
    padding = draw(_PADDING) if _side(x) > 2 * _SMALLEST else "same"
    return layers.Conv2D(
        draw(_WIDTHS), draw(st.sampled_from((1, 2, 3))), strides=stride, padding=padding,
        dilation_rate=dilation, groups=groups, use_bias=draw(st.booleans()),
        activation=draw(_ACTIVATIONS),
    )(x)  # fmt: skip


def _depthwise(draw: Draw, x: Tensor) -> Tensor:
    multiplier = draw(st.sampled_from((1, 2)))
    return layers.DepthwiseConv2D(3, padding="same", depth_multiplier=multiplier)(x)


def _separable(draw: Draw, x: Tensor) -> Tensor:
    return layers.SeparableConv2D(draw(_WIDTHS), 3, padding="same", activation="relu")(x)


def _transposed(draw: Draw, x: Tensor) -> Tensor:
    if _side(x) > 2 * _SMALLEST:
        return x
    kernel = draw(st.sampled_from((2, 3)))
    return layers.Conv2DTranspose(draw(_WIDTHS), kernel, strides=2, padding=draw(_PADDING))(x)


def _pool(draw: Draw, x: Tensor) -> Tensor:
    if _side(x) <= _SMALLEST:
        return x
    kind = draw(st.sampled_from((layers.MaxPooling2D, layers.AveragePooling2D)))
    return kind(draw(st.sampled_from((2, 3))), strides=2, padding=draw(_PADDING))(x)


def _normalization(draw: Draw, x: Tensor) -> Tensor:
    layer = layers.BatchNormalization(scale=draw(st.booleans()))
    made = layer(x)
    random, width = np.random.default_rng(draw(st.integers(0, 99))), x.shape[-1]
    layer.moving_mean.assign(random.normal(0, 0.3, width))
    layer.moving_variance.assign(random.uniform(0.5, 2, width))
    return made


def _activation(draw: Draw, x: Tensor) -> Tensor:
    name = draw(_ACTIVATIONS)
    return layers.PReLU(shared_axes=[1, 2])(x) if name is None else layers.Activation(name)(x)


def _residual(draw: Draw, x: Tensor) -> Tensor:
    y = layers.Conv2D(x.shape[-1], 3, padding="same", activation=draw(_ACTIVATIONS))(x)
    kind = draw(st.sampled_from((layers.Add, layers.Multiply, layers.Subtract, layers.Maximum)))
    return kind()([x, y])


def _branches(draw: Draw, x: Tensor) -> Tensor:
    parts = [x, layers.Conv2D(draw(_WIDTHS), 1, activation=draw(_ACTIVATIONS))(x)]
    return layers.Concatenate()(parts if draw(st.booleans()) else parts[::-1])


def _squeeze(draw: Draw, x: Tensor) -> Tensor:
    """Channels weighed by what is pooled of them."""
    pooled = layers.GlobalAveragePooling2D(keepdims=draw(st.booleans()))(x)
    gate = layers.Reshape((1, 1, x.shape[-1]))(pooled)
    return layers.Multiply()([x, layers.Conv2D(x.shape[-1], 1, activation="sigmoid")(gate)])


def _resize(draw: Draw, x: Tensor) -> Tensor:
    if _side(x) > 2 * _SMALLEST:
        return layers.Cropping2D(((1, 0), (0, 2)))(x)
    return layers.UpSampling2D(2, interpolation=draw(st.sampled_from(("nearest", "bilinear"))))(x)


def _pad(draw: Draw, x: Tensor) -> Tensor:
    return layers.ZeroPadding2D(draw(st.sampled_from((1, ((0, 1), (2, 0))))))(x)


def _shuffle(_draw: Draw, x: Tensor) -> Tensor:
    """Channels in another order, by way of rank 5."""
    _, height, width, channels = x.shape
    if channels % 2:
        return x
    x = layers.Reshape((height, width, 2, channels // 2))(x)
    return layers.Reshape((height, width, channels))(layers.Permute((1, 2, 4, 3))(x))


_STEPS = (_conv, _conv, _depthwise, _separable, _transposed, _pool, _normalization, _activation,
          _residual, _branches, _squeeze, _resize, _pad, _shuffle)  # fmt: skip


def _map(draw: Draw, x: Tensor, name: str) -> Tensor:
    activation = draw(st.sampled_from((None, "sigmoid", "softmax")))
    return layers.Conv2D(draw(st.sampled_from((2, 3))), 1, activation=activation, name=name)(x)


def _classes(draw: Draw, x: Tensor, name: str) -> Tensor:
    pool = draw(st.sampled_from((layers.GlobalAveragePooling2D, layers.GlobalMaxPooling2D,
                                 layers.Flatten)))  # fmt: skip
    activation = draw(st.sampled_from((None, "softmax", "sigmoid")))
    return layers.Dense(3, activation=activation, name=name)(pool()(x))


def _sequence(draw: Draw, x: Tensor, name: str) -> Tensor:
    """As detectors end: positions in a row, or channels first."""
    x = layers.Conv2D(5, 1)(x)
    x = layers.Reshape((-1, 5))(x)
    if draw(st.booleans()):
        return layers.Permute((2, 1), name=name)(x)
    return layers.Dense(2, name=name)(x)


def network(draw: Draw) -> keras.Model:
    """A network of one to three outputs, whose weights are decided by what is drawn.

    Call it in the test, with `data.draw`: Keras moves Python's random numbers on.
    """
    keras.utils.set_random_seed(draw(st.integers(0, 99)))
    shape = draw(_SIDES), draw(_SIDES), draw(st.sampled_from((1, 3, 4)))
    x = image = keras.Input(shape, name="image")
    x = layers.Conv2D(draw(_WIDTHS), 3, padding="same", activation="relu")(x)
    for step in draw(st.lists(st.sampled_from(_STEPS), min_size=1, max_size=7)):
        x = step(draw, x)
    heads = draw(st.lists(st.sampled_from((_map, _classes, _sequence)), min_size=1, max_size=3))
    outputs = [head(draw, x, f"head{3 - k}") for k, head in enumerate(heads)]
    return keras.Model(image, outputs if len(outputs) > 1 else outputs[0])


def described(model: keras.Model) -> str:
    """The layers with what decides them, for a failure's message."""
    said = []
    for layer in model.layers:
        config = layer.get_config()
        kept = {k: config[k] for k in _TELLING if k in config}
        shape = tuple(getattr(layer.output, "shape", ()))
        said.append(f"{type(layer).__name__}{kept} -> {shape}")
    return "\n".join(said)


_TELLING = ("filters", "kernel_size", "strides", "padding", "dilation_rate", "groups", "activation",
            "units", "target_shape", "dims", "interpolation", "depth_multiplier")  # fmt: skip
