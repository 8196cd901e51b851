"""What becomes of the outputs of one sample: hits, boxes, or counts of pixels.

Judges go to child processes with their share of the samples; what they return for a sample depends
on that sample alone, so that it does not matter how many processes there are.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from edgecnn.datasets.masks import IGNORED, UnreadableMaskError
from edgecnn.errors import InputError
from edgecnn.evaluating.choosing import chosen_output
from edgecnn.evaluating.network import logits_of
from edgecnn.evaluating.scores import hit
from edgecnn.tasks import classify, detect, segment
from edgecnn.tasks.boxes import Detections

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from edgecnn.datasets.masks import MaskFiles
    from edgecnn.evaluating.choosing import Choice
    from edgecnn.tasks.outputs import Output
    from edgecnn.tasks.placing import Placement

TOP = 5
BASE = 1 << 16
"""A pixel's pair of classes is truth * BASE + answer."""


class UnusableError(Exception):
    """A sample that cannot be judged, and why, as a sentence."""


class Judge(Protocol):
    """Looks at one sample after the other."""

    def take(self, places: NDArray[np.int64]) -> Judge:
        """For the samples at these places, in this order."""

    def judge(self, place: int, outputs: Sequence[Output], placement: Placement | None) -> Any:  # noqa: ANN401 - see above
        """What becomes of the outputs of one sample.

        Args:
            place: of the sample.
            outputs: of it alone.
            placement: where its picture lies in the input; None where there is none.

        Raises:
            UnusableError: the sample is at fault.
            InputError: the network is.
            TaskError: likewise.
        """


def class_scores(outputs: Sequence[Output], choice: Choice) -> NDArray[np.float64]:
    """One number a class, in their order: logits where the output ends in a softmax.

    The softmax of an int8 file has ties that its logits have not. One number speaks for the second
    of two classes.
    """
    name = logits_of(choice.name)
    logits = next((output for output in outputs if output.name == name), None)
    output = logits or chosen_output(outputs, choice)
    values: NDArray[np.float64] = output.values.astype(np.float64).reshape(-1)
    if not np.isfinite(values).all():
        raise InputError("an answer is not finite.", hint="Look at the model's weights.")
    return classify.scores(output) if len(values) == 1 else values


@dataclass(frozen=True, eq=False)
class ClassHits:
    """Returns how far each answer is right: (top-1, top-5), 0..1; labels as the network counts."""

    choice: Choice
    labels: NDArray[np.int64]

    def take(self, places: NDArray[np.int64]) -> ClassHits:
        """See `Judge`."""
        return replace(self, labels=self.labels[places])

    def judge(
        self, place: int, outputs: Sequence[Output], placement: Placement | None
    ) -> tuple[float, float]:
        """See `Judge`."""
        del placement
        scores, label = class_scores(outputs, self.choice), int(self.labels[place])
        return hit(scores, label, 1), hit(scores, label, TOP)


@dataclass(frozen=True, eq=False)
class BestClass:
    """Returns the class of each answer; of tied ones the first."""

    choice: Choice

    def take(self, places: NDArray[np.int64]) -> BestClass:
        """See `Judge`."""
        del places
        return self

    def judge(self, place: int, outputs: Sequence[Output], placement: Placement | None) -> int:
        """See `Judge`."""
        del place, placement
        return int(class_scores(outputs, self.choice).argmax())


@dataclass(frozen=True, eq=False)
class Boxes:
    """Returns boxes, in the picture's pixels where there is a picture.

    Attributes:
        names: outputs that hold them, with the kind of each.
        size: height and width of the input.
        head: that reads them.
        anchors: for heads that need some.
        above: no box of a lower score.
        overlap: boxes that overlap more are one; None for the head's own.
        sizes: height and width that each picture must have; None where nobody says.
    """

    names: Mapping[str, str]
    size: tuple[int, int]
    head: str
    anchors: NDArray[np.float32] | None
    above: float
    overlap: float | None
    sizes: tuple[tuple[int, int] | None, ...] = ()

    def take(self, places: NDArray[np.int64]) -> Boxes:
        """See `Judge`."""
        sizes = tuple(self.sizes[place] for place in places) if self.sizes else ()
        return replace(self, sizes=sizes)

    def judge(
        self, place: int, outputs: Sequence[Output], placement: Placement | None
    ) -> Detections:
        """See `Judge`."""
        expected = self.sizes[place] if self.sizes else None
        if placement is not None and expected is not None and expected != placement.picture:
            height, width = placement.picture
            raise UnusableError(
                f"it is {width}x{height}, the annotations say {expected[1]}x{expected[0]}"
            )
        relevant = [
            replace(end, kind=self.names[end.name]) for end in outputs if end.name in self.names
        ]
        if not all(np.isfinite(output.values).all() for output in relevant):
            raise InputError("an answer is not finite.", hint="Look at the model's weights.")
        boxes = detect.detect(
            relevant,
            self.size,
            head=self.head,
            anchors=self.anchors,
            above=self.above,
            overlap=self.overlap,
        )
        corners = boxes.boxes if placement is None else placement.to_picture(boxes.boxes)
        return Detections(corners, boxes.scores, boxes.classes)


