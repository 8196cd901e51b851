"""`edgecnn train`: give a network weights that answer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

import edgecnn
from edgecnn.cli import completers, console
from edgecnn.cli.options import VARIANT, common_options, in_order, quiet_option
from edgecnn.cli.progress import watching
from edgecnn.cli.scaling_options import SCALING, ScalingFlags, preprocessing

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Unpack

    from edgecnn.training import TrainResult

    AnyFunction = Callable[..., Any]


class _Flags(ScalingFlags):
    """The parsed command line, as click hands it over."""

    data: str
    epochs: int
    samples: int | None
    test_samples: int | None
    batch_size: int
    learning_rate: float
    seed: int
    weights: str | None
    input_size: int | None
    width: float | None
    convolution: Literal["separable", "normal"] | None
    out: Path | None
    quiet: bool
    as_json: bool


_OPTIONS: tuple[Callable[[Any], Any], ...] = (
    click.option(
        "--data",
        required=True,
        metavar="NAME|DIR",
        shell_complete=completers.complete_calibration,
        help="fashion-mnist, or a folder: CLASS/*.jpg, or train/CLASS/ and test/CLASS/.",
    ),
    click.option(
        "--epochs",
        type=int,
        default=5,
        show_default=True,
        metavar="N",
        help="Passes over the images.",
    ),
    click.option("--samples", type=int, metavar="N", help="Images per epoch; default: all."),
    click.option("--test-samples", type=int, metavar="N", help="Images to test on; default: all."),
    click.option(
        "--batch-size",
        type=int,
        default=64,
        show_default=True,
        metavar="N",
        help="Images per step.",
    ),
    click.option(
        "--learning-rate",
        type=float,
        default=1e-3,
        show_default=True,
        metavar="X",
        help="Adam's initial learning rate; it decays to zero.",
    ),
    click.option(
        "--seed",
        type=click.IntRange(min=0),
        default=0,
        show_default=True,
        metavar="N",
        help="Seed for weights, drawn samples and their order.",
    ),
    click.option("--weights", metavar="FILE", help="Initial weights; default: random."),
    click.option("--input-size", type=int, metavar="N", help="Input height and width in pixels."),
    *VARIANT,
    *SCALING,
    click.option(
        "--out",
        type=click.Path(path_type=Path),
        metavar="DIR",
        help="Output folder for model.keras and training.json; default: artifacts/MODEL/trained.",
    ),
    quiet_option,
    common_options,
)


@click.command(short_help="Train MODEL on labelled images.")
@click.argument("model", shell_complete=completers.complete_model)
@in_order(*_OPTIONS)
def train(model: str, **flags: Unpack[_Flags]) -> None:
    """Train a network on labelled images, and measure its accuracy on held-out images.

    MODEL is a name from `edgecnn models` or keras:NAME, whose last layer is resized to the number
    of classes in the data, or your own .keras or .h5 file. This is a basic recipe for small
    networks and data: Adam, cross-entropy, a learning rate that decays to zero, no augmentation.
    Requires TensorFlow.
    """
    options: dict[str, Any] = {
        name: value
        for name, value in flags.items()
        if name not in {"input_range", "mean", "std", "channel_order", "quiet", "as_json"}
    }
    with watching(quiet=flags["quiet"]) as progress:
        result = edgecnn.train(
            model, progress=progress, preprocessing=preprocessing(flags), **options
        )
    if flags["as_json"]:
        from dataclasses import asdict

        console.print_json({"folder": str(result.folder), **asdict(result.record)})
    elif not flags["quiet"]:
        _print(result)


def _print(result: TrainResult) -> None:
    from edgecnn.reporting import training as shown

    console.print_table(shown.epochs_table(result.record))
    console.print_line()
    console.print_paragraph(shown.outcome(result.record), "bold")
    console.print_line("Next:")
    console.print_line(f"  {result.export_command}")
