"""`edgecnn mcu`: a network for a microcontroller."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

import edgecnn
from edgecnn.cli import console
from edgecnn.cli.options import common_options, quiet_option
from edgecnn.cli.progress import watching

if TYPE_CHECKING:
    from edgecnn.micro.record import MicroReport

_NOT_FOR_IT = 1


@click.command(short_help="Check a .tflite for microcontrollers, and write it as C++.")
@click.argument("path", metavar="DIR|FILE", type=click.Path(path_type=Path))
@click.option(
    "--output",
    "--out",
    "output",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Write C++ there: the network as an array, its operators, a self-test, a README.",
)
@quiet_option
@common_options
@click.pass_context
def mcu(
    context: click.Context, path: Path, *, output: Path | None, quiet: bool, as_json: bool
) -> None:
    """Check whether a .tflite file runs on a microcontroller with TensorFlow Lite Micro.

    DIR is an artifact folder, whose reference inputs are then run. Lists missing operators, flash,
    the arena (RAM for activations), outputs against LiteRT's, and which boards have room. Measuring
    needs `pip install 'edgecnn[mcu]'`; without it the arena is estimated. Exit code 1 if the file
    is not for TensorFlow Lite Micro.
    """
    with watching(quiet=quiet) as progress:
        report = edgecnn.mcu(path, output=output, progress=progress)
    if as_json:
        from edgecnn.reporting.micro import micro_object

        console.print_json(micro_object(report))
    elif not quiet:
        _print(report)
    for problem in report.problems:
        console.say("no", problem, style="bold red")
    if report.problems:
        context.exit(_NOT_FOR_IT)


def _print(report: MicroReport) -> None:
    from edgecnn.reporting import micro as shown

    console.print_line(str(report.path), "bold")
    console.print_pairs(shown.pairs(report))
    if report.problems:
        return
    console.print_line()
    console.print_table(shown.boards_table(report))
    console.print_line()
    for note in shown.notes(report):
        console.print_paragraph(note, "dim")
    if report.not_measured:
        console.warn(f"Not measured: {report.not_measured}.")
    if report.folder is not None:
        console.print_line(f"Wrote {report.folder}", "bold green")
