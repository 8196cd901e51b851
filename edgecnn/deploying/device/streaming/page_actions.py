"""What the page shows and does, behind its server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgecnn.deploying.device.streaming.keeping import NotKeptError

if TYPE_CHECKING:
    from edgecnn.deploying.device.streaming.frames import Shot
    from edgecnn.deploying.device.streaming.keeping import Keeper
    from edgecnn.deploying.device.streaming.loop import Loop
    from edgecnn.deploying.device.streaming.painter import Drawn, Painter
    from edgecnn.deploying.device.streaming.state import State
    from edgecnn.deploying.device.streaming.telling import Teller


class Actions:
    """Called by viewers' threads; none of it makes the loop wait.

    Args:
        release: the release's name.
    """

    def __init__(
        self,
        release: str,
        *,
        loop: Loop,
        painter: Painter,
        state: State,
        keeper: Keeper,
        teller: Teller,
    ) -> None:
        self.release = release
        self._loop, self._painter, self._state = loop, painter, state
        self._keeper, self._teller = keeper, teller

    def state(self) -> dict[str, Any]:
        """See `State.record`."""
        return self._state.record()

    def wait_for(self, after: int, timeout_s: float) -> Drawn | None:
        """See `Painter.wait_for`."""
        return self._painter.wait_for(after, timeout_s)

    def picture(self, number: int) -> bytes:
        """See `Painter.picture`."""
        return self._painter.picture(number)

    def pause(self, *, paused: bool) -> None:
        """Answer no more frames, or again."""
        self._loop.paused = paused
        self._teller.event("paused" if paused else "continued")

    def set_above(self, above: float) -> None:
        """See `Loop.set_above`."""
        self._loop.set_above(above)
        self._teller.event("threshold", above=above)

    def keep(self) -> str:
        """Keep the frame that was answered last.

        Raises:
            NotKeptError: it was not.
        """
        try:
            name = self._keeper.keep(self._newest())
        except NotKeptError as error:
            self._teller.event("not_kept", why=str(error))
            raise
        self._teller.event("kept", file=str(self._keeper.folder / name))
        return name

    def _newest(self) -> Shot:
        newest = self._painter.newest()
        if newest is None:
            raise NotKeptError("No frame has come yet.")
        return newest.frame.shot
