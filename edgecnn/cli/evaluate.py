"""`edgecnn evaluate`: how often a network is right, and what quantizing it costs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

import edgecnn
from edgecnn.cli import completers, console
from edgecnn.cli.options import common_options, in_order, quiet_option, threads_option
from edgecnn.cli.plot import draw, plot_option
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
    ray: str | None
    shards: int | None
    plot: Path | None
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
        help="fashion-mnist; an image folder (CLASS/*.jpg, train/CLASS/ and test/CLASS/, or"
        " unlabelled); or an .npz with one array per input name, and labels.",
    ),
    click.option(
        "--task",
        type=click.Choice(("classify", "detect", "segment")),
        help="What the network does; default: classify.",
    ),
    click.option(
        "--annotations", type=_FILE, metavar="JSON", help="Bounding boxes in COCO format."
    ),
    click.option(
        "--masks",
        type=_FILE,
        metavar="DIR",
        help="Segmentation masks: PNGs of class indices, named like the images; 255 is ignored.",
    ),
    click.option(
        "--agreement",
        is_flag=True,
        help="Compare with the float model, even where there are labels.",
    ),
    click.option(
        "--against",
        type=_FILE,
        metavar="FILE|DIR",
        help="Float file to compare with; default: the float32 recipe of the same model.",
    ),
    click.option(
        "--output",
        metavar="NAME|KIND|NAME=KIND",
        help="Output to score, and what it holds: probabilities, logits or values.",
    ),
    click.option(
        "--head",
        metavar="NAME",
        help="Box encoding, e.g. yolov8; default: detected from the outputs.",
    ),
    click.option(
        "--anchors", type=_FILE, metavar="FILE", help="Anchors for --head ssd: four numbers each."
    ),
    click.option(
        "--labels",
        type=_FILE,
        metavar="FILE",
        help="Class names in the network's order, one per line.",
    ),
    click.option(
        "--above",
        type=_SHARE,
        metavar="X",
        help="Ignore boxes with a lower score.  [default: 0.001]",
    ),
    click.option(
        "--overlap",
        type=_SHARE,
        metavar="X",
        help="IoU above which boxes are merged (NMS); default: the head's.",
    ),
    click.option(
        "--fit",
        type=click.Choice(("cover", "letterbox", "stretch")),
        help="How images are fitted to the input: cropped, padded or stretched; default: as"
        " `deploy` does.",
    ),
    click.option(
        "--split",
        type=click.Choice(("test", "train")),
        default="test",
        show_default=True,
        help="Part of the data to use.",
    ),
    click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Use at most N images."),
    click.option(
        "--seed",
        type=click.IntRange(min=0),
        default=0,
        show_default=True,
        metavar="N",
        help="Seed for drawing images, and for splitting a folder that has no splits.",
    ),
    click.option("--classes", is_flag=True, help="Show results per class too."),
    *SCALING,
    threads_option("all cores"),
    click.option(
        "--ray",
        metavar="local|auto|ADDRESS",
        help="Run shards of the images as tasks of a Ray cluster; the figures are the same.",
    ),
    click.option(
        "--shards",
        type=click.IntRange(min=1),
        metavar="N",
        help="With --ray: number of tasks; default: four per core.",
    ),
    plot_option("each file's accuracy with its interval"),
    quiet_option,
    common_options,
)
# What goes to the verb under another name, or not at all.
_OWN = {"classes", "plot", "quiet", "as_json", "input_range", "mean", "std", "channel_order"}


@click.command(short_help="Measure accuracy, and what each recipe costs.")
@click.argument("path", metavar="DIR|FILE", type=click.Path(path_type=Path))
@in_order(*_OPTIONS)
def evaluate(path: Path, **flags: Unpack[_Flags]) -> None:
    """Measure the accuracy of a network.

    DIR is an artifact, a folder of artifacts (each recipe is then compared with float32, image by
    image), or the output of `edgecnn train`. FILE is a .tflite, .onnx, .keras or .h5; only Keras
    models require TensorFlow. Images are streamed from disk.

    Class folders give top-1 and top-5 accuracy, --annotations gives mean average precision (mAP) of
    boxes, --masks gives mean IoU. Unlabelled images give agreement with the float model: what
    quantization changed.
    """
    options = {name: value for name, value in flags.items() if name not in _OWN}
    with watching(quiet=flags["quiet"]) as progress:
        report = edgecnn.evaluate(
            path, progress=progress, preprocessing=preprocessing(flags), **options
        )
    if flags["as_json"]:
        from edgecnn.reporting.json_objects import evaluate_object

        console.print_json(evaluate_object(report))
    elif not flags["quiet"]:
        _print(report, classes=flags["classes"])
    draw("evaluate", report, flags["plot"], announced=not (flags["as_json"] or flags["quiet"]))


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
