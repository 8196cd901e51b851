"""`--plot FILE`: the result of a command as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgecnn.cli import console

if TYPE_CHECKING:
    from collections.abc import Callable


def plot_option(what: str) -> Callable[[Any], Any]:
    """Add --plot; `what` says what it draws."""
    return click.option(
        "--plot",
        type=click.Path(path_type=Path),
        metavar="FILE.svg|.png",
        callback=_checked,
        help=f"Also draw {what}; needs edgecnn[report].",
    )


def _checked(context: click.Context, _parameter: click.Parameter, path: Path | None) -> Path | None:
    """Refuse what cannot be drawn before any work is done."""
    if path is not None and not context.resilient_parsing:
        from edgecnn.reporting.plots import files

        files.check(path)
    return path


def draw(command: str, result: object, path: Path | None, *, announced: bool) -> None:
    """Draw the result where a picture was asked for.

    Args:
        command: whose result it is.
        result: of the command.
        path: of the picture; None draws none.
        announced: whether results are printed for a person.
    """
    if path is None:
        return
    from edgecnn.reporting.plots import files

    if not files.draw(command, result, path):
        console.say("note", f"{path} was not written: there is nothing to draw.", style="bold")
    elif announced:
        console.print_line(f"Drew {path}")
