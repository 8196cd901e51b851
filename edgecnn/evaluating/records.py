"""What an evaluation found."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ClassAccuracy:
    """One class of the data.

    Attributes:
        name: as the data has it.
        images: of this class that were evaluated.
        accuracy: share of them answered rightly, 0..1; None without images.
    """

    name: str
    images: int
    accuracy: float | None


@dataclass(frozen=True)
class Evaluation:
    """One file on one split of a data set.

    Attributes:
        file: relative to the folder that was named, or as it was named.
        recipe: of the manifest; "float32" for a Keras model; else what most of the file's
            multiplications are computed in.
        format: "tflite" or "onnx"; "keras" for a Keras model, which is run as a float .tflite.
        data: the data set.
        split: "train" or "test".
        images: how many were evaluated.
        unusable: files that could not be decoded.
        top1: share of images whose best class is right, 0..1; a tie counts as one over the number
            of tied classes.
        low: lower end of top1's 95 % interval (Wilson).
        high: upper end.
        top5: share of images whose class is among the five best; None with five classes or fewer.
        classes: accuracy by class.
        runtime: that ran the file, with its version.
        processes: that ran it at a time, one thread each.
        seconds: wall time, decoding and loading included.
    """

    file: str
    recipe: str
    format: str
    data: str
    split: str
    images: int
    unusable: int
    top1: float
    low: float
    high: float
    top5: float | None
    classes: tuple[ClassAccuracy, ...]
    runtime: str
    processes: int
    seconds: float

    @property
    def images_per_second(self) -> float:
        """All processes together; on a busy machine it says little."""
        return self.images / self.seconds


@dataclass(frozen=True)
class Difference:
    """What a recipe costs: a file against its float32 file, image by image.

    Attributes:
        file: as in `Evaluation`.
        recipe: likewise.
        against: the float32 file.
        images: that both answered.
        difference: top1 of the file less that of float32; below 0: a loss.
        low: lower end of its 95 % interval (Bonett and Price, for paired proportions).
        high: upper end.
        lost: images that float32 has right and the file wrong; a tie counts in part.
        gained: the other way round.
    """

    file: str
    recipe: str
    against: str
    images: int
    difference: float
    low: float
    high: float
    lost: float
    gained: float


@dataclass(frozen=True)
class EvaluateReport:
    """All files of what was named.

    Attributes:
        evaluations: in the order of the recipes' table, .tflite before .onnx.
        differences: one for each file that has a float32 file of the same network beside it.
        warnings: sentences the user should read.
        notes: about the data.
    """

    evaluations: tuple[Evaluation, ...]
    differences: tuple[Difference, ...]
    warnings: tuple[str, ...]
    notes: tuple[str, ...]
