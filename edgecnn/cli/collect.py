"""`edgecnn collect`: kept frames come back from a device."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

import edgecnn
from edgecnn.cli import console
from edgecnn.cli.options import common_options, quiet_option
from edgecnn.cli.progress import watching

if TYPE_CHECKING:
    from edgecnn.deploying import Collected


@click.command(short_help="Fetch the frames kept on a device, for calibration.")
@click.argument("target", metavar="DEVICE[/ARTIFACT]")
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder here; what lies in it stays.",
)
@click.option("--clear", is_flag=True, help="Remove from the device what is here now.")
@quiet_option
@common_options
def collect(target: str, *, out: Path, clear: bool, quiet: bool, as_json: bool) -> None:
    """Fetch the frames that the page's button has kept on DEVICE, and print the next export.

    DEVICE is ssh://user@host[:port]; /ARTIFACT names the network where several are deployed. Each
    frame is checked; those that are here already are not fetched again.
    """
    with watching(quiet=quiet or as_json) as progress:
        done = edgecnn.collect(target, out, clear=clear, progress=progress)
    if as_json:
        import dataclasses

        console.print_json({"schema": 1, "collected": dataclasses.asdict(done)})
    elif not quiet:
        _print(done)


def _print(done: Collected) -> None:
    removed = f"; removed there: {done.removed}" if done.removed else ""
    console.print_line(f"{len(done.frames)} frames in {done.out}, {done.new} new{removed}", "bold")
    if done.frames:
        console.print_line("Export with them:")
        console.print_line(f"  {export_command(done)}", "bold")


def export_command(done: Collected) -> str:
    """The command that calibrates with the frames; of a user's own model he knows the file."""
    from edgecnn.zoo import MODELS

    own = done.model not in MODELS and not done.model.startswith("keras:")
    model = "YOUR_MODEL_FILE" if own else shlex.quote(done.model)
    recipe = done.recipe if done.recipe in edgecnn.RECIPES else "int8"
    return f"edgecnn export {model} --{recipe} --calibration {shlex.quote(done.out)}"
