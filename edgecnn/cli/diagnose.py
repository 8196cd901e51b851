"""`edgecnn diagnose`: where a quantized file departs from float, and why."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

import edgecnn
from edgecnn.cli import completers, console
from edgecnn.cli.options import common_options, in_order, quiet_option, threads_option
from edgecnn.cli.progress import watching
from edgecnn.cli.scaling_options import SCALING, ScalingFlags, preprocessing

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from edgecnn.diagnosing import Diagnosis


class _Flags(ScalingFlags):
    """The parsed command line, as click hands it over."""

    file_format: str | None
    against: Path | None
    data: str | None
    samples: int
    every: bool
    threads: int | None
    quiet: bool
    as_json: bool


@click.command(short_help="Find the layers where quantization loses accuracy, and why.")
@click.argument("path", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "file_format",
    type=click.Choice(["tflite", "onnx"]),
    help="Which file of DIR; default: the .tflite where there is one.",
)
@click.option(
    "--against",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Float file of the same format to compare with; default: ../float32/model.*, else the"
    " cached one.",
)
@click.option(
    "--data",
    metavar="SOURCE",
    shell_complete=completers.complete_calibration,
    help="An image folder, an .npz of inputs, or fashion-mnist; default: the artifact's reference"
    " inputs.",
)
@click.option(
    "--samples",
    type=click.IntRange(min=1),
    default=64,
    show_default=True,
    metavar="N",
    help="Use at most N samples.",
)
@click.option("--all", "every", is_flag=True, help="Show all layers, not only the worst.")
@in_order(*SCALING)
@threads_option("all cores")
@quiet_option
@common_options
def diagnose(path: Path, **flags: Unpack[_Flags]) -> None:
    """Find the layers where a quantized .tflite or .onnx departs from float, and the likely causes.

    DIR is an artifact folder, or any .tflite or .onnx (with --against and --data). Each cause comes
    with a command that fixes it. Works without TensorFlow.
    """
    scaling = preprocessing(flags)
    with watching(quiet=flags["quiet"]) as progress:
        diagnosis = edgecnn.diagnose(
            path,
            file_format=flags["file_format"],
            float_file=flags["against"],
            data=flags["data"],
            samples=flags["samples"],
            preprocessing=scaling,
            threads=flags["threads"],
            progress=progress,
        )
    if flags["as_json"]:
        from edgecnn.reporting.diagnosis import diagnosis_object

        console.print_json(diagnosis_object(diagnosis))
    elif not flags["quiet"]:
        _print(diagnosis, every=flags["every"])


def _print(diagnosis: Diagnosis, *, every: bool) -> None:
    from edgecnn.reporting import diagnosis as report

    console.print_line(diagnosis.file, "bold")
    for line in report.summary_lines(diagnosis):
        console.print_line(line)
    console.print_line()
    console.print_table(report.layers_table(diagnosis, every=every))
    console.print_paragraph(report.basis(diagnosis, every=every), "dim")
    console.print_line()
    for cause in diagnosis.causes:
        console.print_line(report.cause_title(cause), "bold yellow")
        console.print_paragraph(f"  {cause.finding}")
        console.print_line(f"  {cause.command}", "bold")
    if not diagnosis.causes:
        console.print_paragraph(report.no_cause(diagnosis), "green")
        if diagnosis.next_command:
            console.print_line(f"  {diagnosis.next_command}", "bold")
