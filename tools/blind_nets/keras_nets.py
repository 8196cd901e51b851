"""Keras networks: what MLPerf Tiny, TFLM's examples and papers on small devices are made of."""

from __future__ import annotations

import keras
from keras import layers

from blind_nets.blocks import (
    Tensor,
    classes,
    conv,
    depthwise,
    excite,
    image,
    inverted,
    model,
    residual,
    separable,
)


def lenet() -> keras.Model:
    """LeNet-5 for 28x28."""
    x = start = image(28, channels=1)
    x = layers.AveragePooling2D(2)(layers.Conv2D(6, 5, padding="same", activation="tanh")(x))
    x = layers.AveragePooling2D(2)(layers.Conv2D(16, 5, activation="tanh")(x))
    x = layers.Dense(120, activation="tanh")(layers.Flatten()(x))
    return model(start, layers.Dense(10, activation="softmax")(layers.Dense(84, "tanh")(x)))


def keyword_spotting() -> keras.Model:
    """MLPerf Tiny's DS-CNN: 49 frames of 10 coefficients, 12 words."""
    x = start = image(49, 10, 1)
    x = layers.Dropout(0.2)(conv(x, 64, (10, 4), stride=2))
    for _ in range(4):
        x = separable(x, 64)
    x = layers.AveragePooling2D((25, 5))(layers.Dropout(0.4)(x))
    return model(start, layers.Dense(12, activation="softmax")(layers.Flatten()(x)))


def resnet8() -> keras.Model:
    """MLPerf Tiny's image classification, 32x32."""
    x = start = image(32)
    x = residual(residual(residual(conv(x, 16), 16), 32, 2), 64, 2)
    x = layers.Flatten()(layers.AveragePooling2D(8)(x))
    return model(start, layers.Dense(10, activation="softmax")(x))


def visual_wake_words() -> keras.Model:
    """MLPerf Tiny's MobileNet v1, width 0.25, 96x96."""
    x = start = image(96)
    x = conv(x, 8, stride=2)
    for filters, stride in (
        (16, 1), (32, 2), (32, 1), (64, 2), (64, 1), (128, 2), *[(128, 1)] * 5, (256, 2), (256, 1)
    ):  # fmt: skip
        x = separable(x, filters, stride)
    return model(start, classes(x, 2))


def anomaly_autoencoder() -> keras.Model:
    """MLPerf Tiny's anomaly detection: 640 numbers through a bottleneck of 8."""
    x = start = keras.Input((640,), name="frames")
    for units in (128, 128, 128, 128, 8, 128, 128, 128, 128):
        x = layers.ReLU()(layers.BatchNormalization()(layers.Dense(units)(x)))
    return model(start, layers.Dense(640)(x))


def mobilenet_v2() -> keras.Model:
    """Keras's own, width 0.35, 96x96."""
    return keras.applications.MobileNetV2((96, 96, 3), alpha=0.35, weights=None, classes=10)


def mobilenet_v3() -> keras.Model:
    """Keras's own small one, width 0.5, 64x64, with hard swish and squeeze-excite."""
    return keras.applications.MobileNetV3Small(
        (64, 64, 3), alpha=0.5, weights=None, classes=10, include_preprocessing=False
    )


def efficientnet_pieces() -> keras.Model:
    """A stem and six of EfficientNet's blocks, SiLU and squeeze-excite."""
    x = start = image(64)
    x = conv(x, 16, stride=2, act="silu")
    for filters, stride in ((16, 1), (24, 2), (24, 1), (40, 2), (40, 1), (80, 2)):
        x = inverted(x, filters, stride=stride, act="silu", excited=True)
    return model(start, classes(conv(x, 160, 1, act="silu"), 10))


def nasnet_cells() -> keras.Model:
    """Two cells in NASNet's manner: five pairs of branches, joined."""

    def cell(x: Tensor, before: Tensor, filters: int, stride: int) -> Tensor:
        sides = [
            separable(x, filters, stride),
            separable(before, filters, stride),
            layers.AveragePooling2D(3, stride, padding="same")(conv(x, filters, 1)),
            layers.MaxPooling2D(3, stride, padding="same")(conv(before, filters, 1)),
        ]
        sums = [layers.Add()([sides[0], sides[1]]), layers.Add()([sides[2], sides[3]])]
        sums.append(layers.Add()([separable(sums[0], filters), sums[1]]))
        return layers.Concatenate()([*sums, sides[1]])

    start = image(48)
    stem = conv(start, 16, stride=2)
    first = cell(stem, stem, 16, 2)
    second = cell(first, first, 24, 2)
    return model(start, classes(layers.ReLU()(second), 10))


def small_unet() -> keras.Model:
    """A U-Net of three depths with transposed convolutions."""
    x = start = image(64)
    skips = []
    for filters in (8, 16, 32):
        x = conv(conv(x, filters), filters)
        skips.append(x)
        x = layers.MaxPooling2D()(x)
    x = conv(x, 48)
    for skip in reversed(skips):
        x = layers.Conv2DTranspose(skip.shape[-1], 2, 2, activation="relu")(x)
        x = conv(layers.Concatenate()([x, skip]), skip.shape[-1])
    return model(start, layers.Conv2D(1, 1, activation="sigmoid")(x))


