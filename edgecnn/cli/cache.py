"""`edgecnn cache`: what is kept between runs, whether it is whole, and how to be rid of it."""

from __future__ import annotations

import click

import edgecnn
from edgecnn.cli import console
from edgecnn.cli.group import HintedUsageError
from edgecnn.cli.options import common_options

_DAMAGED = 1


@click.command(short_help="Show, check or clear the cache.")
@click.option("--check", is_flag=True, help="Check all entries; exit code 1 if any is damaged.")
@click.option("--clear", is_flag=True, help="Delete all entries; they are rebuilt when needed.")
@common_options
@click.pass_context
def cache(context: click.Context, *, check: bool, clear: bool, as_json: bool) -> None:
    """Show the cache: float files, their reference outputs, statistics, runtimes for devices.

    It is in $EDGECNN_CACHE, or in the user's cache folder. Every entry has checksums, which are
    checked on use: a damaged entry is rebuilt.
    """
    if check and clear:
        raise HintedUsageError("--check and --clear exclude each other.", hint="Give one of them.")
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
