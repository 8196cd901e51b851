"""`edgecnn deploy`: a network with all it needs, to a device or into a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypedDict

import click

import edgecnn
from edgecnn.cli import console
from edgecnn.cli.bench_print import DEVICE_FAILED, print_failures
from edgecnn.cli.group import HintedUsageError
from edgecnn.cli.options import common_options, in_order, quiet_option
from edgecnn.cli.progress import watching
from edgecnn.cli.service_options import (
    SERVICE_OPTIONS,
    print_service,
    refuse_stray,
    service_of,
)

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from edgecnn.deploying import Bundle, Deployment, TaskOptions

_MACHINES = ("aarch64", "armv7l", "x86_64")
_TASKS = ("classify", "detect", "segment", "none")
_DEFAULT_MACHINE, _DEFAULT_PYTHON = "aarch64", "3.11"


class _Flags(TypedDict):
    """The options, as click hands them over."""

    on: tuple[str, ...]
    first: int
    status: bool
    to: str | None
    task: str | None
    labels: Path | None
    head: str | None
    anchors: Path | None
    output: str | None
    service: bool
    source: str | None
    listen: str | None
    port: int | None
    bundle: Path | None
    machine: str | None
    python: str | None
    quiet: bool
    as_json: bool


@click.command(short_help="Install an artifact on a device, or bundle it for one.")
@click.argument("artifact", required=False, type=click.Path())
@click.argument("target", required=False)
@click.option(
    "--on",
    multiple=True,
    metavar="DEVICE",
    help="Roll out to several devices: targets, or @FARM.toml[:GROUP]; repeatable.",
)
@click.option(
    "--first",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    metavar="N",
    help="With several devices: how many must prove themselves before the others begin.",
)
@click.option(
    "--status", is_flag=True, help="Instead: list what runs on each DEVICE; nothing is sent."
)
@click.option(
    "--to",
    metavar="PATH",
    help="Folder on the device, relative to the home folder; default: edgecnn/MODEL-RECIPE.",
)
@click.option(
    "--task",
    type=click.Choice(_TASKS),
    help="What the outputs mean; default: classify, if the outputs are class scores.",
)
@click.option(
    "--labels",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Class names in the network's order, one per line; default: numbers.",
)
@click.option(
    "--output",
    metavar="NAME",
    help="The output with the class or the mask, if there are several.",
)
@click.option(
    "--head",
    metavar="NAME",
    help="With --task detect: the box encoding, e.g. yolov8; default: detected from the outputs.",
)
@click.option(
    "--anchors",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="With --head ssd or ssd-xy: four numbers per anchor.",
)
@in_order(*SERVICE_OPTIONS)
@click.option(
    "--bundle",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write a .tar.gz to copy over yourself, instead of installing over SSH.",
)
@click.option(
    "--machine",
    type=click.Choice(_MACHINES),
    help=f"With --bundle: the device's architecture.  [default: {_DEFAULT_MACHINE}]",
)
@click.option(
    "--python",
    metavar="VERSION",
    help=f"With --bundle: the device's Python version.  [default: {_DEFAULT_PYTHON}]",
)
@quiet_option
@common_options
@click.pass_context
def deploy(
    context: click.Context, artifact: str | None, target: str | None, **flags: Unpack[_Flags]
) -> None:
    """Install the .tflite of ARTIFACT on TARGET, with a program that runs it on images or arrays.

    TARGET is ssh://user@host[:port]. The installed folder is self-contained: network, runtime,
    labels, a README and `run`, which prints classes, boxes or masks. The device needs only Python
    3.9 or newer. A new release replaces the old one only if its outputs on the device match this
    machine's. --bundle FILE writes an archive to copy over yourself.

    With --on, or a TARGET of @FARM.toml[:GROUP], it goes to several devices: a few first, then the
    others, and to no more of them after one on which it did not prove itself. Exit code 3 if a
    device failed or was not reached. `deploy --status DEVICE` lists what runs on each.
    """
    if flags["status"]:
        _status(context, [*filter(None, (artifact, target)), *flags["on"]], flags)
        return
    if artifact is None:
        raise HintedUsageError(
            "No ARTIFACT is given.", hint="edgecnn deploy DIR ssh://pi@raspberrypi.local"
        )
    refuse_stray(flags["service"], flags["bundle"], flags["source"], flags["listen"], flags["port"])
    file, names = flags["bundle"], [*filter(None, (target,)), *flags["on"]]
    if names and file is None:
        _refuse(flags, "machine", "python", reason="it is read from the device")
        if len(names) > 1 or names[0].startswith("@"):
            if flags["service"]:
                raise HintedUsageError(
                    "--service is for one device.", hint="Deploy to each of them."
                )
            _roll_out(context, Path(artifact), names, flags)
        else:
            _deploy(Path(artifact), names[0], flags)
    elif file is not None and not names:
        _refuse(flags, "to", reason="with --bundle nothing is installed")
        _bundle(Path(artifact), file, flags)
    else:
        both = file is not None
        raise HintedUsageError(
            "TARGET and --bundle exclude each other."
            if both
            else "No TARGET and no --bundle given.",
            hint="edgecnn deploy DIR ssh://pi@raspberrypi.local, or edgecnn deploy DIR --bundle"
            " FILE.tar.gz",
        )


def _refuse(flags: _Flags, *names: Literal["machine", "python", "to"], reason: str) -> None:
    for name in names:
        if flags[name] is not None:
            raise HintedUsageError(f"--{name} cannot be used here: {reason}.", hint="Remove it.")


def _status(context: click.Context, names: list[str], flags: _Flags) -> None:
    with watching(quiet=flags["quiet"]) as progress:
        report = edgecnn.deployed(names, to=flags["to"], progress=progress)
    if flags["as_json"]:
        from edgecnn.reporting.deployment import status_object

        console.print_json(status_object(report))
    elif not flags["quiet"]:
        from edgecnn.reporting import farm

        console.print_table(farm.status_table(report))
    print_failures(report.failures)
    if report.failures:
        context.exit(DEVICE_FAILED)


def _roll_out(context: click.Context, artifact: Path, names: list[str], flags: _Flags) -> None:
    with watching(quiet=flags["quiet"]) as progress:
        report = edgecnn.roll_out(
            artifact,
            names,
            first=flags["first"],
            to=flags["to"],
            task=_task(flags),
            progress=progress,
        )
    if flags["as_json"]:
        from edgecnn.reporting.deployment import rollout_object

        console.print_json(rollout_object(report))
    elif not flags["quiet"]:
        from edgecnn.reporting import farm

        console.print_table(farm.rollout_table(report))
        console.print_paragraph(farm.rollout_sentence(report), "bold")
    for rolled in report.devices:
        if rolled.message:
            console.say("error", rolled.message, style="bold red")
            console.say("", rolled.hint)
    if not report.complete:
        context.exit(DEVICE_FAILED)


def _deploy(artifact: Path, target: str, flags: _Flags) -> None:
    with watching(quiet=flags["quiet"]) as progress:
        result = edgecnn.deploy(
            artifact,
            target,
            to=flags["to"],
            task=_task(flags),
            service=service_of(flags["service"], flags["source"], flags["listen"], flags["port"]),
            progress=progress,
        )
    if flags["as_json"]:
        from edgecnn.reporting.deployment import deployment_object

        console.print_json(deployment_object(result))
    elif not flags["quiet"]:
        _print_deployment(result)


def _task(flags: _Flags) -> TaskOptions:
    return edgecnn.TaskOptions(
        task=flags["task"],
        labels=flags["labels"],
        head=flags["head"],
        anchors=flags["anchors"],
        output=flags["output"],
    )


def _print_deployment(result: Deployment) -> None:
    from edgecnn.reporting import deployment as report

    console.print_line(f"Deployed: {result.folder}", "bold")
    console.print_pairs(report.deployment_pairs(result))
    _print_cautions(report.cautions(result))
    if result.service is not None:
        print_service(result.target, result.service)
        return
    console.print_line("Run it there:")
    console.print_line(f"  {report.use_deployment(result)}", "bold")


def _print_cautions(cautions: tuple[str, ...]) -> None:
    for caution in filter(None, cautions):
        console.print_paragraph(caution, "yellow")


def _bundle(artifact: Path, file: Path, flags: _Flags) -> None:
    with watching(quiet=flags["quiet"]) as progress:
        result = edgecnn.bundle(
            artifact,
            file,
            machine=flags["machine"] or _DEFAULT_MACHINE,
            python=flags["python"] or _DEFAULT_PYTHON,
            task=_task(flags),
            progress=progress,
        )
    if flags["as_json"]:
        from edgecnn.reporting.deployment import bundle_object

        console.print_json(bundle_object(result))
    elif not flags["quiet"]:
        _print_bundle(result)


def _print_bundle(result: Bundle) -> None:
    from edgecnn.reporting import deployment as report

    console.print_line(f"Wrote {result.path}", "bold")
    console.print_pairs(report.bundle_pairs(result))
    _print_cautions((*report.cautions(result), result.needs))
    console.print_line("On the device:")
    for command in report.use_bundle(result):
        console.print_line(f"  {command}", "bold")
