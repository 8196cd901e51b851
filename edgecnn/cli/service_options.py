"""The options of `deploy` that make a service, and what is printed of one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

import edgecnn
from edgecnn.cli import console
from edgecnn.cli.group import HintedUsageError

if TYPE_CHECKING:
    from pathlib import Path

    from edgecnn.deploying import ServiceOptions, ServiceReport

SERVICE_OPTIONS = (
    click.option(
        "--service",
        is_flag=True,
        help="Run it there as a systemd user service: `live` on a camera, with its page.",
    ),
    click.option(
        "--source",
        metavar="SOURCE",
        help="With --service: as for `edgecnn live`.  [default: camera]",
    ),
    click.option(
        "--listen",
        metavar="ADDRESS",
        help="With --service: let the network reach the page, with a token.  [default: 127.0.0.1]",
    ),
    click.option(
        "--port",
        type=click.IntRange(1, 65535),
        metavar="N",
        help="With --service: of the page.  [default: 8080]",
    ),
)


def refuse_stray(
    service: bool,  # noqa: FBT001 - a flag's value
    bundle: Path | None,
    source: str | None,
    listen: str | None,
    port: int | None,
) -> None:
    """Hold that the options go together.

    Raises:
        HintedUsageError: they do not.
    """
    if service and bundle is not None:
        raise HintedUsageError("--service is for a device, not for --bundle.", hint="Remove it.")
    for name, value in (("source", source), ("listen", listen), ("port", port)):
        if value is not None and not service:
            raise HintedUsageError(f"--{name} is for --service.", hint="Add --service.")


def service_of(
    service: bool,  # noqa: FBT001 - a flag's value
    source: str | None,
    listen: str | None,
    port: int | None,
) -> ServiceOptions | None:
    """What the options ask for."""
    if not service:
        return None
    standard = edgecnn.ServiceOptions()
    return edgecnn.ServiceOptions(
        source=source or standard.source,
        listen=listen or standard.listen,
        port=port or standard.port,
    )


def print_service(target: str, result: ServiceReport) -> None:
    """What runs now, and what the user should do."""
    from edgecnn.reporting import service as report

    console.print_pairs(report.service_pairs(result))
    for note in report.notes(target, result):
        console.print_paragraph(note, "yellow")
