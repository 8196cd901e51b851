"""What a user may ask of an export, and what comes back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from edgecnn.records import Manifest, Preprocessing


@dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """Everything but the model.

    Attributes:
        recipes: names of `edgecnn.recipes.RECIPES`.
        formats: "tflite", "onnx" or both.
        weights: "random", "imagenet" or a file; None for the model's own default.
        classes: size of the output; None for the model's own.
        input_size: height and width, pixels; likewise.
        width: width multiplier, where the model has one.
        convolution: "normal" for the twin of a network with depthwise convolutions.
        seed: of random weights and of every sample that is drawn.
        io: dtype of the .tflite's ends under the int8 recipe; None for int8.
        calibration: a folder of images, an .npz, "fashion-mnist"; None for the photographs that
            scikit-image ships.
        calibration_samples: images to calibrate on.
        calibration_method: auto, minmax, percentile or mse.
        preprocessing: how images become the model's input; None for the model's own.
        out: folder that gets one folder for each recipe; None for artifacts/<model>.
        threads: for calibrating and comparing; None for all cores.
    """

    recipes: tuple[str, ...] = ("int8",)
    formats: tuple[str, ...] = ("tflite", "onnx")
    weights: str | None = None
    classes: int | None = None
    input_size: int | None = None
    width: float | None = None
    convolution: str | None = None
    seed: int = 0
    io: str | None = None
    calibration: str | None = None
    calibration_samples: int = 100
    calibration_method: str = "auto"
    preprocessing: Preprocessing | None = None
    out: Path | None = None
    threads: int | None = None


@dataclass(frozen=True)
class Artifact:
    """One folder that was written: model files, manifest.json and reference.npz."""

    folder: Path
    manifest: Manifest


@dataclass(frozen=True)
class ExportResult:
    """What an export wrote.

    Attributes:
        artifacts: one for each recipe, in the order asked for.
        warnings: sentences the user should read.
        float32_size_bytes: size of the float file by format, what the others are compared with.
    """

    artifacts: tuple[Artifact, ...]
    warnings: tuple[str, ...]
    float32_size_bytes: dict[str, int]
