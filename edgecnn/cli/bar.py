"""The progress bar. Imported when a person watches a terminal, since rich takes its time."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Column
from rich.text import Text

from edgecnn.cli import console
from edgecnn.text import one_line

if TYPE_CHECKING:
    from collections.abc import Generator

    from rich.progress import Task, TaskID

_NAME_WIDTH = 44  # leaves room for bar, steps and clock in 80 columns


class Bar:
    """A bar for the stage at work, which leaves nothing behind."""

    def __init__(self, display: Progress) -> None:
        self._display = display
        self._task: TaskID | None = None

    def stage(self, name: str, total: int | None = None) -> None:
        """Put the new stage in the old one's place."""
        if self._task is not None:
            self._display.remove_task(self._task)
        self._task = self._display.add_task(one_line(name), total=total)

    def advance(self, steps: int = 1) -> None:
        """Move the bar."""
        if self._task is not None:
            self._display.advance(self._task, steps)

    def warn(self, message: str) -> None:
        """Print it above the bar."""
        console.warn(message, to=self._display.console)

    def tell(self, message: str) -> None:
        """Print it above the bar."""
        console.say("", message, to=self._display.console)


class _Steps(ProgressColumn):
    """Done and total steps; nothing where the total is not known."""

    def render(self, task: Task) -> Text:
        """Draw the cell."""
        known = task.total is not None
        return Text(f"{task.completed:.0f}/{task.total:.0f}" if known else "", style="dim")


@contextlib.contextmanager
def bar() -> Generator[Bar, None, None]:
    """Show a bar on stderr until the block ends."""
    name = TextColumn(
        "{task.description}",
        markup=False,
        table_column=Column(no_wrap=True, overflow="crop", max_width=_NAME_WIDTH),
    )
    columns = (name, BarColumn(bar_width=20), _Steps(), TimeElapsedColumn())
    with Progress(*columns, console=console.messages(), transient=True) as display:
        yield Bar(display)
