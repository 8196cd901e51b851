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

_BAR_CELLS = 8
_EIGHTHS = 8
# One rule under the titles, drawn in ASCII: the same in every terminal, locale and log file.
_RULE = "    \n    \n -- \n    \n    \n    \n    \n    \n"


@dataclass(frozen=True)
class Column:
    """A column: its title, and whether its cells are numbers, which stand to the right."""

    title: str
    number: bool = False


@dataclass(frozen=True)
class Bars:
    """A bar in each row, for a terminal that can draw it.

    Attributes:
        column: the place of the column whose numbers they show.
        shares: of a whole bar, 0..1, row by row; None draws none.
    """

    column: int
    shares: tuple[float | None, ...]


@dataclass(frozen=True)
class Table:
    """Cells as text, row by row, each row as long as `columns`; what bars show stands in a cell."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]
    bars: Bars | None = None


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


def with_bars(table: Table) -> Table:
    """The table with its bars as a column beside their numbers."""
    if table.bars is None:
        return table
    at = table.bars.column + 1
    columns = (*table.columns[:at], Column(""), *table.columns[at:])
    rows = tuple(
        (*row[:at], bar_text(share), *row[at:])
        for row, share in zip(table.rows, table.bars.shares, strict=True)
    )
    return Table(columns, rows)


def bar_text(share: float | None) -> str:
    """A bar of eight cells at most, in eighths of a cell.

    >>> bar_text(1.0), bar_text(0.25), bar_text(0.0), bar_text(None)
    ('████████', '██', '', '')
    >>> bar_text(0.3)
    '██▍'
    """
    if share is None:
        return ""
    whole, eighths = divmod(round(share * _BAR_CELLS * _EIGHTHS), _EIGHTHS)
    # From U+258F, an eighth of a cell, down to U+2588, all of it.
    part = chr(0x2590 - eighths) if eighths else ""
    return "\N{FULL BLOCK}" * whole + part


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
