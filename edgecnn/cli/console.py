"""Where output goes: results to stdout, everything else to stderr.

All that is printed passes here, and is cleaned here: what foreign files, folders and devices say of
themselves may hold sequences that a terminal would obey. JSON keeps it, in ASCII.
"""

from __future__ import annotations

import contextlib
import json
import sys
from typing import TYPE_CHECKING

import click

from edgecnn.errors import EdgeCnnError

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from rich.console import Console, RenderableType

    from edgecnn.reporting.json_objects import JsonObject
    from edgecnn.reporting.table import Table


_UNBOUNDED = 10_000


class OutputError(EdgeCnnError):
    """What was asked for is done, and cannot be told: the output takes no more."""

    exit_code = 74  # EX_IOERR of BSD's sysexits.h


@contextlib.contextmanager
def writing() -> Generator[None, None, None]:
    """Tell an output that cannot be written from whatever else fails.

    Raises:
        OutputError: it cannot. A reader that has gone is a BrokenPipeError, as before.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(
            f"The output cannot be written: {error.strerror}.",
            hint="Free some space where it goes, or send it elsewhere.",
        ) from error


def output() -> Console:
    """The console on stdout."""
    return _console(stderr=False)


def messages() -> Console:
    """The console on stderr."""
    return _console(stderr=True)


def _console(*, stderr: bool) -> Console:
    from edgecnn.cli.terminal import Terminal

    return Terminal(stderr=stderr)


def say(title: str, message: str, *, style: str = "", to: Console | None = None) -> None:
    """Print one message on stderr: a coloured title, a colon and the sentence, wrapped by words."""
    from rich.text import Text

    from edgecnn.text import one_line, printable_lines

    text = printable_lines(message)
    line = Text.assemble((f"{one_line(title)}: ", style), text) if title else Text(text)
    _print(to or messages(), line)


def warn(message: str, *, to: Console | None = None) -> None:
    """Print a warning on stderr."""
    say("warning", message, style="bold yellow", to=to)


def print_table(table: Table) -> None:
    """Print a table on stdout, with its bars where a person can see them and they have room."""
    from edgecnn.reporting.table import draw, with_bars

    console = output()
    drawn = draw(table)
    if table.bars is not None and _draws_bars(console):
        barred = draw(with_bars(table))
        drawn = barred if _fits(barred, console) else drawn
    _print(console, drawn, wrap=True)


def _draws_bars(console: Console) -> bool:
    """A terminal that has block characters, and nobody who wants it plain."""
    plain = console.is_dumb_terminal or console.no_color
    return console.is_terminal and not plain and console.encoding.startswith("utf")


def _fits(drawn: RenderableType, console: Console) -> bool:
    """Whether no cell would have to be folded."""
    from rich.measure import Measurement

    unbounded = console.options.update(max_width=_UNBOUNDED)
    return Measurement.get(console, unbounded, drawn).maximum <= console.width


def print_pairs(pairs: Sequence[tuple[str, str]]) -> None:
    """Print names and values on stdout."""
    from edgecnn.reporting.table import draw_pairs

    _print(output(), draw_pairs(pairs), wrap=True)


def print_line(text: str = "", style: str = "") -> None:
    """Print one line on stdout, never wrapped: it may be pasted."""
    from rich.text import Text

    from edgecnn.text import one_line

    _print(output(), Text(one_line(text), style), wrap=False)


def print_paragraph(text: str, style: str = "") -> None:
    """Print sentences on stdout, wrapped by words where a person reads."""
    from rich.text import Text

    from edgecnn.text import printable_lines

    _print(output(), Text(printable_lines(text), style))


def print_markdown(text: str) -> None:
    """Print Markdown on stdout: formatted where a person reads, else as it is."""
    console = output()
    if console.is_terminal:
        from rich.markdown import Markdown

        _print(console, Markdown(text, code_theme="ansi_dark", hyperlinks=False), wrap=True)
    else:
        with writing():
            click.echo(text, nl=False)


def _print(console: Console, what: RenderableType, *, wrap: bool | None = None) -> None:
    """Unwrapped where no person reads: a log line, or a path to be copied, stays whole."""
    wraps = console.is_terminal if wrap is None else wrap
    with writing():
        console.print(what, soft_wrap=not wraps)


def print_json(value: JsonObject) -> None:
    """Print the one object of `--json` on stdout, in ASCII."""
    with writing():
        click.echo(json.dumps(value, indent=2, allow_nan=False))


def print_json_line(value: JsonObject) -> None:
    """Print one of many objects on stdout, in ASCII and on a line of its own, at once."""
    with writing():
        click.echo(json.dumps(value, allow_nan=False))


def is_terminal() -> bool:
    """Whether a person watches stderr."""
    return sys.stderr is not None and sys.stderr.isatty()
