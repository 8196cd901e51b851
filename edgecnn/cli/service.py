"""`edgecnn service`: a deployed network that runs by itself."""

from __future__ import annotations

import click

import edgecnn
from edgecnn.cli import console
from edgecnn.cli.options import common_options, quiet_option
from edgecnn.cli.service_options import print_service

_ACTIONS = ("status", "logs", "stop", "remove")


@click.command(short_help="Look after a network that runs as a service on a device.")
@click.argument("action", type=click.Choice(_ACTIONS))
@click.argument("target", metavar="DEVICE[/ARTIFACT]")
@quiet_option
@common_options
def service(action: str, target: str, *, quiet: bool, as_json: bool) -> None:
    """Ask for, read, stop or remove the service that `deploy --service` has made on DEVICE.

    DEVICE is ssh://user@host[:port]; /ARTIFACT names the network where several are deployed.
    `logs` prints the end of its log. `remove` leaves the releases and the kept frames.
    """
    report = edgecnn.service(target, action)  # type: ignore[arg-type] # one of _ACTIONS
    if as_json:
        import dataclasses

        console.print_json({"schema": 1, "service": dataclasses.asdict(report)})
        return
    if action == "logs":
        for line in report.log.splitlines():
            console.print_line(line)
    elif not quiet:
        print_service(target, report)
