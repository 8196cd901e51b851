"""How long work is shown: a bar in a terminal, a line a stage in a log, nothing with --quiet."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from edgecnn.cli import console

if TYPE_CHECKING:
    from collections.abc import Generator

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


class Lines(Quiet):
    """A plain line for each stage, for logs and pipes."""

    def stage(self, name: str, total: int | None = None) -> None:
        """Print the stage's name."""
        console.say("", f"{name} ({total})" if total else name)


@contextlib.contextmanager
def watching(*, quiet: bool) -> Generator[Progress, None, None]:
    """Give the Progress that fits who watches."""
    if quiet:
        yield Quiet()
    elif console.is_terminal():
        from edgecnn.cli.bar import bar

        with bar() as shown:
            yield shown
    else:
        yield Lines()
