"""MTCNN's three networks as .keras files: the weights of the package mtcnn in its own builders.

`fetch_models.py` runs it with the package on PYTHONPATH: `python mtcnn_nets.py FOLDER`. The classes
of the package are subclasses of keras.Model, whose code no file holds; called on an input, they are
a row of layers that Keras ships.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

_SIDES = {"PNet": None, "RNet": 24, "ONet": 48}
"""Height and width that each network takes, pixels; the first takes any."""


def save(name: str, side: int | None, folder: Path) -> None:
    """Build a network of the package and save it."""
    import keras

    lower = name.lower()
    network = getattr(import_module(f"mtcnn.network.{lower}"), name)()
    network.build()
    load_weights = import_module("mtcnn.utils.tensorflow").load_weights
    network.set_weights(load_weights(f"{lower}.lz4"))
    pixels = keras.Input((side, side, 3), name="pixels")
    keras.Model(pixels, network.call(pixels), name=lower).save(folder / f"{lower}.keras")


if __name__ == "__main__":
    for name, side in _SIDES.items():
        save(name, side, Path(sys.argv[1]))
