"""`edgecnn fit`: which network meets a budget on a device."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

import edgecnn
from edgecnn.cli import completers, console
from edgecnn.cli.group import HintedUsageError
from edgecnn.cli.options import (
    INPUT_SHAPE,
    common_options,
    in_order,
    quiet_option,
    threads_option,
)
from edgecnn.cli.progress import watching
from edgecnn.cli.scaling_options import SCALING, ScalingFlags, preprocessing

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from edgecnn.exporting import ExportResult
    from edgecnn.latency.micro_reports import MicroCandidate, MicroFitReport
    from edgecnn.latency.reports import Candidate, FitReport
    from edgecnn.progress import Progress

_NONE_FITS = 1
_NOT_OF_MICROCONTROLLERS: dict[Literal["memory", "size", "threads"], str] = {
    "memory": "Its RAM is for the arena: --arena.",
    "size": "The file lies in its flash: --flash.",
    "threads": "It has one core for this; leave --threads out.",
}


class _Flags(ScalingFlags):
    """The parsed command line, as click hands it over; budgets as text."""

    device: str | None
    latency: str | None
    memory: str | None
    size: str | None
    arena: str | None
    flash: str | None
    threads: int | None
    recipes: str | None
    input_sizes: str | None
    input_shapes: dict[str, tuple[int, ...]]
    calibration: str | None
    export: bool
    out: Path | None
    quiet: bool
    as_json: bool


@click.command(short_help="Search for a network that meets budgets on a device.")
@click.argument("model", shell_complete=completers.complete_model)
@click.option(
    "--device",
    metavar="NAME",
    shell_complete=completers.complete_fit_device,
    help="A profile from `edgecnn devices`, your own .toml, or a microcontroller's board.",
)
@click.option("--latency", metavar="TIME", help="Latency budget per inference, e.g. 40ms.")
@click.option("--memory", metavar="SIZE", help="Budget for peak process memory, e.g. 64MB.")
@click.option("--size", metavar="SIZE", help="Budget for file size, e.g. 6MB.")
@click.option(
    "--arena", metavar="SIZE", help="Budget for TensorFlow Lite Micro's arena, e.g. 256kB."
)
@click.option("--flash", metavar="SIZE", help="Budget for the file on a microcontroller, e.g. 1MB.")
@threads_option("all cores of the device")
@click.option(
    "--recipes",
    metavar="R[,R]",
    help="Recipes to search.  [default: float32,dynamic,int8; on a microcontroller: int8]",
)
@click.option("--input-sizes", metavar="N[,N]", help="Input sizes to search, in pixels.")
@INPUT_SHAPE
@click.option(
    "--calibration",
    metavar="SOURCE",
    shell_complete=completers.complete_calibration,
    help="With --arena: what decides which layers of your own model stay in float, as of `export`;"
    " default: bundled photographs.",
)
@in_order(*SCALING)
@click.option("--export", is_flag=True, help="Export the selected variant.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="With --export: the output folder; default: artifacts/MODEL.",
)
@quiet_option
@common_options
@click.pass_context
def fit(context: click.Context, model: str, **flags: Unpack[_Flags]) -> None:
    """Search for the variant of MODEL that meets budgets on a device or a microcontroller.

    A device needs --latency. For a microcontroller give --arena and --flash, or a board, such as
    raspberry-pi-pico-2, as --device, with --latency only where its latency is predicted.

    Nothing is run. For xception the search covers width, input size and recipe; for another name
    from `edgecnn models`, input size, recipe, and the other networks for the same images; for
    keras:NAME or your own model, the recipe and any --input-sizes. Exit code 1 if no variant is
    predicted to fit.
    """
    if flags["out"] is not None and not flags["export"]:
        raise HintedUsageError("--out has no effect without --export.", hint="Add --export.")
    is_micro = _is_for_microcontroller(flags)
    search = edgecnn.fit_micro if is_micro else edgecnn.fit
    options = _micro_options(flags) if is_micro else _api_options(flags)
    exported = None
    report: FitReport | MicroFitReport
    with watching(quiet=flags["quiet"]) as progress:
        report = search(model, progress=progress, **options)
        if flags["export"] and report.taken is not None:
            exported = _export(report.taken, flags, progress)
    if flags["as_json"]:
        from edgecnn.reporting.json_objects import fit_object

        console.print_json(fit_object(report, exported))
    else:
        _print(report, exported, _shape_options(flags), quiet=flags["quiet"])
    if report.taken is None:
        context.exit(_NONE_FITS)


def _is_for_microcontroller(flags: _Flags) -> bool:
    from edgecnn.tflm.boards import find

    if flags["arena"] is not None or flags["flash"] is not None:
        return True
    return flags["device"] is not None and find(flags["device"]) is not None


def _api_options(flags: _Flags) -> dict[str, Any]:
    from edgecnn.benchmark import units

    device, latency = flags["device"], flags["latency"]
    memory, size = flags["memory"], flags["size"]
    if device is None or latency is None:
        missing = "--device" if device is None else "--latency"
        raise HintedUsageError(
            f"{missing} is missing.",
            hint="--device raspberry-pi-4b --latency 40ms; or, for a microcontroller,"
            " --arena 256kB --flash 1MB.",
        )
    if flags["calibration"] is not None or preprocessing(flags) is not None:
        raise HintedUsageError(
            "What a network is fed decides no latency.",
            hint="--calibration, --input-range, --mean and --std go with --arena.",
        )
    options: dict[str, Any] = {
        "device": device,
        "threads": flags["threads"],
        "latency_ms": units.milliseconds("--latency", latency),
        "memory_bytes": None if memory is None else units.size_bytes("--memory", memory),
        "size_bytes": None if size is None else units.size_bytes("--size", size),
    }
    return {**options, **_searched(flags)}


def _micro_options(flags: _Flags) -> dict[str, Any]:
    from edgecnn.benchmark import units

    for option, instead in _NOT_OF_MICROCONTROLLERS.items():
        if flags[option] is not None:
            raise HintedUsageError(f"--{option} is not of a microcontroller.", hint=instead)
    latency, arena, flash = flags["latency"], flags["arena"], flags["flash"]
    options: dict[str, Any] = {
        "board": flags["device"],
        "latency_ms": None if latency is None else units.milliseconds("--latency", latency),
        "arena_bytes": None if arena is None else units.size_bytes("--arena", arena),
        "flash_bytes": None if flash is None else units.size_bytes("--flash", flash),
        **_fed(flags),
    }
    return {**options, **_searched(flags)}


def _fed(flags: _Flags) -> dict[str, Any]:
    """What a model of the user's own is calibrated on."""
    fed = {"calibration": flags["calibration"], "preprocessing": preprocessing(flags)}
    return {name: value for name, value in fed.items() if value is not None}


