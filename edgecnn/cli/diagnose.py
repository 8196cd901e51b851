"""`edgecnn diagnose`: where a quantized file departs from float, and why."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypedDict

import click

import edgecnn
from edgecnn.cli import completers, console
from edgecnn.cli.group import HintedUsageError
from edgecnn.cli.options import common_options, quiet_option, threads_option
from edgecnn.cli.progress import watching

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from edgecnn.diagnosing import Diagnosis
    from edgecnn.records import Preprocessing


class _Flags(TypedDict):
    """The parsed command line, as click hands it over."""

    against: Path | None
    data: str | None
    samples: int
    every: bool
    input_range: str | None
    mean: str | None
    std: str | None
    channel_order: Literal["RGB", "BGR"] | None
    threads: int | None
    quiet: bool
    as_json: bool


@click.command(short_help="Show layer by layer where a quantized file departs from float, and why.")
@click.argument("path", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--against",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The float .tflite; ../float32/model.tflite, else the one in the cache, by default.",
)
@click.option(
    "--data",
    metavar="SOURCE",
    shell_complete=completers.complete_calibration,
    help="A folder of images, an .npz of inputs, or fashion-mnist; the artifact's reference images"
    " by default.",
)
@click.option(
    "--samples",
    type=click.IntRange(min=1),
    default=64,
    show_default=True,
    metavar="N",
    help="How many images, at most.",
)
@click.option("--all", "every", is_flag=True, help="Every layer, not only the worst.")
@click.option(
    "--input-range",
    metavar="LOW,HIGH",
    help="For a file without a manifest: the range pixels are scaled to, such as -1,1.",
)
@click.option("--mean", metavar="M[,M,M]", help="Or: the mean pixels are reduced by ...")
@click.option("--std", metavar="S[,S,S]", help="... and divided by, both for pixels 0..255.")
@click.option(
    "--channel-order", type=click.Choice(("RGB", "BGR")), help="The order of its channels."
)
@threads_option("all cores")
@quiet_option
@common_options
def diagnose(path: Path, **flags: Unpack[_Flags]) -> None:
    """Show layer by layer where a quantized .tflite departs from float, and the likely causes.

    DIR is an artifact folder, or a .tflite whoever wrote it (with --against and --data). Each cause
    comes with the command that fixes it. Needs no TensorFlow.
    """
    preprocessing = _preprocessing(flags)
    with watching(quiet=flags["quiet"]) as progress:
        found = edgecnn.diagnose(
            path,
            float_file=flags["against"],
            data=flags["data"],
            samples=flags["samples"],
            preprocessing=preprocessing,
            threads=flags["threads"],
            progress=progress,
        )
    if flags["as_json"]:
        from edgecnn.reporting.diagnosis import diagnosis_object

        console.print_json(diagnosis_object(found))
    elif not flags["quiet"]:
        _print(found, every=flags["every"])


def _preprocessing(flags: _Flags) -> Preprocessing | None:
    from edgecnn.calibration.preprocessing import parse_preprocessing

    order = flags["channel_order"]
    parsed = parse_preprocessing(
        input_range=flags["input_range"],
        mean=flags["mean"],
        std=flags["std"],
        channel_order=order or "RGB",
    )
    if parsed is None and order is not None:
        raise HintedUsageError(
            "--channel-order alone does not say how pixels are scaled.",
            hint="Add --input-range LOW,HIGH, or --mean and --std.",
        )
    return parsed


def _print(found: Diagnosis, *, every: bool) -> None:
    from edgecnn.reporting import diagnosis as report
    from edgecnn.reporting.text import printable_lines

    console.print_line(printable_lines(found.file), "bold")
    for line in report.summary_lines(found):
        console.print_line(line)
    console.print_line()
    console.print_table(report.layers_table(found, every=every))
    console.print_paragraph(report.basis(found, every=every), "dim")
    console.print_line()
    for cause in found.causes:
        console.print_line(report.cause_title(cause), "bold yellow")
        console.print_paragraph(printable_lines(f"  {cause.finding}"))
        console.print_line(f"  {cause.command}", "bold")
    if not found.causes:
        console.print_paragraph(report.no_cause(found), "green")
        if found.next_command:
            console.print_line(f"  {found.next_command}", "bold")
