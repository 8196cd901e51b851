"""`edgecnn export`: the main job."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import edgecnn
from edgecnn.cli import completers, console, export_request
from edgecnn.cli.group import HintedUsageError
from edgecnn.cli.options import (
    SHAPE,
    common_options,
    in_order,
    output_kinds,
    quiet_option,
    threads_option,
)
from edgecnn.cli.plot import draw, plot_option
from edgecnn.cli.progress import Timed, watching
from edgecnn.cli.scaling_options import SCALING
from edgecnn.recipes import RECIPES

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Unpack

    from edgecnn.accuracy_budget import BudgetedExport
    from edgecnn.exporting import ExportResult

    AnyFunction = Callable[..., Any]

# Of what was asked for something cannot be had; the rest was written.
NOT_ALL = 1

_WHAT = (
    click.option("--all", "every", is_flag=True, help="All recipes above."),
    click.option(
        "--format",
        type=click.Choice(("tflite", "onnx", "both")),
        default="both",
        show_default=True,
        help="File formats to write.",
    ),
    click.option(
        "--weights",
        metavar="W",
        shell_complete=completers.complete_weights,
        help="random (default), imagenet (for keras:NAME), or a weights file.",
    ),
    click.option(
        "--classes", type=int, metavar="N", help="Number of classes; default: the model's own."
    ),
    *SHAPE,
    click.option(
        "--seed",
        type=int,
        default=0,
        show_default=True,
        metavar="N",
        help="Seed for random weights and for drawing images.",
    ),
    click.option(
        "--output",
        "outputs",
        multiple=True,
        metavar="[NAME=]KIND",
        callback=output_kinds,
        help="What an output of your own model holds: probabilities, logits or values.",
    ),
    click.option(
        "--strict",
        is_flag=True,
        help="Reject a quantized file if any of its operators stay float.",
    ),
    click.option(
        "--io",
        type=click.Choice(("float32", "int8", "uint8")),
        help="Input and output type of the int8 .tflite; default: int8.",
    ),
)
_CALIBRATION = (
    click.option(
        "--calibration",
        metavar="SOURCE",
        shell_complete=completers.complete_calibration,
        help="Representative dataset: an image folder, an .npz of inputs, or fashion-mnist;"
        " default: bundled photographs.",
    ),
    click.option(
        "--calibration-samples",
        type=click.IntRange(min=1),
        default=100,
        show_default=True,
        metavar="N",
        help="Number of samples to measure activation ranges on.",
    ),
    click.option(
        "--calibration-method",
        type=click.Choice(("auto", "minmax", "percentile", "mse")),
        help="How activation ranges are chosen.  [default: auto]",
    ),
    click.option(
        "--min-snr",
        metavar="SNR",
        help="Keep as few layers of the int8 .tflite in float32 as needed to reach this SNR of the"
        " logits, e.g. 25dB.",
    ),
    *SCALING,
)
_FILE = click.Path(path_type=Path)
_BUDGET = (
    click.option(
        "--max-drop",
        type=float,
        metavar="POINTS",
        help="Accuracy that int8 may lose on --data, in percentage points of top-1, mAP or mIoU;"
        " without labels, of agreement with the float model. Layers stay in float32 as needed.",
    ),
    click.option(
        "--data",
        metavar="NAME|DIR|FILE.npz",
        shell_complete=completers.complete_calibration,
        help="For --max-drop: what `edgecnn evaluate --data` takes.",
    ),
    click.option(
        "--task",
        type=click.Choice(("classify", "detect", "segment")),
        help="For --max-drop: what the network does; classify by default.",
    ),
    click.option(
        "--annotations", type=_FILE, metavar="JSON", help="For --max-drop: boxes in COCO's format."
    ),
    click.option(
        "--masks", type=_FILE, metavar="DIR", help="For --max-drop: PNGs of class indices."
    ),
    click.option(
        "--limit",
        type=click.IntRange(min=1),
        metavar="N",
        help="For --max-drop: evaluate at most N images.",
    ),
)
_WHERE = (
    click.option(
        "--out",
        type=click.Path(path_type=Path),
        metavar="DIR",
        help="Output folder, with one folder per recipe; default: artifacts/MODEL.",
    ),
    threads_option("all cores"),
    plot_option("size and SNR by recipe and format"),
    quiet_option,
    click.option("--verbose", "-v", is_flag=True, help="Show how long each stage took."),
    common_options,
)


def _recipe_flags() -> tuple[Callable[[AnyFunction], AnyFunction], ...]:
    return tuple(
        click.option(f"--{name}", is_flag=True, help=f"Recipe: {recipe.summary}.")
        for name, recipe in RECIPES.items()
    )


class _ExportCommand(click.Command):
    """Knows what was meant by a recipe without its dashes: `export xception int8`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse as click does, with a hint."""
        bare = next((name for name in args[1:] if name in RECIPES), None)
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            if bare is None or "unexpected extra argument" not in error.message:
                raise
            raise HintedUsageError(
                error.message, hint=f"Did you mean --{bare}?", context=ctx
            ) from error


@click.command(
    cls=_ExportCommand, short_help="Build or load MODEL, quantize it, write .tflite and .onnx."
)
@click.argument("model", shell_complete=completers.complete_model)
@in_order(*_recipe_flags(), *_WHAT, *_CALIBRATION, *_BUDGET, *_WHERE)
def export(model: str, **flags: Unpack[export_request.Flags]) -> None:
    """Export MODEL to .tflite and .onnx, and verify each file against the float model.

    MODEL is a name from `edgecnn models`, keras:NAME for any network in keras.applications, or a
    path (.keras, .h5, a SavedModel folder, a float .onnx or .tflite). The default recipe is --int8.

    Each recipe gets a folder with model.tflite, model.onnx, manifest.json and reference.npz. Every
    file is read back and compared with the float model; one that does not match its recipe is
    rejected.
    """
    options = export_request.api_options(model, flags)
    budget = export_request.budget_options(flags)
    _say_what_was_chosen(flags)
    budgeted: BudgetedExport | None = None
    with watching(quiet=flags["quiet"]) as watcher:
        progress = Timed(watcher)
        if budget is None:
            result = edgecnn.export(model, progress=progress, **options)
        else:
            budgeted = edgecnn.export_within(model, progress=progress, **budget, **options)
            result = budgeted.result
    if flags["verbose"]:
        for line in progress.lines():
            console.say("", line)
    from edgecnn.reporting import export as report

    if flags["as_json"]:
        from edgecnn.reporting.json_objects import export_object

        console.print_json(export_object(result, budgeted))
    elif not flags["quiet"]:
        _print(result, budgeted)
    draw("export", result, flags["plot"], announced=not (flags["as_json"] or flags["quiet"]))
    for refusal in result.refused:
        console.say("rejected", report.refusal_text(refusal), style="bold red")
    if result.refused:
        raise click.exceptions.Exit(NOT_ALL)


def _say_what_was_chosen(flags: export_request.Flags) -> None:
    if flags["quiet"]:
        return
    if not flags["every"] and not export_request.named_recipes(flags):
        recipe = RECIPES[export_request.DEFAULT_RECIPE]
        console.say("", f"No recipe given; using --{recipe.name} ({recipe.summary}).")
    for name in export_request.left_out(flags):
        only = ", ".join(RECIPES[name].formats)
        console.say("note", f"{name} is skipped: it is available as {only} only.", style="bold")


def _print(result: ExportResult, budgeted: BudgetedExport | None) -> None:
    from edgecnn.reporting import export as report

    console.print_table(report.export_table(result))
    if outputs := report.outputs_table(result):
        console.print_line()
        console.print_table(outputs)
    console.print_paragraph(report.parity_basis(result), "dim")
    for paragraph in report.float_operators(result):
        console.print_line()
        console.print_paragraph(paragraph)
    if caution := report.weights_caution(result):
        console.print_line()
        console.print_paragraph(caution, "yellow")
    for paragraph in report.mixed_paragraphs(result):
        console.print_line()
        console.print_paragraph(paragraph)
    for paragraph in report.budget_paragraphs(budgeted):
        console.print_line()
        console.print_paragraph(paragraph)
    console.print_line()
    for artifact in result.artifacts:
        console.print_line(f"Wrote {artifact.folder}")
    console.print_line("Next:")
    for command in report.next_commands(result):
        console.print_line(f"  {command}", "bold")