def two_inputs() -> keras.Model:
    """A picture and twelve readings."""
    start, readings = image(40), keras.Input((12,), name="readings")
    x = layers.GlobalAveragePooling2D()(separable(separable(conv(start, 12, stride=2), 24, 2), 48))
    y = layers.Dense(24, activation="relu")(layers.Dense(24, activation="relu")(readings))
    x = layers.Dense(32, activation="relu")(layers.Concatenate()([x, y]))
    return model([start, readings], layers.Dense(6, activation="softmax")(x))


def two_outputs() -> keras.Model:
    """What it is, and where: classes and a box."""
    x = start = image(56)
    for filters in (12, 24, 48, 64):
        x = separable(conv(x, filters, stride=2), filters)
    flat = layers.Flatten()(x)
    return model(start, [
        layers.Dense(5, activation="softmax", name="kind")(flat),
        layers.Dense(4, activation="sigmoid", name="box")(layers.Dense(24, "relu")(flat)),
    ])  # fmt: skip


def centroids() -> keras.Model:
    """FOMO's manner: an eighth of the resolution, a class for each cell."""
    x = start = image(96)
    x = conv(x, 16, stride=2, act="relu6")
    for filters, stride in ((8, 1), (16, 2), (16, 1), (24, 2), (24, 1)):
        x = inverted(x, filters, stride=stride)
    x = layers.Conv2D(32, 1, activation="relu")(x)
    return model(start, layers.Softmax()(layers.Conv2D(3, 1)(x)))


def decoder() -> keras.Model:
    """Enlarges a picture three times over, by transposed convolutions."""
    x = start = image(16, channels=3)
    for filters in (24, 16, 8):
        x = layers.Conv2DTranspose(filters, 3, 2, padding="same", activation="relu")(x)
    return model(start, layers.Conv2D(3, 3, padding="same", activation="tanh")(x))


def raw_audio() -> keras.Model:
    """M5 for sound as it is: convolutions along time, no recurrence."""
    x = start = keras.Input((2000, 1), name="sound")
    for filters, kernel, stride in ((16, 40, 4), (16, 3, 1), (32, 3, 1), (64, 3, 1)):
        x = layers.Conv1D(filters, kernel, stride, padding="same", use_bias=False)(x)
        x = layers.MaxPooling1D(4)(layers.ReLU()(layers.BatchNormalization()(x)))
    return model(start, layers.Dense(8, activation="softmax")(layers.GlobalAveragePooling1D()(x)))


def depthwise_only() -> keras.Model:
    """Depthwise convolutions with a channel multiplier, nothing pointwise before the end."""
    x = start = image(48)
    for multiplier, stride in ((4, 2), (2, 2), (2, 1), (1, 2)):
        x = layers.DepthwiseConv2D(
            3, stride, padding="same", depth_multiplier=multiplier, activation="relu"
        )(x)
    return model(start, layers.Dense(4)(layers.Flatten()(layers.MaxPooling2D()(x))))


def squeeze_excite() -> keras.Model:
    """Residual blocks with gates and hard swish."""
    x = start = image(40)
    x = conv(x, 16, stride=2, act="hard_silu")
    for filters, stride in ((16, 1), (32, 2), (32, 1)):
        x = layers.Add()([excite(conv(x, filters, stride=stride, act="hard_silu")),
                          layers.Conv2D(filters, 1, stride)(x)])  # fmt: skip
    return model(start, classes(x, 7))


