"""`edgecnn predict`: the latency of a network on a device you don't have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypedDict

import click

import edgecnn
from edgecnn.cli import completers, console
from edgecnn.cli.bench_options import thread_counts
from edgecnn.cli.options import SHAPE, common_options, in_order, quiet_option
from edgecnn.cli.progress import watching
from edgecnn.recipes import RECIPES

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Unpack

    from edgecnn.latency.reports import PredictedRun, PredictReport

    AnyFunction = Callable[..., Any]


class _Flags(TypedDict):
    """The parsed command line, as click hands it over."""

    device: tuple[str, ...]
    threads: tuple[int, ...]
    float32: bool
    float16: bool
    dynamic: bool
    int8: bool
    int16x8: bool
    input_size: int | tuple[int, int] | None
    input_shapes: dict[str, tuple[int, ...]]
    width: float | None
    convolution: str | None
    classes: int | None
    explain: bool
    quiet: bool
    as_json: bool


_OPTIONS = (
    click.option(
        "--device",
        multiple=True,
        required=True,
        metavar="NAME",
        shell_complete=completers.complete_profile,
        help="A profile from `edgecnn devices`, your own .toml, or all; repeatable.",
    ),
    click.option(
        "--threads",
        default="1",
        show_default=True,
        metavar="N[,N]",
        callback=thread_counts,
        help="Thread counts to predict.",
    ),
    *(
        click.option(f"--{name}", is_flag=True, help=f"Recipe: {recipe.summary}.")
        for name, recipe in RECIPES.items()
    ),
    *SHAPE,
    click.option(
        "--classes", type=int, metavar="N", help="Number of classes; default: the model's own."
    ),
    click.option(
        "--explain",
        is_flag=True,
        help="Show where the time goes, and what would change it.",
    ),
    quiet_option,
    common_options,
)


@click.command(short_help="Predict latency and energy on devices you don't have.")
@click.argument("model", metavar="MODEL|FILE|DIR", shell_complete=completers.complete_model)
@in_order(*_OPTIONS)
def predict(model: str, **flags: Unpack[_Flags]) -> None:
    """Predict latency and energy of one inference on an ARM device, with TFLite and XNNPACK.

    Nothing is run. A model file or artifact folder is used as it is; give its open sizes with
    --input-shape or --input-size. For a name from `edgecnn models`, keras:NAME or a Keras model,
    the default recipe is --float32; keras:NAME and Keras models require TensorFlow once. Each
    prediction has an interval, and states what it is based on.
    """
    options: dict[str, Any] = {
        name: flags[name]
        for name in (
            "device",
            "threads",
            "input_size",
            "input_shapes",
            "width",
            "classes",
            "convolution",
        )
    }
    values: dict[str, object] = {**flags}
    recipes = tuple(name for name in RECIPES if values[name])
    with watching(quiet=flags["quiet"]) as progress:
        report = edgecnn.predict(
            model, recipes=recipes, explain=flags["explain"], progress=progress, **options
        )
    if flags["as_json"]:
        from edgecnn.reporting.json_objects import predict_object

        console.print_json(predict_object(report))
    elif not flags["quiet"]:
        _print(report, explain=flags["explain"])
    _warn(report)


def _print(report: PredictReport, *, explain: bool) -> None:
    from edgecnn.reporting import prediction as shown

    if not report.predictions:
        return
    console.print_paragraph(shown.heading(report), "bold")
    console.print_table(shown.predictions_table(report.predictions))
    for line in shown.legend(report):
        console.print_paragraph(line, "dim")
    if explain:
        for run in report.predictions:
            _explain(run)


def _explain(run: PredictedRun) -> None:
    from edgecnn.reporting import prediction as shown

    console.print_line()
    console.print_line(shown.title(run), "bold")
    console.print_paragraph(shown.bottleneck(run))
    console.print_table(shown.kinds_table(run))
    if run.changes:
        console.print_line()
        console.print_line("What would change it:")
        console.print_table(shown.changes_table(run))


def _warn(report: PredictReport) -> None:
    from edgecnn.reporting.prediction import warning_lines

    for line in warning_lines(report):
        console.warn(line)
    for note in report.notes:
        console.say("note", note, style="bold")
