"""Where output goes: results to stdout, everything else to stderr."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from edgecnn.reporting.json_objects import JsonObject
    from edgecnn.reporting.table import Table


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

    line = Text.assemble((f"{title}: ", style), message) if title else Text(message)
    # Unwrapped where no person reads: a log line, or a path to be copied, stays whole.
    console = to or messages()
    console.print(line, soft_wrap=not console.is_terminal)


def warn(message: str, *, to: Console | None = None) -> None:
    """Print a warning on stderr."""
    from edgecnn.text import printable_lines

    say("warning", printable_lines(message), style="bold yellow", to=to)


def print_table(table: Table) -> None:
    """Print a table on stdout."""
    from edgecnn.reporting.table import draw

    output().print(draw(table))


def print_pairs(pairs: Sequence[tuple[str, str]]) -> None:
    """Print names and values on stdout."""
    from edgecnn.reporting.table import draw_pairs

    output().print(draw_pairs(pairs))


def print_line(text: str = "", style: str = "") -> None:
    """Print one line on stdout, never wrapped: it may be pasted."""
    from rich.text import Text

    output().print(Text(text, style), soft_wrap=True)


def print_paragraph(text: str, style: str = "") -> None:
    """Print sentences on stdout, wrapped by words where a person reads."""
    from rich.text import Text

    console = output()
    console.print(Text(text, style), soft_wrap=not console.is_terminal)


def print_json(value: JsonObject) -> None:
    """Print the one object of `--json` on stdout, in ASCII."""
    click.echo(json.dumps(value, indent=2, allow_nan=False))


def is_terminal() -> bool:
    """Whether a person watches stderr."""
    return sys.stderr is not None and sys.stderr.isatty()