def shuffle_net() -> keras.Model:
    """Halves, and channels that change places."""

    def shuffled(x: Tensor) -> Tensor:
        height, width, channels = x.shape[1:]
        x = layers.Reshape((height, width, 2, channels // 2))(x)
        return layers.Reshape((height, width, channels))(layers.Permute((1, 2, 4, 3))(x))

    x = start = image(48)
    x = layers.MaxPooling2D(3, 2, padding="same")(conv(x, 16, stride=2))
    for filters in (24, 48):
        left = conv(depthwise(x, stride=2, act=""), filters, 1)
        right = conv(depthwise(conv(x, filters, 1), stride=2, act=""), filters, 1)
        x = shuffled(layers.Concatenate()([left, right]))
    return model(start, classes(conv(x, 96, 1), 10))


def fire_modules() -> keras.Model:
    """SqueezeNet's modules, a convolution as the classifier."""
    x = start = image(64)
    x = layers.MaxPooling2D()(layers.Conv2D(24, 3, 2, padding="same", activation="relu")(x))
    for squeeze, expand in ((8, 24), (8, 24), (16, 48)):
        x = layers.Conv2D(squeeze, 1, activation="relu")(x)
        x = layers.Concatenate()([
            layers.Conv2D(expand, 1, activation="relu")(x),
            layers.Conv2D(expand, 3, padding="same", activation="relu")(x),
        ])  # fmt: skip
    x = layers.Conv2D(10, 1, activation="relu")(x)
    return model(start, layers.Softmax()(layers.GlobalAveragePooling2D()(x)))


def two_scales() -> keras.Model:
    """A detector: boxes and scores of two scales, each joined to one tensor."""
    x = start = image(64)
    fine = separable(separable(conv(x, 16, stride=2), 32, 2), 48, 2)
    coarse = separable(fine, 64, 2)
    boxes = [layers.Reshape((-1, 4))(layers.Conv2D(12, 3, padding="same")(y))
             for y in (fine, coarse)]  # fmt: skip
    scores = [layers.Reshape((-1, 3))(layers.Conv2D(9, 3, padding="same")(y))
              for y in (fine, coarse)]  # fmt: skip
    return model(start, [
        layers.Concatenate(axis=1, name="boxes")(boxes),
        layers.Activation("sigmoid", name="scores")(layers.Concatenate(axis=1)(scores)),
    ])  # fmt: skip


def temporal_net() -> keras.Model:
    """A TCN: dilated causal convolutions with skips."""
    x = start = keras.Input((128, 6), name="sensors")
    x = layers.Conv1D(24, 1)(x)
    for dilation in (1, 2, 4):
        branch = layers.Conv1D(24, 3, padding="causal", dilation_rate=dilation)(x)
        x = layers.Add()([x, layers.Conv1D(24, 1)(layers.ReLU()(branch))])
    return model(start, layers.Dense(5, activation="softmax")(layers.GlobalMaxPooling1D()(x)))


def gestures() -> keras.Model:
    """TFLM's magic wand: 128 readings of three axes as a picture."""
    x = start = keras.Input((128, 3, 1), name="axes")
    x = layers.MaxPooling2D((3, 3))(layers.Conv2D(8, (4, 3), padding="same", activation="relu")(x))
    x = layers.Conv2D(16, (4, 1), padding="same", activation="relu")(x)
    x = layers.Flatten()(layers.MaxPooling2D((3, 1), padding="same")(x))
    return model(start, layers.Dense(4, activation="softmax")(layers.Dense(16, "relu")(x)))


def pyramid() -> keras.Model:
    """A feature pyramid: coarse maps enlarged and added to fine ones, a mask at the end."""
    x = start = image(64)
    fine = conv(conv(x, 16, stride=2), 24, stride=2)
    middle = conv(fine, 32, stride=2)
    coarse = conv(middle, 48, stride=2)
    x = layers.UpSampling2D(interpolation="bilinear")(conv(coarse, 24, 1))
    x = layers.Add()([x, conv(middle, 24, 1)])
    x = layers.Add()([layers.UpSampling2D(interpolation="bilinear")(x), conv(fine, 24, 1)])
    return model(start, layers.Conv2D(4, 1)(layers.UpSampling2D(interpolation="bilinear")(x)))


def leaky_detector() -> keras.Model:
    """Tiny YOLO's body: LeakyReLU and maxima, a grid of numbers."""
    x = start = image(80)
    for filters in (8, 16, 32, 64):
        x = layers.LeakyReLU(negative_slope=0.1)(conv(x, filters, act=""))
        x = layers.MaxPooling2D()(x)
    return model(start, layers.Conv2D(18, 1)(layers.LeakyReLU(negative_slope=0.1)(conv(x, 64))))


def small_densenet() -> keras.Model:
    """DenseNet's order: normalization first, every layer joined to all before."""

    def layer(x: Tensor) -> Tensor:
        y = layers.Conv2D(8, 3, padding="same")(layers.ReLU()(layers.BatchNormalization()(x)))
        return layers.Concatenate()([x, y])

    x = start = image(32)
    x = layers.Conv2D(16, 3, padding="same")(x)
    for block in range(2):
        for _ in range(4):
            x = layer(x)
        if not block:
            x = layers.AveragePooling2D(2)(layers.Conv2D(24, 1)(x))
    return model(start, classes(layers.ReLU()(layers.BatchNormalization()(x)), 10))


def gates_of_places() -> keras.Model:
    """CBAM's spatial attention: mean and maximum of the channels weigh the places."""
    x = start = image(48)
    x = conv(conv(x, 16, stride=2), 32, stride=2)
    mean = keras.ops.mean(x, axis=-1, keepdims=True)
    most = keras.ops.max(x, axis=-1, keepdims=True)
    gate = layers.Conv2D(1, 7, padding="same", activation="sigmoid")(
        layers.Concatenate()([mean, most])
    )
    return model(start, classes(conv(layers.Multiply()([x, gate]), 48, stride=2), 10))


def mixer_with_gelu() -> keras.Model:
    """ConvMixer: GELU, which TFLM has not."""
    x = start = image(32)
    x = layers.Conv2D(24, 4, 4, activation="gelu")(x)
    for _ in range(2):
        y = layers.DepthwiseConv2D(5, padding="same", activation="gelu")(x)
        x = layers.Conv2D(24, 1, activation="gelu")(layers.Add()([x, y]))
    return model(start, classes(x, 10))
