"""`edgecnn devices`: what there is to measure on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

import edgecnn
from edgecnn.cli import console
from edgecnn.cli.bench_print import DEVICE_FAILED, print_failures
from edgecnn.cli.options import common_options, quiet_option
from edgecnn.cli.progress import watching

if TYPE_CHECKING:
    from edgecnn.benchmark.report import DevicesReport


@click.command(short_help="Show what there is to measure on.")
@click.argument("targets", nargs=-1, metavar="[DEVICE...]")
@quiet_option
@common_options
@click.pass_context
def devices(
    context: click.Context, targets: tuple[str, ...], *, quiet: bool, as_json: bool
) -> None:
    """Ask devices what they are, and how they fare: clock, temperature, load.

    Without DEVICE: this machine, and every phone that adb knows. Devices behind SSH cannot be
    listed; name them: ssh://[USER@]HOST[:PORT]. Nothing stays on a device. Exit code 3 when one
    cannot be reached.
    """
    with watching(quiet=quiet) as progress:
        report = edgecnn.list_devices(targets, progress=progress)
    if as_json:
        from edgecnn.reporting.json_objects import devices_object

        console.print_json(devices_object(report))
    else:
        _print(report)
    print_failures(report.failures)
    if report.failures:
        context.exit(DEVICE_FAILED)


def _print(report: DevicesReport) -> None:
    from edgecnn.reporting.devices import device_pairs
    from edgecnn.reporting.text import printable_lines

    for probe in report.devices:
        console.print_line(printable_lines(probe.target), "bold")
        console.print_pairs(device_pairs(probe))
        if probe.problem:
            console.warn(printable_lines(f"{probe.problem} {probe.hint}".strip()))
    for note in report.notes:
        console.say("note", note, style="bold")
