"""What becomes of the program when one of its threads fails: it ends, and says why.

A program whose reader or painter is gone would look alive, and its service would not be restarted.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from edgecnn.deploying.device.trouble import TroubleError, out_of_memory

if TYPE_CHECKING:
    from collections.abc import Callable


class Failure:
    """The first failure of a thread; a context manager that hears of them while it is open.

    Args:
        stop: called with the first; ends the program soon.
    """

    def __init__(self, stop: Callable[[], None]) -> None:
        self._stop = stop
        self._first: tuple[str, BaseException] | None = None
        self._before = threading.excepthook

    def __enter__(self) -> None:
        """Hear of every thread."""
        threading.excepthook = self._take

    def __exit__(self, *_: object) -> None:
        """Hear of none."""
        threading.excepthook = self._before

    def _take(self, failed: threading.ExceptHookArgs) -> None:
        error = failed.exc_value or failed.exc_type()
        if self._first is None:
            self._first = (failed.thread.name if failed.thread else "a thread", error)
        self._stop()
        if not isinstance(error, MemoryError):  # a fault of ours: whoever mends it needs the whole
            self._before(failed)

    def raise_first(self) -> None:
        """Fail as the first thread did.

        Raises:
            TroubleError: one has failed.
        """
        if self._first is None:
            return
        name, error = self._first
        if isinstance(error, MemoryError):
            raise out_of_memory(f"the {name}")
        raise TroubleError(
            f"the {name} failed: {type(error).__name__}: {error}",
            "This is a fault of edgecnn's: its traceback is on stderr.",
        ) from error
