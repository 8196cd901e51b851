"""A table as data, and as rich draws it.

Cells may hold what foreign files say of themselves: each is drawn on one line of printable text.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgecnn.text import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    import rich.table

# One rule under the titles, drawn in ASCII: the same in every terminal, locale and log file.
_RULE = "    \n    \n -- \n    \n    \n    \n    \n    \n"


@dataclass(frozen=True)
class Column:
    """A column: its title, and whether its cells are numbers, which stand to the right."""

    title: str
    number: bool = False


@dataclass(frozen=True)
class Table:
    """Cells as text, row by row, each row as long as `columns`."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]


def draw_pairs(pairs: Sequence[tuple[str, str]]) -> rich.table.Table:
    """Make names and their values, one pair a line, with long values folded beside the name."""
    from rich.table import Table as RichTable
    from rich.text import Text

    drawn = RichTable.grid(padding=(0, 2, 0, 0))
    drawn.add_column(no_wrap=True)
    drawn.add_column(overflow="fold")
    for name, value in pairs:
        drawn.add_row(Text(f"  {one_line(name)}"), Text(one_line(value)))
    return drawn


def draw(table: Table) -> rich.table.Table:
    """Make the rich renderable; cells too long for the terminal are folded, never cut."""
    from rich.box import Box
    from rich.table import Table as RichTable
    from rich.text import Text

    drawn = RichTable(
        box=Box(_RULE, ascii=True), pad_edge=False, show_edge=False, padding=(0, 1, 0, 0)
    )
    for column in table.columns:
        drawn.add_column(
            Text(one_line(column.title)),
            justify="right" if column.number else "left",
            overflow="fold",
            header_style="bold",
        )
    for row in table.rows:
        drawn.add_row(*(Text(one_line(cell)) for cell in row))
    return drawn
