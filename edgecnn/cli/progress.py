"""How long work is shown: a bar in a terminal, a line a stage in a log, nothing with --quiet."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from edgecnn.cli import console

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from edgecnn.progress import Progress


class Quiet:
    """Shows warnings only."""

    def stage(self, name: str, total: int | None = None) -> None:
        """Not shown."""

    def advance(self, steps: int = 1) -> None:
        """Not shown."""

    def warn(self, message: str) -> None:
        """Print it at once."""
        console.warn(message)

    def tell(self, message: str) -> None:
        """Not shown."""


class Lines(Quiet):
    """A plain line for each stage, for logs and pipes."""

    def stage(self, name: str, total: int | None = None) -> None:
        """Print the stage's name."""
        console.say("", f"{name} ({total})" if total else name)

    def tell(self, message: str) -> None:
        """Print it at once."""
        console.say("", message)


class Timed:
    """Passes progress on, and keeps how long each stage took.

    Args:
        watcher: who is told.
        clock: seconds, of any beginning.
    """

    def __init__(self, watcher: Progress, clock: Callable[[], float] = time.monotonic) -> None:
        self._watcher, self._clock = watcher, clock
        self._begun: list[tuple[str, float]] = [("beginning", clock())]

    def stage(self, name: str, total: int | None = None) -> None:
        """Another stage begins, and the last one is over."""
        self._begun.append((name, self._clock()))
        self._watcher.stage(name, total)

    def advance(self, steps: int = 1) -> None:
        """Pass it on."""
        self._watcher.advance(steps)

    def warn(self, message: str) -> None:
        """Pass it on."""
        self._watcher.warn(message)

    def tell(self, message: str) -> None:
        """Pass it on."""
        self._watcher.tell(message)

    def lines(self) -> tuple[str, ...]:
        """A line a stage, until now: its seconds, measured on this machine, and its name."""
        ends = [since for _, since in self._begun[1:]] + [self._clock()]
        times = [(name, end - since) for (name, since), end in zip(self._begun, ends, strict=True)]
        rows = [*times, ("in all", sum(seconds for _, seconds in times))]
        return tuple(f"{seconds:7.1f} s  {name}" for name, seconds in rows)


@contextlib.contextmanager
def watching(*, quiet: bool) -> Generator[Progress, None, None]:
    """Give the Progress that fits who watches."""
    if quiet:
        yield Quiet()
    elif console.is_terminal():
        from edgecnn.cli.bar import bar

        with bar() as display:
            yield display
    else:
        yield Lines()
