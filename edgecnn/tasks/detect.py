"""From raw outputs to boxes: a table of heads, and what follows each of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgecnn.tasks import boxes, centernet, mediapipe, ssd, yolo
from edgecnn.tasks.outputs import TaskError, shapes_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from edgecnn.tasks.boxes import Detections
    from edgecnn.tasks.outputs import Output

MOST = 100
"""Boxes of a picture, as COCO counts them."""


@dataclass(frozen=True)
class Head:
    """One way to write boxes into outputs.

    Attributes:
        name: what the user types.
        summary: which networks have it.
        fits: whether outputs of a network of this input size (height, width) look like it; asks
            for shapes only.
        decode: outputs, input size and anchors to boxes in the input's pixels, all there are.
        above: boxes of a lower score are left out, unless the user says otherwise.
        overlap: boxes that overlap more are one, likewise; 1 where the network saw to it.
        anchors: whether it needs some.
    """

    name: str
    summary: str
    fits: Callable[[Sequence[Output], tuple[int, int]], bool]
    decode: Callable[[Sequence[Output], tuple[int, int], Any], Detections]
    above: float = 0.25
    overlap: float = 0.45
    anchors: bool = False


HEADS = (
    Head("yolov5", "YOLOv5, v7: (1, 3 * cells, 5 + classes)", yolo.fits_v5, yolo.v5),
    Head("yolov8", "YOLOv8, v9, v11: (1, 4 + classes, cells)", yolo.fits_v8, yolo.v8),
    Head("yolox", "YOLOX: (1, cells, 5 + classes), undecoded", yolo.fits_x, yolo.x),
    Head(
        "end2end",
        "YOLOv10 and others that suppress inside: (1, N, 6)",
        yolo.fits_end_to_end,
        yolo.end_to_end,
        overlap=1.0,
    ),
    Head(
        "ssd",
        "SSD of TensorFlow: encodings (1, N, 4) as y, x, h, w; needs --anchors",
        ssd.fits_pair,
        ssd.ssd,
        above=0.5,
        anchors=True,
    ),
    Head(
        "ssd-xy",
        "SSD of PyTorch and Caffe: encodings as x, y, w, h; needs --anchors",
        ssd.fits_pair,
        ssd.ssd_xy,
        above=0.5,
        anchors=True,
    ),
    Head(
        "corners",
        "boxes (1, N, 4) as x1, y1, x2, y2, and scores (1, N, classes), class 0 the background",
        ssd.fits_pair,
        ssd.corner_boxes,
        above=0.5,
    ),
    Head(
        "postprocess",
        "TFLite_Detection_PostProcess: boxes, classes, scores, count",
        ssd.fits_postprocess,
        ssd.postprocess,
        above=0.5,
        overlap=1.0,
    ),
    Head(
        "mediapipe",
        "MediaPipe's detectors of faces, palms and bodies: (1, N, 4 + 2 * points)",
        mediapipe.fits,
        mediapipe.decode,
        above=0.5,
        overlap=0.3,
    ),
    Head(
        "centernet",
        "CenterNet: heat map, sizes, offsets",
        centernet.fits_objects,
        centernet.objects,
        overlap=1.0,
    ),
    Head(
        "centerface",
        "CenterFace: heat map, logarithms of sizes, offsets, and points where it has them",
        centernet.fits_faces,
        centernet.faces,
        above=0.5,
        overlap=0.3,
    ),
)
_ALSO = {
    "yolov7": "yolov5",
    "yolov9": "yolov8",
    "yolov11": "yolov8",
    "yolo11": "yolov8",
    "yolov10": "end2end",
    "blazeface": "mediapipe",
}
NAMES = (*(head.name for head in HEADS), *_ALSO)
"""All that `--head` takes."""


def detect(
    outputs: Sequence[Output],
    size: tuple[int, int],
    *,
    head: str = "",
    anchors: NDArray[Any] | None = None,
    above: float | None = None,
    overlap: float | None = None,
    most: int = MOST,
) -> Detections:
    """Boxes of one picture, best first, in pixels of the network's input.

    Args:
        outputs: of one run, in the model's order.
        size: height and width of the network's input.
        head: one of NAMES; "" recognizes it by the shapes of the outputs.
        anchors: (N, 4), for heads that need them; in parts of the sides, or in pixels.
        above: no box of a lower score; the head's own when None.
        overlap: boxes of one class that overlap more (intersection over union) are one, the best;
            the head's own when None, 1 suppresses nothing.
        most: how many at most.

    Raises:
        TaskError: there is no such head, the outputs fit none or several, or not this one.
    """
    kind = named(head) if head else recognized(outputs, size)
    candidates = kind.decode(outputs, size, anchors)
    candidates = candidates.take(candidates.scores >= (kind.above if above is None else above))
    return boxes.suppressed(candidates, kind.overlap if overlap is None else overlap, most)


def class_count(head: Head, outputs: Sequence[Output], size: tuple[int, int]) -> int | None:
    """How many classes outputs of a head tell apart; None where their shapes do not say it.

    Raises:
        TaskError: the outputs are not of this head.
    """
    counts: dict[str, Callable[[Sequence[Output], tuple[int, int]], int]] = {
        "yolov5": yolo.classes_v5,
        "yolov8": yolo.classes_v8,
        "yolox": yolo.classes_x,
        "ssd": ssd.classes,
        "ssd-xy": ssd.classes,
        "corners": ssd.classes,
        "centernet": centernet.classes,
        "mediapipe": lambda *_: 1,
        "centerface": lambda *_: 1,
    }
    count = counts.get(head.name)
    return None if count is None else count(outputs, size)


def named(name: str) -> Head:
    """The head of this name.

    Raises:
        TaskError: there is none.
    """
    canonical = _ALSO.get(name, name)
    for head in HEADS:
        if head.name == canonical:
            return head
    raise TaskError(f"There is no head {name!r}.", _choices(HEADS))


def recognized(outputs: Sequence[Output], size: tuple[int, int]) -> Head:
    """The one head that outputs of such shapes can have.

    Raises:
        TaskError: none fits, or several do.
    """
    fits = [head for head in HEADS if head.fits(outputs, size)]
    if len(fits) == 1:
        return fits[0]
    shapes = shapes_text(outputs)
    if fits:
        names = ", ".join(head.name for head in fits)
        raise TaskError(f"Outputs {shapes} may be of several heads: {names}.", _choices(fits))
    raise TaskError(f"Outputs {shapes} look like no head that is known.", _choices(HEADS))


def _choices(heads: Sequence[Head]) -> str:
    lines = "; ".join(f"{head.name} ({head.summary})" for head in heads)
    return f"Name one with --head: {lines}."
