"""The options that several commands share."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeVar

import click

from edgecnn.cli.group import HintedUsageError

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
        help="Show the Python traceback of an error (or set EDGECNN_TRACEBACK=1).",
    )(function)
    return click.option(
        "--json",
        "as_json",
        is_flag=True,
        help="Print one JSON object to stdout; everything else goes to stderr.",
    )(function)


_SIZE = re.compile(r"(\d{1,5})(?:\s*[,x]\s*(\d{1,5}))?")
_SHAPE = re.compile(r"(?:(?P<name>.*)=)?(?P<sizes>\d{1,9}(?:\s*[x,]\s*\d{1,9})*)", re.DOTALL)


def _input_size(
    _context: click.Context, _parameter: click.Parameter, text: str | None
) -> int | tuple[int, int] | None:
    """Read `--input-size 224` or `--input-size 50,150` (height, width)."""
    if text is None:
        return None
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise HintedUsageError(
            f"--input-size takes one number of pixels, or height and width, not '{text}'.",
            hint="For example: 224, or 50,150.",
        )
    height, width = match.groups()
    return int(height) if width is None else (int(height), int(width))


def _input_shapes(
    _context: click.Context, _parameter: click.Parameter, texts: tuple[str, ...]
) -> dict[str, tuple[int, ...]]:
    """Read `--input-shape 1x3x320x320` or `--input-shape NAME=1x3x320x320`."""
    shapes: dict[str, tuple[int, ...]] = {}
    for text in texts:
        match = _SHAPE.fullmatch(text.strip())
        if match is None:
            raise HintedUsageError(
                f"--input-shape takes sizes joined by x, not '{text}'.",
                hint="For example: 1x3x320x320, or images=1x3x320x320 for the input of that name.",
            )
        sizes = re.split(r"[x,]", match["sizes"])
        shapes[match["name"] or ""] = tuple(map(int, sizes))
    return shapes


def output_kinds(
    _context: click.Context, _parameter: click.Parameter, texts: tuple[str, ...]
) -> dict[str, str]:
    """Read `--output logits` or `--output NAME=logits`; the kinds are checked by the API."""
    pairs = [text.rpartition("=") for text in texts]
    return {name: kind for name, _, kind in pairs}


INPUT_SHAPE = click.option(
    "--input-shape",
    "input_shapes",
    multiple=True,
    metavar="[NAME=]1x3xHxW",
    callback=_input_shapes,
    help="For your own model: fix the shape of an input with open sizes; repeatable.",
)
SIZE = click.option(
    "--input-size",
    metavar="N|H,W",
    callback=_input_size,
    help="Input height and width in pixels.",
)
VARIANT = (
    click.option("--width", type=float, metavar="X", help="Width multiplier (Xceptions only)."),
    click.option(
        "--convolution",
        type=click.Choice(["separable", "normal"]),
        help="normal: use normal instead of separable convolutions (Xceptions only).",
    ),
)
SHAPE = (SIZE, INPUT_SHAPE, *VARIANT)
"""What a network that is not yet built, or leaves sizes open, may be asked to be."""

quiet_option = click.option("--quiet", "-q", is_flag=True, help="Print only warnings and errors.")


def threads_option(default: str) -> Callable[[AnyFunction], AnyFunction]:
    """Add --threads; `default` says what happens without it."""
    return click.option(
        "--threads",
        type=click.IntRange(min=1),
        metavar="N",
        help=f"Number of threads; default: {default}.",
    )
