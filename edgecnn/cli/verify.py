"""`edgecnn verify`: whether an artifact still is what its manifest says."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

import edgecnn
from edgecnn.cli import console
from edgecnn.cli.options import common_options, quiet_option, threads_option
from edgecnn.cli.progress import watching

if TYPE_CHECKING:
    from edgecnn.verifying import VerifyResult

_DOES_NOT_HOLD = 1


@click.command(short_help="Check an artifact's files against its manifest.")
@click.argument("path", type=click.Path(path_type=Path))
@threads_option("one")
@quiet_option
@common_options
@click.pass_context
def verify(
    context: click.Context, path: Path, *, threads: int | None, quiet: bool, as_json: bool
) -> None:
    """Check the files of an artifact against its manifest.

    PATH is the artifact's folder, its manifest.json or one of its files. Every file is hashed and
    run on this machine, on the reference inputs stored beside it. Exit code 1 if a file does not
    match its manifest. Works without TensorFlow.
    """
    with watching(quiet=quiet) as progress:
        result = edgecnn.verify(path, threads=threads, progress=progress)
    if as_json:
        from edgecnn.reporting.json_objects import verification_object

        console.print_json(verification_object(result))
    else:
        _print(result, quiet=quiet)
    if not result.ok:
        context.exit(_DOES_NOT_HOLD)


def _print(result: VerifyResult, *, quiet: bool) -> None:
    from edgecnn import manifest
    from edgecnn.reporting import verification as report

    if not quiet:
        recorded = manifest.load(result.folder / manifest.NAME)
        console.print_line(f"{result.folder} ({result.recipe})", "bold")
        console.print_table(report.verification_table(result, recorded))
        console.print_line()
    for problem in report.problem_lines(result):
        console.say("FAILED", problem, style="bold red")
    for note in report.note_lines(result):
        console.say("note", note, style="bold")
    if not quiet and result.ok:
        console.print_line(report.verdict(result), "bold green")
