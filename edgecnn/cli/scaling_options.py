"""How the pixels of a user's own model are scaled: four options that several commands share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypedDict

import click

from edgecnn.cli.group import HintedUsageError

if TYPE_CHECKING:
    from edgecnn.records import Preprocessing

SCALING = (
    click.option(
        "--input-range",
        metavar="LOW,HIGH",
        help="For your own model: the range pixels are scaled to, e.g. -1,1.",
    ),
    click.option(
        "--mean", metavar="M[,M,M]", help="Or: the mean subtracted from pixels (0..255) ..."
    ),
    click.option(
        "--std", metavar="S[,S,S]", help="... and the standard deviation they are divided by."
    ),
    click.option(
        "--channel-order",
        type=click.Choice(("RGB", "BGR")),
        help="Channel order of your model's input.  [default: RGB]",
    ),
)


class ScalingFlags(TypedDict):
    """What they were given."""

    input_range: str | None
    mean: str | None
    std: str | None
    channel_order: Literal["RGB", "BGR"] | None


def preprocessing(flags: ScalingFlags) -> Preprocessing | None:
    """What they come to; None where none was given.

    Raises:
        HintedUsageError: an order of channels alone.
        InputError: a scaling that cannot be meant.
    """
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
