"""Commands that fix what a diagnosis found, complete enough to be pasted."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgecnn.calibration import fashion_mnist, photographs

if TYPE_CHECKING:
    from edgecnn.records import Preprocessing

_PIXELS = 255.0
_DIGITS = 10
_MORE_SAMPLES = 4


@dataclass(frozen=True)
class Context:
    """What commands are made of.

    Attributes:
        folder: the artifact's folder, or the file that was diagnosed.
        float_file: the float file; an export starts from it, which needs no TensorFlow.
        preprocessing: how pixels become inputs.
        data: the user's --data; None where the reference's samples were used.
        calibration: what the manifest says it was calibrated on; "" where it is not known.
        calibration_samples: likewise; 0 where it is not known.
        pixel_high: largest pixel of the samples; None where they are arrays fed as they are.
        origin: what an export fed arrays starts from: the float file, or where that has its inputs
             in another layout than the source model a file that has not.
        reference: an artifact's reference.npz, where it can stand in for samples that are not at
            hand; else None.
        takes_pictures: whether the artifact was compared on pictures.
        recorded: whether there is a manifest.
        is_tflite: whether the file is a .tflite, and not an .onnx.
    """

    folder: Path
    float_file: Path
    preprocessing: Preprocessing
    data: str | None
    calibration: str
    calibration_samples: int
    pixel_high: float | None
    origin: Path
    reference: Path | None
    takes_pictures: bool
    recorded: bool
    is_tflite: bool = True

    def export(self, recipe: str = "int8", *, more: str = "") -> str:
        """Export the float file again, beside the artifact.

        Args:
            recipe: of `edgecnn.recipes.RECIPES`.
            more: further options.
        """
        source = self._source()
        arrays = source is not None and source.lower().endswith(".npz")
        start = self.origin if arrays else self.float_file
        parts = ["edgecnn export", shlex.quote(str(start)), f"--{recipe}"]
        if not (self.is_tflite and start.suffix == ".tflite"):
            parts.append(f"--format {'tflite' if self.is_tflite else 'onnx'}")
        if source is not None:
            parts.append(f"--calibration {shlex.quote(source)}")
        if not arrays:
            parts.append(scaling(self.preprocessing))
        if more:
            parts.append(more)
        base = self.folder if self.folder.is_dir() else self.folder.parent / "x"
        return " ".join([*parts, f"--out {shlex.quote(str(base.parent / 'diagnosed'))}"])

    def export_on_more(self) -> str:
        """Calibrate on the user's samples, else on more of those it was calibrated on."""
        if self.data is not None:
            return self.export()
        samples = max(_MORE_SAMPLES * self.calibration_samples, 100)
        return self.export(more=f"--calibration-samples {samples} --calibration-method minmax")

    def export_wider(self) -> str:
        """Store what 8 bits are too few for in 16: an .onnx in floats, as it has no int16x8."""
        return self.export("int16x8" if self.is_tflite else "float16")

    def diagnose(self) -> str:
        """Diagnose again, on the samples that the artifact was made with, where it has any."""
        if not self.recorded:
            return self.export()
        against = f"--against {shlex.quote(str(self.float_file))}"
        chosen = "" if self.is_tflite or not self.folder.is_dir() else " --format onnx"
        return f"edgecnn diagnose {shlex.quote(str(self.folder))}{chosen} {against}"

    def _source(self) -> str | None:
        """The user's data; else what the artifact was calibrated on, where that is at hand.

        A manifest keeps a folder's or file's name and not its path. Where there is none of that
        name, photographs stand in for pictures, and the artifact's reference for arrays.
        """
        if self.data is not None:
            return self.data
        if self.calibration == fashion_mnist.SOURCE:
            return self.calibration
        if self.calibration not in {"", photographs.SOURCE} and Path(self.calibration).exists():
            return self.calibration
        if self.takes_pictures:
            return None
        return (self.calibration or None) if self.reference is None else str(self.reference)


def scaling(preprocessing: Preprocessing) -> str:
    """The options that say how pixels are scaled.

    >>> from edgecnn.records import Preprocessing
    >>> scaling(Preprocessing()), scaling(Preprocessing.from_range(-1, 1))
    ('--input-range 0,1', '--input-range=-1,1')
    """
    mean, std = preprocessing.mean, preprocessing.std
    order = "" if preprocessing.channel_order == "RGB" else " --channel-order BGR"
    if len(mean) == len(std) == 1:
        low, high = -mean[0] / std[0], (_PIXELS - mean[0]) / std[0]
        text = f"{_number(low)},{_number(high)}"
        return f"--input-range{'=' if text.startswith('-') else ' '}{text}{order}"
    return f"--mean={_numbers(mean)} --std={_numbers(std)}{order}"


def _numbers(values: tuple[float, ...]) -> str:
    return ",".join(map(_number, values))


def _number(value: float) -> str:
    return f"{round(value, _DIGITS) + 0.0:.10g}"
