"""`edgecnn cache`: what is kept between runs, whether it is whole, and how to be rid of it."""

from __future__ import annotations

import click

import edgecnn
from edgecnn.cli import console
from edgecnn.cli.group import HintedUsageError
from edgecnn.cli.options import common_options

_DAMAGED = 1


@click.command(short_help="Show, check or clear what is kept between runs.")
@click.option("--check", is_flag=True, help="Read all of it; exit code 1 where some is damaged.")
@click.option("--clear", is_flag=True, help="Remove all of it; it is made again when needed.")
@common_options
@click.pass_context
def cache(context: click.Context, *, check: bool, clear: bool, as_json: bool) -> None:
    """Show what is kept between runs: float files, their answers, statistics, devices' runtimes.

    The folder is $EDGECNN_CACHE, else the user's cache folder. Every entry has checksums, and is
    checked when it is used: what is damaged is made again.
    """
    if check and clear:
        raise HintedUsageError("--check and --clear contradict each other.", hint="Give one.")
    report = edgecnn.cache(check=check, clear=clear)
    if as_json:
        from edgecnn.reporting.json_objects import cache_object

        console.print_json(cache_object(report))
    else:
        from edgecnn.reporting import cache as shown

        if report.entries and not clear:
            console.print_table(shown.cache_table(report))
            console.print_line()
        for line in shown.problem_lines(report):
            console.say("DAMAGED", line, style="bold red")
        console.print_line(shown.outcome(report))
    if report.damaged:
        context.exit(_DAMAGED)
