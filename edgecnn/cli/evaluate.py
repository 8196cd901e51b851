"""`edgecnn evaluate`: how often a network is right, and what quantizing it costs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

import edgecnn
from edgecnn.cli import completers, console
from edgecnn.cli.options import common_options, in_order, quiet_option, threads_option
from edgecnn.cli.progress import watching
from edgecnn.cli.scaling_options import SCALING, ScalingFlags, preprocessing

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Unpack

    from edgecnn.evaluating import EvaluateReport

    AnyFunction = Callable[..., Any]
    AnyOption = Callable[[Any], Any]


class _Flags(ScalingFlags):
    """The parsed command line, as click hands it over."""

    data: str
    split: Literal["train", "test"]
    limit: int | None
    seed: int
    classes: bool
    threads: int | None
    quiet: bool
    as_json: bool


_OPTIONS: tuple[AnyOption, ...] = (
    click.option(
        "--data",
        required=True,
        metavar="NAME|DIR",
        shell_complete=completers.complete_calibration,
        help="fashion-mnist, or a folder: CLASS/*.jpg, or train/CLASS/ and test/CLASS/.",
    ),
    click.option(
        "--split",
        type=click.Choice(("test", "train")),
        default="test",
        show_default=True,
        help="Which part of the data.",
    ),
    click.option(
        "--limit", type=click.IntRange(min=1), metavar="N", help="At most so many images."
    ),
    click.option(
        "--seed",
        type=click.IntRange(min=0),
        default=0,
        show_default=True,
        metavar="N",
        help="Draws them, and divides a folder that is not divided.",
    ),
    click.option("--classes", is_flag=True, help="Show the accuracy of each class too."),
    *SCALING,
    threads_option("all cores"),
    quiet_option,
    common_options,
)


@click.command(short_help="Measure accuracy, and what each recipe costs of it.")
@click.argument("path", metavar="DIR|FILE", type=click.Path(path_type=Path))
@in_order(*_OPTIONS)
def evaluate(path: Path, **flags: Unpack[_Flags]) -> None:
    """Measure how often a network is right on labelled images, with all cores.

    DIR is an artifact, or a folder of artifacts whose recipes are then compared with float32 image
    by image; or what `edgecnn train` wrote. FILE is a .tflite, .onnx, .keras or .h5; Keras models
    need TensorFlow once, nothing else does. Images are read as they are needed.
    """
    with watching(quiet=flags["quiet"]) as progress:
        report = edgecnn.evaluate(
            path,
            data=flags["data"],
            split=flags["split"],
            limit=flags["limit"],
            seed=flags["seed"],
            threads=flags["threads"],
            preprocessing=preprocessing(flags),
            progress=progress,
        )
    if flags["as_json"]:
        from edgecnn.reporting.json_objects import evaluate_object

        console.print_json(evaluate_object(report))
    elif not flags["quiet"]:
        _print(report, classes=flags["classes"])


def _print(report: EvaluateReport, *, classes: bool) -> None:
    from edgecnn.reporting import evaluation as shown

    console.print_paragraph(shown.heading(report), "bold")
    console.print_table(shown.evaluation_table(report))
    if report.differences:
        console.print_line()
        console.print_line("Against float32, image by image:", "bold")
        console.print_table(shown.difference_table(report))
        console.print_paragraph(shown.difference_sentence(report.differences))
    if classes:
        console.print_line()
        console.print_table(shown.classes_table(report))
    for note in report.notes:
        console.say("note", note, style="bold")
