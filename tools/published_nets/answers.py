"""What the builders of published Keras networks share: the command line, and their answers."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn.calibration.preprocessing import preprocess

if TYPE_CHECKING:
    from edgecnn.records import Preprocessing


def arguments(description: str | None) -> argparse.Namespace:
    """FOLDER, which holds the package in FOLDER/site, and photographs to name with --check."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--check", type=Path, nargs="*", default=[], help="photographs to name")
    return parser.parse_args()


def print_answers(
    model: Any,  # noqa: ANN401 - a keras.Model
    files: list[Path],
    preprocessing: Preprocessing,
) -> None:
    """Print the three best ImageNet classes of each photograph's central square."""
    from PIL import Image, ImageOps

    for file in files:
        size = model.input_shape[1:3]
        picture = ImageOps.fit(Image.open(file).convert("RGB"), size, Image.Resampling.BICUBIC)
        fed = preprocess(np.asarray(picture, np.uint8), preprocessing)
        probabilities = model.predict(fed[None], verbose=0)[0]
        best = np.argsort(-probabilities)[:3]
        print(file.name, " ".join(f"{k}:{probabilities[k]:.2f}" for k in best))
