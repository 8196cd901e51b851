"""The loop: the newest frame in, its answer out."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

from edgecnn.deploying.device.feeds import UnreadableError
from edgecnn.deploying.device.streaming.answering import answered

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgecnn.deploying.device.answers import Question
    from edgecnn.deploying.device.feeds import Feeder
    from edgecnn.deploying.device.session import Session
    from edgecnn.deploying.device.streaming.answering import Answered
    from edgecnn.deploying.device.streaming.frames import Frame
    from edgecnn.deploying.device.streaming.mailbox import Mailbox
    from edgecnn.deploying.device.streaming.stages import Times
    from edgecnn.deploying.device.streaming.telling import Teller

_BEAT_S = 0.5
_BACKGROUND = 0


class Listener(Protocol):
    """Who hears of each answer, and must not wait."""

    def __call__(self, result: Answered, /) -> None:
        """Take one answer."""


class Loop:
    """Answers frames until there are none any more, or it is stopped.

    Args:
        mailbox: gives the frames.
        loaded: the network.
        feeder: brings pictures to its input.
        question: what is asked of every frame.
        times: takes the stages' times.
        teller: takes the results.
        every_s: at most one result is printed in so many seconds; 0 prints each.
        only_found: print the results that hold something alone.

    Attributes:
        question: as it is asked now; the page sets its threshold.
        paused: frames are taken and not answered.
        answered: frames that were.
    """

    def __init__(
        self,
        mailbox: Mailbox[Frame],
        loaded: Session,
        feeder: Feeder,
        question: Question,
        times: Times,
        teller: Teller,
        *,
        every_s: float = 0.0,
        only_found: bool = False,
    ) -> None:
        self.question, self.paused, self.answered = question, False, 0
        self._mailbox, self._loaded, self._feeder = mailbox, loaded, feeder
        self._times, self._teller = times, teller
        self._every_s, self._only_found = every_s, only_found
        self._stopped = threading.Event()
        self._next_line_s = 0.0
        self._listeners: list[Listener] = []
        self._on_line: Callable[[str], None] | None = None
        self._on_beat: Callable[[], None] | None = None

    def listen(self, listener: Listener) -> None:
        """Have every answer handed on."""
        self._listeners.append(listener)

    def on_line(self, take: Callable[[str], None]) -> None:
        """Have every printed result handed on."""
        self._on_line = take

    def on_beat(self, beat: Callable[[], None]) -> None:
        """Have it called at least twice a second, while frames do not take longer."""
        self._on_beat = beat

    def stop(self) -> None:
        """End after the frame at hand; from any thread, or a signal's handler."""
        self._stopped.set()

    def set_above(self, above: float | None) -> None:
        """Ask for another least score from the next frame on."""
        self.question = replace(self.question, above=above)

    def run(self) -> None:
        """Answer frames.

        Raises:
            TroubleError, TaskError, UnusableError: no picture can be answered.
        """
        while not self._stopped.is_set() and not self._mailbox.ended:
            frame = self._mailbox.take(_BEAT_S)
            if self._on_beat is not None:
                self._on_beat()
            if frame is not None and not self.paused:
                self._answer(frame)

    def _answer(self, frame: Frame) -> None:
        try:
            result = answered(frame, self._loaded, self._feeder, self.question)
        except UnreadableError as error:
            self._teller.seldom("unreadable", source=frame.shot.name, why=str(error))
            return
        self.answered += 1
        self._times.frame_ended()
        for stage, ms in result.ms.items():
            self._times.add(stage, ms)
        for listener in self._listeners:
            listener(result)
        self._print(result)

    def _print(self, result: Answered) -> None:
        now = time.monotonic()
        if now < self._next_line_s or (self._only_found and not holds_something(result.record)):
            return
        self._next_line_s = now + self._every_s
        line = self._teller.result(result_record(result))
        if self._on_line is not None:
            self._on_line(line)


def result_record(result: Answered) -> dict[str, Any]:
    """The object of a result's line."""
    return {
        "frame": result.frame.number,
        **result.record,
        "ms": {stage: round(ms, 3) for stage, ms in result.ms.items()},
        "age_ms": round(result.age_ms, 3),
    }


def holds_something(record: dict[str, Any]) -> bool:
    """Whether a class, a box, or a mask of more than its background is in a result."""
    if "mask" in record:
        return any(part["class"] > _BACKGROUND for part in record["mask"]["classes"])
    return bool(record.get("top", record.get("detections", True)))
