"""What an evaluation found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgecnn.evaluating.options import Task


@dataclass(frozen=True)
class FileRun:
    """One file, run on one set of samples.

    Attributes:
        file: relative to the folder that was named, or as it was named.
        recipe: of the manifest; "float32" for a Keras model; else what most of the file's
            multiplications are computed in.
        format: "tflite" or "onnx"; "keras" for a Keras model, which is run as a float .tflite.
        data: the data set.
        split: "train" or "test"; "" for data without splits.
        images: samples that were evaluated.
        unusable: files that could not be used.
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
    runtime: str
    processes: int
    seconds: float

    @property
    def images_per_second(self) -> float:
        """All processes together; on a busy machine it says little."""
        return self.images / self.seconds


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
class Evaluation(FileRun):
    """How often a file names the right class.

    Attributes:
        top1: share of images whose best class is right, 0..1; a tie counts as one over the number
            of tied classes.
        low: lower end of top1's 95 % interval (Wilson).
        high: upper end.
        top5: share of images whose class is among the five best; None with five classes or fewer.
        classes: accuracy by class.
    """

    top1: float
    low: float
    high: float
    top5: float | None
    classes: tuple[ClassAccuracy, ...]


@dataclass(frozen=True)
class CategoryPrecision:
    """One category of a COCO json.

    Attributes:
        name: as the json has it.
        boxes: that are annotated, crowds left out.
        ap: average precision over overlaps of 50 to 95 %; None without boxes.
        ap50: at 50 %.
    """

    name: str
    boxes: int
    ap: float | None
    ap50: float | None


@dataclass(frozen=True)
class Detection(FileRun):
    """How well a file's boxes fit annotated ones, as COCO measures it.

    Attributes:
        map: mean average precision over overlaps of 50 to 95 %, 0..1.
        map50: at 50 %.
        map75: at 75 %.
        boxes: that are annotated, crowds left out.
        found: that the network gave, above the threshold.
        head: that read them.
        categories: precision by category.
    """

    map: float
    map50: float
    map75: float
    boxes: int
    found: int
    head: str
    categories: tuple[CategoryPrecision, ...]


@dataclass(frozen=True)
class ClassOverlap:
    """One class of masks.

    Attributes:
        name: its label, or its number.
        pixels: of this class in the masks.
        iou: pixels that mask and answer share over those that either has; None where neither has
            one.
    """

    name: str
    pixels: int
    iou: float | None


@dataclass(frozen=True)
class Segmentation(FileRun):
    """How well a file's masks fit given ones.

    Attributes:
        miou: mean of the classes' IoU, over all pixels of all images; a class that neither the
            masks nor the answers have does not count.
        pixel_accuracy: share of pixels of the right class.
        pixels: that were counted.
        unseen: share of pixels that the network did not see because pictures were cropped; they
            are not counted.
        classes: overlap by class.
    """

    miou: float
    pixel_accuracy: float
    pixels: int
    unseen: float
    classes: tuple[ClassOverlap, ...]


@dataclass(frozen=True)
class Agreement(FileRun):
    """How often a file answers as the float model does; not how often either is right.

    Attributes:
        against: the float file.
        task: what was compared.
        top1: of "classify", the share of samples with the same best class; a tie counts in part.
        low: lower end of its 95 % interval (Wilson).
        high: upper end.
        miou: of "segment", the mean IoU of the classes.
        pixels: of "segment", the share of pixels of the same class.
        map: of "detect", the mean average precision against the float model's own boxes.
        map50: at an overlap of 50 %.
        map75: at 75 %.
        boxes: of the float model.
    """

    against: str
    task: Task
    top1: float | None = None
    low: float | None = None
    high: float | None = None
    miou: float | None = None
    pixels: float | None = None
    map: float | None = None
    map50: float | None = None
    map75: float | None = None
    boxes: int | None = None


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
        evaluations: of labelled classes, in the order of the recipes' table, .tflite before .onnx.
        differences: one for each of those that has a float32 file of the same network beside it.
        warnings: sentences the user should read.
        notes: about the data.
        task: what was evaluated.
        detections: of annotated boxes, in that order.
        segmentations: of given masks.
        agreements: with the float model, where there are no labels or none were wanted.
    """

    evaluations: tuple[Evaluation, ...] = ()
    differences: tuple[Difference, ...] = ()
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    task: Task = "classify"
    detections: tuple[Detection, ...] = ()
    segmentations: tuple[Segmentation, ...] = ()
    agreements: tuple[Agreement, ...] = ()

    @property
    def runs(self) -> tuple[FileRun, ...]:
        """Every file that was run."""
        return (*self.evaluations, *self.detections, *self.segmentations, *self.agreements)
