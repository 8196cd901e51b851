"""Draws answers onto their pictures while somebody watches, in a thread of its own."""

from __future__ import annotations

import io
import threading
import time
from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn.calibration import images
from edgecnn.deploying.device.streaming.loop import result_record
from edgecnn.deploying.device.streaming.mailbox import Mailbox
from edgecnn.tasks import draw

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from PIL import Image

    from edgecnn.deploying.device.streaming.answering import Answered
    from edgecnn.deploying.device.streaming.stages import Times
    from edgecnn.tasks.boxes import Detections

_WATCHED_S = 3.0
_KEPT = 8  # a viewer asks for the picture after its number
_DECODED = (270, 360)  # half of what a JPEG is decoded to at least
_LONGEST_SIDE = 960
_QUALITY = 80


@dataclass(frozen=True, eq=False)
class Drawn:
    """A picture with its answer on it.

    Attributes:
        number: the frame's.
        jpeg: the picture.
        record: the result as its line has it.
    """

    number: int
    jpeg: bytes
    record: dict[str, Any]


class Painter:
    """Takes every answer, draws the newest, and lends the pictures to any number of viewers.

    Args:
        labels: of the classes.
        times: takes the times of drawing.
    """

    def __init__(self, labels: Sequence[str], times: Times) -> None:
        self._labels, self._times = labels, times
        self._mailbox: Mailbox[Answered] = Mailbox()
        self._changed = threading.Condition()
        self._drawn: deque[Drawn] = deque(maxlen=_KEPT)
        self._last: Answered | None = None
        self._watched_until = 0.0
        self._thread = threading.Thread(target=self._run, name="painter", daemon=True)
        self._thread.start()

    def __call__(self, result: Answered) -> None:
        """Take an answer; never waits."""
        self._last = result
        if time.monotonic() < self._watched_until:
            self._mailbox.put(result)

    def newest(self) -> Answered | None:
        """The last answer, watched or not."""
        return self._last

    def wait_for(self, after: int, timeout_s: float) -> Drawn | None:
        """The newest picture, once it is another than the frame `after`; None when none came."""
        self._watch()
        with self._changed:
            self._changed.wait_for(lambda: self._other_than(after) is not None, timeout_s)
            self._watched_until = time.monotonic() + _WATCHED_S
            return self._other_than(after)

    def picture(self, number: int) -> bytes:
        """The picture of a frame; empty where it is no longer kept."""
        with self._changed:
            return next((drawn.jpeg for drawn in self._drawn if drawn.number == number), b"")

    def close(self) -> None:
        """End."""
        self._mailbox.close()
        self._thread.join()

    def _watch(self) -> None:
        """The first viewer sees the last answer, also where no other comes."""
        first = time.monotonic() >= self._watched_until
        self._watched_until = time.monotonic() + _WATCHED_S
        if first and self._last is not None:
            self._mailbox.put(self._last)

    def _other_than(self, number: int) -> Drawn | None:
        newest = self._drawn[-1] if self._drawn else None
        return newest if newest is not None and newest.number != number else None

    def _run(self) -> None:
        while not self._mailbox.ended:
            result = self._mailbox.take(1.0)
            if result is not None:
                start = time.perf_counter()
                jpeg = painted(result, self._labels)
                self._times.add("drawing", (time.perf_counter() - start) * 1e3)
                with self._changed:
                    self._drawn.append(Drawn(result.frame.number, jpeg, result_record(result)))
                    self._changed.notify_all()


def painted(result: Answered, labels: Sequence[str]) -> bytes:
    """A JPEG of at most 960 pixels a side, with the answer drawn onto it."""
    picture = _small(result)
    scale = picture.width / result.size[1], picture.height / result.size[0]
    answer = result.answer
    if answer.detections is not None:
        drawn = draw.boxes(picture, _scaled(answer.detections, scale), labels)
    elif answer.mask is not None:
        drawn = draw.mask(picture, _at(answer.mask, picture.size))
    else:
        drawn = draw.top(picture, answer.best)
    stream = io.BytesIO()
    drawn.save(stream, "JPEG", quality=_QUALITY)
    return stream.getvalue()


def _small(result: Answered) -> Image.Image:
    pixels = result.frame.shot.pixels
    if pixels is not None:
        from PIL import Image

        picture = Image.fromarray(pixels)
    else:
        picture = images.whole(result.frame.shot.encoded, _DECODED)
    picture.thumbnail((_LONGEST_SIDE, _LONGEST_SIDE))
    return picture


def _scaled(detections: Detections, scale: tuple[float, float]) -> Detections:
    """Boxes and landmarks in the pixels of a smaller picture."""
    return replace(
        detections,
        boxes=detections.boxes * np.array([*scale, *scale], np.float32),
        landmarks=detections.landmarks * np.array(scale, np.float32),
    )


def _at(mask: NDArray[np.int32], size: tuple[int, int]) -> NDArray[np.int32]:
    """Classes at another width and height: of each pixel the nearest."""
    rows = np.arange(size[1]) * mask.shape[0] // size[1]
    columns = np.arange(size[0]) * mask.shape[1] // size[0]
    placed: NDArray[np.int32] = mask[rows[:, None], columns]
    return placed
