"""How well files' masks fit given ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgecnn.datasets.arrays import LABELS, ArraySet
from edgecnn.datasets.masks import IGNORED, MaskSet
from edgecnn.errors import InputError
from edgecnn.evaluating.choosing import map_output
from edgecnn.evaluating.judging import BASE, Masks
from edgecnn.evaluating.records import ClassOverlap, EvaluateReport, Segmentation
from edgecnn.evaluating.running import input_size, of_run
from edgecnn.evaluating.texts import read_labels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edgecnn.evaluating.judging import PixelCounts
    from edgecnn.evaluating.running import Runner
    from edgecnn.evaluating.subjects import Subject


_RANK = 3  # of masks: samples, rows, columns


@dataclass(frozen=True, eq=False)
class Overlaps:
    """How two sets of masks overlap.

    Attributes:
        shared: pixels of each class that both have, int64 (classes,).
        truth: pixels of each class in the first.
        answer: in the second.
        ignored: pixels of the first that have no class.
        unseen: pixels of a class that the second does not cover.
    """

    shared: NDArray[np.int64]
    truth: NDArray[np.int64]
    answer: NDArray[np.int64]
    ignored: int
    unseen: int

    @property
    def iou(self) -> NDArray[np.float64]:
        """Of each class; NaN for one that neither has."""
        union = self.truth + self.answer - self.shared
        result: NDArray[np.float64] = np.divide(
            self.shared, union, out=np.full(len(union), np.nan), where=union > 0
        )
        return result

    @property
    def miou(self) -> float:
        """Mean of the classes that either has."""
        return float(np.nanmean(self.iou))

    @property
    def accuracy(self) -> float:
        """Share of pixels of the same class."""
        return float(self.shared.sum() / self.truth.sum())


def overlaps(counts: Sequence[PixelCounts | None], classes: int | None) -> Overlaps:
    """Sum up all samples.

    Args:
        counts: of each sample; None for one that does not count.
        classes: that there are at least; None where nobody knows.

    Raises:
        InputError: not one pixel counts.
    """
    good = [count for count in counts if count is not None]
    codes = np.concatenate([count.pairs for count in good])
    if not len(codes):
        raise InputError("Not one pixel of the masks has a class.", hint="255 is no class.")
    amounts = np.concatenate([count.counts for count in good])
    truth, answer = codes // BASE, codes % BASE
    size = max(classes or 0, int(truth.max()) + 1, int(answer.max()) + 1)
    same = truth == answer
    return Overlaps(
        _summed(truth[same], amounts[same], size),
        _summed(truth, amounts, size),
        _summed(answer, amounts, size),
        sum(count.ignored for count in good),
        sum(count.unseen for count in good),
    )


def _summed(classes: NDArray[np.int64], amounts: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """Pixels of each class; exact, whatever the order."""
    total = np.zeros(size, np.int64)
    np.add.at(total, classes, amounts)
    return total


def evaluate(
    subjects: Sequence[Subject], data: MaskSet | ArraySet, runner: Runner
) -> EvaluateReport:
    """Measure every file on masks.

    Raises:
        InputError: a file gives no masks, or classes that the masks do not have.
    """
    done = tuple(_evaluate(subject, data, runner) for subject in subjects)
    samples = data.pictures if isinstance(data, MaskSet) else data
    notes = samples.notes + _note_of_unseen(max(segmentation.unseen for segmentation in done))
    return EvaluateReport(task="segment", segmentations=done, notes=notes)


def _note_of_unseen(share: float) -> tuple[str, ...]:
    if not share:
        return ()
    note = (
        f"{100 * share:.1f}% of the masks' pixels were cropped away and do not count; --fit stretch"
        " or letterbox shows the network whole pictures."
    )
    return (note,)


def _evaluate(subject: Subject, data: MaskSet | ArraySet, runner: Runner) -> Segmentation:
    samples = data.pictures if isinstance(data, MaskSet) else data
    opened = runner.open(subject, samples)
    size = input_size(opened, samples)
    choice = map_output(subject.file, opened.signature, runner.options.output, size)
    if isinstance(data, MaskSet):
        judge = Masks(choice, size, data.masks, on_pictures=True, names=data.masks.names)
    else:
        truth = ArrayMasks(_array_masks(data))
        names = tuple(f"of sample {place}" for place in range(data.count))
        judge = Masks(choice, size, truth, on_pictures=False, names=names)
    answers = runner.run(opened, samples, judge)
    sums = overlaps(answers.results, choice.classes)
    _check_binary(sums)
    names = () if runner.options.labels is None else read_labels(runner.options.labels)
    total = int(sums.truth.sum())
    return Segmentation(
        **of_run(opened, samples, answers),
        miou=sums.miou,
        pixel_accuracy=sums.accuracy,
        pixels=total,
        unseen=sums.unseen / (total + sums.unseen),
        classes=tuple(
            ClassOverlap(
                names[k] if k < len(names) else f"class {k}",
                int(sums.truth[k]),
                None if np.isnan(iou) else float(iou),
            )
            for k, iou in enumerate(sums.iou)
        ),
    )


@dataclass(frozen=True, eq=False)
class ArrayMasks:
    """Masks of an array (samples, height, width)."""

    values: NDArray[np.int64]

    def take(self, places: NDArray[np.int64]) -> ArrayMasks:
        """These of them, in this order."""
        return ArrayMasks(self.values[places])

    def read(self, place: int) -> NDArray[np.int64]:
        """The class of each pixel."""
        mask: NDArray[np.int64] = self.values[place]
        return mask


def _array_masks(data: ArraySet) -> NDArray[np.int64]:
    labels = data.labels
    if labels is None or labels.ndim != _RANK or labels.min() < 0:
        shape = "missing" if labels is None else f"{labels.shape}"
        raise InputError(
            f"{data.source}: its {LABELS} are {shape}; masks are (N, height, width) of classes.",
            hint="As large as the network's map; 255 is no class.",
        )
    return labels


def _check_binary(sums: Overlaps) -> None:
    """255 is how many tools write "yes", and here it is no class."""
    if sums.ignored and int((sums.truth > 0).sum()) == 1 and sums.truth[0]:
        raise InputError(
            f"The masks hold class 0 and {IGNORED} alone, and {IGNORED} is no class: only"
            " background would count.",
            hint=f"Write the class as 1, not as {IGNORED}: (mask > 0).astype('uint8').",
        )