def _searched(flags: _Flags) -> dict[str, Any]:
    """What the search is narrowed to."""
    options: dict[str, Any] = {}
    if flags["recipes"] is not None:
        options["recipes"] = _parts(flags["recipes"])
    if flags["input_sizes"] is not None:
        options["input_sizes"] = _pixels(flags["input_sizes"])
    if flags["input_shapes"]:
        options["input_shapes"] = flags["input_shapes"]
    return options


def _parts(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _pixels(text: str) -> tuple[int, ...]:
    parts = _parts(text)
    if not parts or not all(part.isascii() and part.isdecimal() and int(part) for part in parts):
        raise HintedUsageError(
            f"--input-sizes takes numbers of pixels separated by commas, not {text!r}.",
            hint="For example --input-sizes 96,160,224",
        )
    return tuple(dict.fromkeys(map(int, parts)))


def _export(
    candidate: Candidate | MicroCandidate, flags: _Flags, progress: Progress
) -> ExportResult:
    shapes: dict[str, Any] = _fed(flags)
    if flags["input_shapes"]:
        shapes["input_shapes"] = flags["input_shapes"]
    return edgecnn.export(
        candidate.model,
        recipes=(candidate.recipe,),
        input_size=candidate.input_size,
        width=candidate.width,
        out=flags["out"],
        progress=progress,
        **shapes,
    )


def _shape_options(flags: _Flags) -> str:
    from edgecnn.inspection.shapes import InputSizes

    return InputSizes(flags["input_shapes"]).words


def _print(
    report: FitReport | MicroFitReport,
    exported: ExportResult | None,
    options: str,
    *,
    quiet: bool,
) -> None:
    from edgecnn.reporting import fitting

    shown = fitting.shown(report)
    if not quiet:
        console.print_paragraph(shown.heading, "bold")
        console.print_table(shown.table)
        for line in shown.legend:
            console.print_paragraph(line, "dim")
        console.print_line()
    candidate = report.taken
    if candidate is None:
        for line in shown.taken:
            console.say("none fits", line, style="bold red")
        return
    if quiet:
        return
    for line, style in zip(shown.taken, ("bold green", ""), strict=False):
        console.print_paragraph(line, style)
    for artifact in exported.artifacts if exported is not None else ():
        console.print_line(f"Wrote {artifact.folder}")
    if exported is None:
        console.print_line("Next:")
        console.print_line(f"  {fitting.export_command(candidate, options)}", "bold")
