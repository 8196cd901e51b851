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
    task: Literal["classify", "detect", "segment"] | None
    annotations: Path | None
    masks: Path | None
    agreement: bool
    against: Path | None
    output: str | None
    head: str | None
    anchors: Path | None
    labels: Path | None
    above: float | None
    overlap: float | None
    fit: str | None
    split: Literal["train", "test"]
    limit: int | None
    seed: int
    classes: bool
    threads: int | None
    quiet: bool
    as_json: bool


_FILE = click.Path(path_type=Path)
_SHARE = click.FloatRange(0, 1)
_OPTIONS: tuple[AnyOption, ...] = (
    click.option(
        "--data",
        required=True,
        metavar="NAME|DIR|FILE.npz",
        shell_complete=completers.complete_calibration,
        help="fashion-mnist; a folder: CLASS/*.jpg, or train/CLASS/ and test/CLASS/, or pictures"
        " without labels; or an array for each input by its name, and labels.",
    ),
    click.option(
        "--task",
        type=click.Choice(("classify", "detect", "segment")),
        help="What the network does; classify by default.",
    ),
    click.option(
        "--annotations", type=_FILE, metavar="JSON", help="Boxes of the pictures, as COCO has them."
    ),
    click.option(
        "--masks",
        type=_FILE,
        metavar="DIR",
        help="Masks of the pictures: PNGs of class indices with their names; 255 does not count.",
    ),
    click.option(
        "--agreement",
        is_flag=True,
        help="Compare with the float model, labels or not; as without labels.",
    ),
    click.option(
        "--against",
        type=_FILE,
        metavar="FILE|DIR",
        help="The float file to agree with; by default the float32 recipe beside.",
    ),
    click.option(
        "--output",
        metavar="NAME|KIND|NAME=KIND",
        help="The output that is scored; and what its numbers are: probabilities, logits, values.",
    ),
    click.option(
        "--head", metavar="NAME", help="How boxes are written, such as yolov8; recognized."
    ),
    click.option(
        "--anchors", type=_FILE, metavar="FILE", help="For --head ssd: four numbers for each."
    ),
    click.option(
        "--labels",
        type=_FILE,
        metavar="FILE",
        help="Names of the network's classes in their order, one a line.",
    ),
    click.option(
        "--above", type=_SHARE, metavar="X", help="Leave out boxes of a lower score.  [0.001]"
    ),
    click.option(
        "--overlap", type=_SHARE, metavar="X", help="Boxes that overlap more are one; the head's."
    ),
    click.option(
        "--fit",
        type=click.Choice(("cover", "letterbox", "stretch")),
        help="How pictures are brought to the input's size: cropped, with borders, or stretched;"
        " as `deploy` does it by default.",
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
    click.option("--classes", is_flag=True, help="Show each class too."),
    *SCALING,
    threads_option("all cores"),
    quiet_option,
    common_options,
)
# What goes to the verb under another name, or not at all.
_OWN = {"classes", "quiet", "as_json", "input_range", "mean", "std", "channel_order"}


@click.command(short_help="Measure accuracy, and what each recipe costs of it.")
@click.argument("path", metavar="DIR|FILE", type=click.Path(path_type=Path))
@in_order(*_OPTIONS)
def evaluate(path: Path, **flags: Unpack[_Flags]) -> None:
    """Measure how often a network is right, with all cores.

    DIR is an artifact, or a folder of artifacts whose recipes are then compared with float32 image
    by image; or what `edgecnn train` wrote. FILE is a .tflite, .onnx, .keras or .h5; Keras models
    need TensorFlow once, nothing else does. Images are read as they are needed.

    Images in folders of classes give accuracy, --annotations mean average precision of boxes,
    --masks the overlap of masks. Pictures without labels give the agreement with the float model:
    what quantizing changed.
    """
    given = {name: value for name, value in flags.items() if name not in _OWN}
    with watching(quiet=flags["quiet"]) as progress:
        report = edgecnn.evaluate(
            path, progress=progress, preprocessing=preprocessing(flags), **given
        )
    if flags["as_json"]:
        from edgecnn.reporting.json_objects import evaluate_object

        console.print_json(evaluate_object(report))
    elif not flags["quiet"]:
        _print(report, classes=flags["classes"])


def _print(report: EvaluateReport, *, classes: bool) -> None:
    from edgecnn.reporting import evaluation as shown

    console.print_paragraph(shown.heading(report), "bold")
    for table in shown.tables(report):
        console.print_table(table)
    if report.agreements:
        console.print_paragraph(shown.agreement_sentence(report))
    if report.differences:
        console.print_line()
        console.print_line("Against float32, image by image:", "bold")
        console.print_table(shown.difference_table(report))
        console.print_paragraph(shown.difference_sentence(report.differences))
    by_class = shown.classes_table(report) if classes else None
    if by_class is not None:
        console.print_line()
        console.print_table(by_class)
    for note in report.notes:
        console.say("note", note, style="bold")
