"""The options that `bench`, `compare` and `check` share, and what they mean to the API."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar

import click

from edgecnn.cli.group import HintedUsageError
from edgecnn.cli.options import INPUT_SHAPE, SIZE, common_options, quiet_option

if TYPE_CHECKING:
    from collections.abc import Callable

    AnyFunction = Callable[..., Any]

Decorated = TypeVar("Decorated", bound="AnyFunction")

PLANS = ("quick", "publish", "sustained")
_RESULTS = "artifacts/results.jsonl"
_MOST_THREADS = 1024


class Flags(TypedDict):
    """The parsed command line, as click hands it over."""

    on: tuple[str, ...]
    threads: tuple[int, ...]
    profile: str
    format: str
    keep: bool
    results: Path | None
    no_results: bool
    input_size: int | tuple[int, int] | None
    input_shapes: dict[str, tuple[int, ...]]
    quiet: bool
    as_json: bool


def thread_counts(
    context: click.Context, _parameter: click.Parameter, text: str
) -> tuple[int, ...]:
    """Read --threads: numbers from 1, separated by commas."""
    counts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdecimal() for part in counts):
        raise _no_threads(context, text)
    numbers = tuple(int(part[:10]) for part in counts)
    if not all(1 <= number <= _MOST_THREADS for number in numbers):
        raise _no_threads(context, text)
    return tuple(dict.fromkeys(numbers))


def _no_threads(context: click.Context, text: str) -> click.UsageError:
    return HintedUsageError(
        f"--threads takes positive numbers separated by commas, not {text!r}.",
        hint="For example --threads 1,2,4",
        context=context,
    )


class _PlanOption(click.Option):
    """--plan; its old name, --profile, is accepted and not shown."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """As click has it, without the old name."""
        record = super().get_help_record(ctx)
        return record and (record[0].replace(", --profile", ""), record[1])


_OPTIONS = (
    click.option(
        "--on",
        multiple=True,
        metavar="DEVICE",
        help="local (default), ssh://[USER@]HOST[:PORT], adb://SERIAL, or @FARM.toml[:GROUP];"
        " repeatable.",
    ),
    click.option(
        "--threads",
        default="1",
        show_default=True,
        metavar="N[,N]",
        callback=thread_counts,
        help="Thread counts to measure.",
    ),
    click.option(
        "--plan",
        "--profile",
        "profile",
        cls=_PlanOption,
        type=click.Choice(PLANS),
        default=PLANS[0],
        show_default=True,
        help="How long to measure: seconds, minutes, or half an hour with clock and temperature.",
    ),
    click.option(
        "--format",
        type=click.Choice(("tflite", "onnx", "both")),
        default="tflite",
        show_default=True,
        help="Which files of an artifact folder to use.",
    ),
    SIZE,
    INPUT_SHAPE,
    click.option(
        "--keep", is_flag=True, help="Leave the runtime on the device; the next run starts faster."
    ),
    click.option(
        "--results",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help=f"Append results to this file.  [default: {_RESULTS}]",
    ),
    click.option("--no-results", is_flag=True, help="Do not save results."),
    quiet_option,
    common_options,
)


def bench_options(function: Decorated) -> Decorated:
    """Add the options, so that `--help` shows them in the order they stand in here."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def api_options(flags: Flags) -> dict[str, Any]:
    """The keyword arguments of the API's verbs; what was not given is left to their defaults.

    Raises:
        HintedUsageError: --results beside --no-results.
    """
    if flags["results"] is not None and flags["no_results"]:
        raise HintedUsageError(
            "--results and --no-results exclude each other.", hint="Give one of them."
        )
    chosen: dict[str, Any] = {
        "threads": flags["threads"],
        "profile": flags["profile"],
        "formats": ("tflite", "onnx") if flags["format"] == "both" else (flags["format"],),
        "keep": flags["keep"],
    }
    if flags["input_size"] is not None:
        chosen["input_size"] = flags["input_size"]
    if flags["input_shapes"]:
        chosen["input_shapes"] = flags["input_shapes"]
    if flags["on"]:
        chosen["on"] = flags["on"]
    if flags["no_results"]:
        chosen["results"] = None
    elif flags["results"] is not None:
        chosen["results"] = flags["results"]
    return chosen
