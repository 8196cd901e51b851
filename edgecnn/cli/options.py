"""The options that several commands share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from collections.abc import Callable

    AnyFunction = Callable[..., Any]

Decorated = TypeVar("Decorated", bound="AnyFunction")


def in_order(*options: Callable[[Any], Any]) -> Callable[[Decorated], Decorated]:
    """Add options so that `--help` shows them in the order they are given."""

    def decorate(function: Decorated) -> Decorated:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


def common_options(function: Decorated) -> Decorated:
    """Add what every command takes: --json and --traceback."""
    function = click.option(
        "--traceback",
        is_flag=True,
        expose_value=False,  # the root reads it, also when the command line is wrong
        help="Show Python's traceback of an error (or set EDGECNN_TRACEBACK=1).",
    )(function)
    return click.option(
        "--json",
        "as_json",
        is_flag=True,
        help="Print one JSON object on stdout, and everything else on stderr.",
    )(function)


SHAPE = (
    click.option(
        "--input-size", type=int, metavar="N", help="Height and width of the input, pixels."
    ),
    click.option("--width", type=float, metavar="X", help="Width multiplier, for the Xceptions."),
    click.option(
        "--convolution",
        type=click.Choice(["separable", "normal"]),
        help="normal: the Xceptions' twins with normal convolutions.",
    ),
)
"""What a network that is not yet built may be asked to be."""

quiet_option = click.option(
    "--quiet", "-q", is_flag=True, help="Print nothing but warnings and errors."
)


def threads_option(default: str) -> Callable[[AnyFunction], AnyFunction]:
    """Add --threads; `default` says what happens without it."""
    return click.option(
        "--threads",
        type=click.IntRange(min=1),
        metavar="N",
        help=f"Threads to compute with; {default} by default.",
    )