@dataclass(frozen=True, eq=False)
class PixelCounts:
    """How pixels of one sample were answered.

    Attributes:
        pairs: truth * BASE + answer, int64, each once.
        counts: pixels of each.
        ignored: pixels of no class.
        unseen: pixels of a class that the network did not see.
    """

    pairs: NDArray[np.int64]
    counts: NDArray[np.int64]
    ignored: int = 0
    unseen: int = 0


def count_pixels(truth: NDArray[Any], answer: NDArray[Any], *, ignored: int | None) -> PixelCounts:
    """Count pairs of classes.

    Args:
        truth: (h, w), 0 and above.
        answer: likewise; `segment.UNSEEN` where there is none.
        ignored: the class of truth that does not count; None where all do.
    """
    valid = np.ones(truth.shape, bool) if ignored is None else truth != ignored
    seen = answer != segment.UNSEEN
    both = valid & seen
    codes = truth[both].astype(np.int64) * BASE + answer[both].astype(np.int64)
    pairs, counts = np.unique(codes, return_counts=True)
    return PixelCounts(pairs, counts, int((~valid).sum()), int((valid & ~seen).sum()))


class Truth(Protocol):
    """Masks that are read when they are asked for."""

    def take(self, places: NDArray[np.int64]) -> Truth:
        """These of them, in this order."""

    def read(self, place: int) -> NDArray[Any]:
        """The class of each pixel."""


@dataclass(frozen=True, eq=False)
class PackedMaps:
    """Maps of classes in memory: they are packed to a hundredth of their size."""

    packed: tuple[tuple[tuple[int, int], bytes], ...]

    def take(self, places: NDArray[np.int64]) -> PackedMaps:
        """These of them, in this order."""
        return PackedMaps(tuple(self.packed[place] for place in places))

    def read(self, place: int) -> NDArray[np.int32]:
        """The class of each pixel."""
        shape, data = self.packed[place]
        return np.frombuffer(zlib.decompress(data), np.int32).reshape(shape)


def pack(classes: NDArray[np.int32]) -> tuple[tuple[int, int], bytes]:
    """A map of classes as `PackedMaps` holds it."""
    return (classes.shape[0], classes.shape[1]), zlib.compress(classes.tobytes(), 1)


@dataclass(frozen=True, eq=False)
class ClassMaps:
    """Returns the class of each pixel of the network's map, packed."""

    choice: Choice
    size: tuple[int, int]

    def take(self, places: NDArray[np.int64]) -> ClassMaps:
        """See `Judge`."""
        del places
        return self

    def judge(
        self, place: int, outputs: Sequence[Output], placement: Placement | None
    ) -> tuple[tuple[int, int], bytes]:
        """See `Judge`."""
        del place, placement
        return pack(_class_map(outputs, self.choice, self.size))


@dataclass(frozen=True, eq=False)
class Masks:
    """Returns how the pixels of each mask were answered, as `PixelCounts`.

    Attributes:
        choice: the output.
        size: height and width of the input.
        truth: the masks.
        on_pictures: whether these are of the pictures' size; else of the network's map.
        names: of the masks, for messages.
    """

    choice: Choice
    size: tuple[int, int]
    truth: MaskFiles | PackedMaps | Truth
    on_pictures: bool
    names: tuple[str, ...] = field(default=())

    def take(self, places: NDArray[np.int64]) -> Masks:
        """See `Judge`."""
        names = tuple(self.names[place] for place in places) if self.names else ()
        return replace(self, truth=self.truth.take(places), names=names)

    def judge(
        self, place: int, outputs: Sequence[Output], placement: Placement | None
    ) -> PixelCounts:
        """See `Judge`."""
        answer = _class_map(outputs, self.choice, self.size)
        try:
            truth = self.truth.read(place)
        except UnreadableMaskError as error:
            raise UnusableError(f"its mask is {error}") from error
        if self.on_pictures and placement is not None:
            answer = segment.at_picture(answer, placement)
        if truth.shape != answer.shape:
            raise UnusableError(
                f"its mask is {truth.shape[1]}x{truth.shape[0]}, and {answer.shape[1]}x"
                f"{answer.shape[0]} is needed"
            )
        if self.names:
            self._check_classes(truth, place)
        return count_pixels(truth, answer, ignored=IGNORED if self.names else None)

    def _check_classes(self, truth: NDArray[Any], place: int) -> None:
        most = self.choice.classes
        beyond = truth[truth != IGNORED].max(initial=0)
        # 255 alone beside 0 is left to whoever sums up: it sees all masks.
        if most is not None and beyond >= most:
            raise InputError(
                f"the mask {self.names[place]} has class {beyond}, and the network tells {most}"
                f" apart, 0 to {most - 1}.",
                hint="Number the masks' classes as the network does; 255 is no class.",
            )


def _class_map(
    outputs: Sequence[Output], choice: Choice, size: tuple[int, int]
) -> NDArray[np.int32]:
    output = chosen_output(outputs, choice)
    if output.values.dtype.kind == "f" and not np.isfinite(output.values).all():
        raise InputError("an answer is not finite.", hint="Look at the model's weights.")
    classes = segment.class_map(output, size)
    if classes.size and (classes.min() < 0 or classes.max() >= BASE):
        raise InputError(
            f"its output {choice.name} gives class {classes.min()} to {classes.max()}: no classes.",
            hint="Name the output of the mask with --output.",
        )
    return classes
