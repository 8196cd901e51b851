"""`edgecnn deploy`: a network with all it needs, to a device or into a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypedDict

import click

import edgecnn
from edgecnn.cli import console
from edgecnn.cli.group import HintedUsageError
from edgecnn.cli.options import common_options, quiet_option
from edgecnn.cli.progress import watching

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from edgecnn.deploying import Bundle, Deployment, TaskOptions

_MACHINES = ("aarch64", "armv7l", "x86_64")
_TASKS = ("classify", "detect", "segment", "none")
_DEFAULT_MACHINE, _DEFAULT_PYTHON = "aarch64", "3.11"


class _Flags(TypedDict):
    """The options, as click hands them over."""

    to: str | None
    task: str | None
    labels: Path | None
    head: str | None
    anchors: Path | None
    output: str | None
    bundle: Path | None
    machine: str | None
    python: str | None
    quiet: bool
    as_json: bool


@click.command(short_help="Put an artifact on a device, or into a file for one.")
@click.argument("artifact", type=click.Path(path_type=Path))
@click.argument("target", required=False)
@click.option(
    "--to",
    metavar="PATH",
    help="The folder there, beginning at the user's home; ~/edgecnn/MODEL-RECIPE by default.",
)
@click.option(
    "--task",
    type=click.Choice(_TASKS),
    help="What the outputs mean; by default classes, where that is known.",
)
@click.option(
    "--labels",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="One label a line, in the order of the classes; they are numbered by default.",
)
@click.option(
    "--output",
    metavar="NAME",
    help="Of several outputs, the one that tells the class or the mask.",
)
@click.option(
    "--head",
    metavar="NAME",
    help="With --task detect: how the boxes are written, such as yolov8; recognized by default.",
)
@click.option(
    "--anchors",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="With --head ssd or ssd-xy: four numbers for each anchor.",
)
@click.option(
    "--bundle",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write it all into this .tar.gz instead of sending it.",
)
@click.option(
    "--machine",
    type=click.Choice(_MACHINES),
    help=f"With --bundle: the device's machine.  [default: {_DEFAULT_MACHINE}]",
)
@click.option(
    "--python",
    metavar="VERSION",
    help=f"With --bundle: the device's Python.  [default: {_DEFAULT_PYTHON}]",
)
@quiet_option
@common_options
def deploy(artifact: Path, target: str | None, **flags: Unpack[_Flags]) -> None:
    """Put the .tflite of ARTIFACT on TARGET, with a program that runs it on pictures or arrays.

    TARGET is ssh://user@host[:port]. The folder there holds the network, its runtime, labels, a
    README and `run`, which prints classes, boxes or masks; nothing but Python 3.9 or newer must be
    there. The new release has to give every output there that this machine computes before it
    takes the place of the old one. With --bundle FILE the same goes into an archive to carry over.
    """
    file = flags["bundle"]
    if target is not None and file is None:
        _refuse(flags, "machine", "python", reason="the device says it itself")
        _deploy(artifact, target, flags)
    elif file is not None and target is None:
        _refuse(flags, "to", reason="with --bundle nothing is sent")
        _bundle(artifact, file, flags)
    else:
        both = file is not None
        raise HintedUsageError(
            "A device and --bundle are both named." if both else "Where to is not said.",
            hint="edgecnn deploy DIR ssh://pi@raspberrypi.local, or edgecnn deploy DIR --bundle"
            " FILE.tar.gz",
        )


def _refuse(flags: _Flags, *names: Literal["machine", "python", "to"], reason: str) -> None:
    for name in names:
        if flags[name] is not None:
            raise HintedUsageError(
                f"--{name} does not belong here: {reason}.", hint="Leave it out."
            )


def _deploy(artifact: Path, target: str, flags: _Flags) -> None:
    with watching(quiet=flags["quiet"]) as progress:
        result = edgecnn.deploy(
            artifact, target, to=flags["to"], task=_task(flags), progress=progress
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
    console.print_line("There:")
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

    console.print_line(f"Written: {result.path}", "bold")
    console.print_pairs(report.bundle_pairs(result))
    _print_cautions((*report.cautions(result), result.needs))
    console.print_line("On the device:")
    for command in report.use_bundle(result):
        console.print_line(f"  {command}", "bold")
