"""Takes frames in, in a thread of its own, and comes back to a source that was lost."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from edgecnn.deploying.device.streaming.frames import Frame, LostError

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgecnn.deploying.device.streaming.frames import Shot, Source
    from edgecnn.deploying.device.streaming.mailbox import Mailbox

FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 30.0
_END_S = 3.0


class Reader:
    """Puts a source's frames into a mailbox.

    Args:
        source: where they come from.
        mailbox: takes them; it is closed when the source has ended.
        tell: called with an event's name and its details.
        every: hand each frame on in its turn; else the newest wins.
        fps: at most so many frames a second; 0 for all.
        again: try a lost source again; else it has ended.
        first_wait_s: before a lost source is tried again; doubled each time, to 30 s.

    Attributes:
        state: "waiting", "giving", "lost" or "ended".
        why: of "lost", half a sentence.
        count: frames that came.
    """

    def __init__(
        self,
        source: Source,
        mailbox: Mailbox[Frame],
        tell: Callable[..., None],
        *,
        every: bool = False,
        fps: float = 0.0,
        again: bool = True,
        first_wait_s: float = FIRST_WAIT_S,
    ) -> None:
        self.state, self.why, self.count = "waiting", "", 0
        self._source, self._mailbox, self._tell = source, mailbox, tell
        self._every = every
        self._gap_s = 1.0 / fps if fps > 0 else 0.0
        self._first_wait_s, self._again = first_wait_s, again
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="reader", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, and give the source back; a source that hangs is left to the process's end."""
        self._stopped.set()
        self._mailbox.close()
        self._source.interrupt()
        self._thread.join(_END_S)

    def _run(self) -> None:
        try:
            self._until_it_ends()
            # Not where it failed: that is no end of the source.
            if not self._stopped.is_set() and self.state != "lost":
                self.state = "ended"
                self._tell("source_ended", source=self._source.name, frames=self.count)
        finally:
            self._mailbox.close()

    def _until_it_ends(self) -> None:
        wait_s = self._first_wait_s
        while not self._stopped.is_set():
            before = self.count
            try:
                self._take_in()
            except LostError as error:
                wait_s = self._first_wait_s if self.count > before else wait_s
                self._lost(str(error), wait_s)
                if not self._again:
                    return
                self._stopped.wait(wait_s)
                wait_s = min(2 * wait_s, LONGEST_WAIT_S)
            else:
                return

    def _lost(self, why: str, wait_s: float) -> None:
        if self._stopped.is_set():
            return
        self.state, self.why = "lost", why
        self._tell("source_lost", source=self._source.name, why=why, again_in_s=wait_s)

    def _take_in(self) -> None:
        """All that comes, until the source ends or is lost."""
        next_s = 0.0
        for shot in self._source.shots(self._stopped):
            if self._stopped.is_set():
                return
            if self.state == "lost":
                self._tell("source_back", source=self._source.name)
            self.state, self.why = "giving", ""
            early_s = next_s - time.monotonic()
            if early_s > 0 and not self._every:
                continue
            self._stopped.wait(max(0.0, early_s))
            next_s = time.monotonic() + self._gap_s
            self._hand_on(shot)

    def _hand_on(self, shot: Shot) -> None:
        self.count += 1
        put = self._mailbox.put_in_turn if self._every else self._mailbox.put
        put(Frame(self.count, time.monotonic(), shot))
