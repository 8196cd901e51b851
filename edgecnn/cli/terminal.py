"""The rich consoles. Imported when something is printed: rich takes its time to load."""

from __future__ import annotations

from typing import NoReturn

from rich.console import Console


class Terminal(Console):
    """A console that prints foreign text as it is, and lets a broken pipe be told apart.

    rich itself ends the process with 1 on a broken pipe, which here means a check that fails.
    """

    def __init__(self, *, stderr: bool) -> None:
        super().__init__(stderr=stderr, markup=False, emoji=False, highlight=False)

    def on_broken_pipe(self) -> NoReturn:
        """Pass the error on to the command line's own handler."""
        raise BrokenPipeError
