"""Train the zoo's vgg and xception-mini briefly on Fashion-MNIST, once, for compare_fidelity.py.

Ten minutes or so on two cores; the results are kept in the user's cache folder.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from compare.reference_images import clothes_split
from compare.zoo_networks import build_network

from edgecnn.calibration.fashion_mnist import CLASSES

NETWORKS = ("vgg", "xception-mini")
TRAINING_SAMPLES = 16_000
EPOCHS = 3
BATCH_SIZE = 64
TEST_SAMPLES = 2_000
SEED = 0
# Part of the file's name: weights trained otherwise are other weights.
_RECIPE = f"fashion-mnist-{TRAINING_SAMPLES}x{EPOCHS}-seed{SEED}"


def cache_folder() -> Path:
    """Return the folder trained networks are kept in, outside of any checkout."""
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "edgecnn-tools"


def trained(name: str, folder: Path | None = None) -> Path:
    """Return the trained network's .keras file; train it first where it is missing.

    Raises:
        InputError: Fashion-MNIST is not installed, or the zoo has no such network.
    """
    path = (folder or cache_folder()) / f"{name}-{_RECIPE}.keras"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        _train(name, path)
    return path


def _train(name: str, path: Path) -> None:
    import keras

    keras.utils.set_random_seed(SEED)
    model = build_network(name, classes=CLASSES)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    images, labels = clothes_split("train", TRAINING_SAMPLES)
    model.fit(images, labels, batch_size=BATCH_SIZE, epochs=EPOCHS, verbose=2)
    images, labels = clothes_split("test", TEST_SAMPLES)
    _loss, accuracy = model.evaluate(images, labels, verbose=0)
    partial = path.with_name(f".{os.getpid()}-{path.name}")
    model.save(partial)
    partial.replace(path)
    print(f"{name}: test accuracy {accuracy:.4f} on {TEST_SAMPLES} images, {path}")


def main() -> None:
    """Train both networks where they are not in the cache, and print where they lie."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--folder", type=Path, help="instead of the user's cache folder")
    options = parser.parse_args()
    for name in NETWORKS:
        print(trained(name, options.folder))


if __name__ == "__main__":
    main()
