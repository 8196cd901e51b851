"""Keep a device in the foreground of a terminal until Ctrl-C."""

from __future__ import annotations

import contextlib
import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator


@contextlib.contextmanager
def until_interrupted() -> Generator[None, None, None]:
    """Let SIGINT, also where the shell ignores it, and SIGTERM end the block in good order."""
    signals = (signal.SIGINT, signal.SIGTERM)
    previous = {number: signal.signal(number, signal.default_int_handler) for number in signals}
    try:
        yield
    except KeyboardInterrupt:
        print("stopped", flush=True)
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def wait() -> None:
    """Wait for the signal that ends it."""
    print("Ctrl-C ends it.", flush=True)
    signal.pause()
