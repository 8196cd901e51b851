"""What a user may ask of an export, and what comes back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from edgecnn.errors import EdgeCnnError
    from edgecnn.records import Manifest, OutputKind, Preprocessing


@dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """Everything but the model.

    Attributes:
        recipes: names of `edgecnn.recipes.RECIPES`.
        formats: "tflite", "onnx" or both.
        weights: "random", "imagenet" or a file; None for the model's own default.
        classes: size of the output; None for the model's own.
        input_size: height and width, pixels, or one number for both; likewise.
        input_shapes: by input name, or under "" for the only input: sizes that the model leaves
            open.
        width: width multiplier, where the model has one.
        convolution: "normal" for the twin of a network with depthwise convolutions.
        seed: of random weights and of every sample that is drawn.
        io: dtype of the .tflite's ends under the int8 recipe; None for int8.
        calibration: a folder of images, an .npz, "fashion-mnist"; None for the photographs that
            scikit-image ships.
        calibration_samples: images to calibrate on.
        calibration_method: auto, minmax, percentile or mse.
        min_snr_db: what the int8 .tflite's logits must have, SNR in dB on images calibration does
            not see; as few layers as that takes stay float32. None: none does.
        preprocessing: how images become the model's input; None for the model's own.
        outputs: by output name, or under "" for all that the graph says nothing of:
            "probabilities", "logits" or "values".
        strict: refuse a quantized file in which operators stay float.
        out: folder that gets one folder for each recipe; None for artifacts/<model>.
        threads: for calibrating and comparing; None for all cores.
    """

    recipes: tuple[str, ...] = ("int8",)
    formats: tuple[str, ...] = ("tflite", "onnx")
    weights: str | None = None
    classes: int | None = None
    input_size: int | tuple[int, int] | None = None
    input_shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    width: float | None = None
    convolution: str | None = None
    seed: int = 0
    io: str | None = None
    calibration: str | None = None
    calibration_samples: int = 100
    calibration_method: str = "auto"
    min_snr_db: float | None = None
    preprocessing: Preprocessing | None = None
    outputs: Mapping[str, OutputKind] = field(default_factory=dict)
    strict: bool = False
    out: Path | None = None
    threads: int | None = None


@dataclass(frozen=True)
class Artifact:
    """One folder that was written: model files, manifest.json and reference.npz."""

    folder: Path
    manifest: Manifest


@dataclass(frozen=True)
class MixedPrecision:
    """What `min_snr_db` took.

    Attributes:
        min_snr_db: what was asked for.
        layers: names of the layers kept in float32, in order; () where none was needed.
        of_layers: how many there are to choose from; 0 where none was needed.
        snr_before_db: of the logits of the plain int8 file, on images calibration did not see.
        snr_after_db: of the file that was written, on the same images.
        samples: how many images those are.
        chosen_on: how many calibration images the layers were chosen on.
        size_before_bytes: of the plain int8 file.
        size_after_bytes: of the file that was written.
        latency_before_ms: median of one inference on one thread of this machine, both files in
            turns; None where no layer was kept.
        latency_after_ms: likewise.
    """

    min_snr_db: float
    layers: tuple[str, ...]
    of_layers: int
    snr_before_db: float
    snr_after_db: float
    samples: int
    chosen_on: int
    size_before_bytes: int
    size_after_bytes: int
    latency_before_ms: float | None = None
    latency_after_ms: float | None = None


@dataclass(frozen=True)
class Refusal:
    """A file that was asked for and cannot be had.

    Attributes:
        recipe: of the file.
        format: likewise.
        error: why, and what to do.
    """

    recipe: str
    format: str
    error: EdgeCnnError


@dataclass(frozen=True)
class ExportResult:
    """What an export wrote.

    Attributes:
        artifacts: one for each recipe, in the order asked for.
        warnings: sentences the user should read.
        float32_size_bytes: size of the float file by format, what the others are compared with.
        mixed: what `min_snr_db` took; None where it was not asked for.
        refused: files that were asked for and cannot be had; the others were written.
    """

    artifacts: tuple[Artifact, ...]
    warnings: tuple[str, ...]
    float32_size_bytes: dict[str, int]
    mixed: MixedPrecision | None = None
    refused: tuple[Refusal, ...] = ()
