"""One frame to its answer, each stage timed."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgecnn.calibration import images
from edgecnn.deploying.device.feeds import UnreadableError
from edgecnn.deploying.device.streaming.stages import timed

if TYPE_CHECKING:
    from edgecnn.deploying.device.answers import Answer, Question
    from edgecnn.deploying.device.feeds import Feeder
    from edgecnn.deploying.device.session import Session
    from edgecnn.deploying.device.streaming.frames import Frame


@dataclass(frozen=True, eq=False)
class Answered:
    """What a frame came to.

    Attributes:
        frame: the frame.
        record: the answer's JSON object, as `run --json` has it.
        answer: the same, to be drawn.
        size: height and width of the whole picture.
        ms: milliseconds of each stage.
        age_ms: from the frame's coming to its answer.
    """

    frame: Frame
    record: dict[str, Any]
    answer: Answer
    size: tuple[int, int]
    ms: dict[str, float]
    age_ms: float


def answered(frame: Frame, loaded: Session, feeder: Feeder, question: Question) -> Answered:
    """Answer one frame, as `run` answers a file.

    Raises:
        UnreadableError: the picture cannot be used.
        TroubleError, TaskError, UnusableError: no picture can be answered.
    """
    ms: dict[str, float] = {}
    with timed(ms, "decode"):
        picture = _picture(frame, feeder.image_end.size)
    with timed(ms, "resize"):
        feed = feeder.fed(frame.shot.name, picture)
    with timed(ms, "answer"):
        result = loaded.result(feed, question)
    ms["inference"] = loaded.network.latency_ms
    ms["answer"] -= ms["inference"]
    assert result.answer is not None  # noqa: S101 - for the type checker: a feed has an answer
    age_ms = (time.monotonic() - frame.at_s) * 1e3
    return Answered(frame, result.record, result.answer, picture.size, ms, age_ms)


def _picture(frame: Frame, size: tuple[int, int]) -> images.Picture:
    """A frame, decoded; pixels are a picture already."""
    pixels = frame.shot.pixels
    if pixels is not None:
        from PIL import Image

        return images.Picture(Image.fromarray(pixels), (), (pixels.shape[0], pixels.shape[1]))
    try:
        return images.read(frame.shot.encoded, size)
    except images.UnreadableImageError as error:
        raise UnreadableError(str(error)) from error
