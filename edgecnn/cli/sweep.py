"""`edgecnn sweep`: many networks, recipes and files side by side, and which one to take."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

import click

import edgecnn
from edgecnn.cli import console
from edgecnn.cli.options import common_options, in_order, quiet_option
from edgecnn.cli.plot import draw, plot_option
from edgecnn.cli.progress import watching

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Unpack

    from edgecnn.sweeping.records import SweepReport

    AnyOption = Callable[[Any], Any]

# Points that were begun did not come to an end, or none is within the budget.
_NOT_ALL = 1


class _Flags(TypedDict):
    """The parsed command line, as click hands it over; budgets as text."""

    out: Path | None
    storage: str | None
    jobs: int | None
    threads: int
    ray: str | None
    limit: int | None
    dry_run: bool
    latency: str | None
    size: str | None
    max_drop: float | None
    plot: Path | None
    quiet: bool
    as_json: bool


_COUNT = click.IntRange(min=1)
_FOLDER = click.Path(path_type=Path)
_OPTIONS: tuple[AnyOption, ...] = (
    click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing."),
    click.option("--limit", type=_COUNT, metavar="N", help="Do at most so many points now."),
    click.option("--latency", metavar="TIME", help="What one inference may take: 100ms."),
    click.option("--size", metavar="SIZE", help="What the file may take: 6MB."),
    click.option(
        "--max-drop",
        type=click.FloatRange(min=0),
        metavar="P",
        help="The fastest within so many percentage points of the best accuracy is taken.",
    ),
    click.option(
        "--jobs",
        type=_COUNT,
        metavar="N",
        help="Points at a time, on this machine; as many as cores and memory allow by default.",
    ),
    click.option(
        "--threads",
        type=_COUNT,
        default=1,
        show_default=True,
        metavar="N",
        help="Threads that each point computes with.",
    ),
    click.option(
        "--ray",
        metavar="local|auto|ADDRESS",
        help="Run the points as tasks of a Ray cluster.",
    ),
    click.option(
        "--out",
        type=_FOLDER,
        metavar="DIR",
        help="Where sweep.jsonl goes; artifacts/sweeps/SPEC by default.",
    ),
    click.option(
        "--storage",
        metavar="DIR|ADDRESS",
        help="Where artifacts are kept by their content, for all nodes: a folder, or an address of"
        " fsspec's such as s3://bucket/folder; DIR/storage by default.",
    ),
    plot_option("accuracy over latency and the Pareto front"),
    quiet_option,
    common_options,
)


def _print_example(context: click.Context, _option: click.Parameter, value: bool) -> None:  # noqa: FBT001 - click calls it so
    if value and not context.resilient_parsing:
        from edgecnn.sweeping.spec import EXAMPLE

        for line in EXAMPLE.splitlines():
            console.print_line(line)
        context.exit()


@click.command(short_help="Export, evaluate and predict many networks; find the one to take.")
@click.argument("spec", metavar="SPEC.toml", type=_FOLDER)
@click.option(
    "--example",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_print_example,
    help="Print a SPEC.toml to begin with, and exit.",
)
@in_order(*_OPTIONS)
@click.pass_context
def sweep(context: click.Context, spec: Path, **flags: Unpack[_Flags]) -> None:
    """Do every point of SPEC.toml that is not yet done, and show the Pareto front.

    The axes (model, input_size, width, convolution, weights, recipe, format, calibration, min_snr,
    ...) span the points; [train], [evaluate], [predict] and [bench] say what is done with each.
    Each that ends is a line of sweep.jsonl; the same command goes on where it was stopped, and
    tries again what failed. Exit code 1 when points failed, or none is within the budget.
    """
    from edgecnn.sweeping.run import StoppedError

    try:
        with watching(quiet=flags["quiet"]) as progress:
            report = edgecnn.sweep(spec, progress=progress, **_api_options(flags))
    except StoppedError as stopped:
        console.say("", f"{stopped.message} {stopped.hint}")
        raise
    if flags["as_json"]:
        from edgecnn.reporting.json_objects import sweep_object

        console.print_json(sweep_object(report))
    elif not flags["quiet"]:
        _print(report, dry_run=flags["dry_run"])
    draw("sweep", report, flags["plot"], announced=not (flags["as_json"] or flags["quiet"]))
    for note in report.notes:
        console.say("note", note, style="bold")
    if not flags["dry_run"] and _is_wanting(report):
        context.exit(_NOT_ALL)


def _is_wanting(report: SweepReport) -> bool:
    none_fits = any(front.taken is None and front.records for front in report.fronts)
    return bool(report.failed or report.refused or none_fits)


def _api_options(flags: _Flags) -> dict[str, Any]:
    from edgecnn.benchmark import units

    names = ("out", "storage", "jobs", "threads", "ray", "limit", "dry_run", "max_drop")
    values: dict[str, Any] = {**flags}
    options = {name: values[name] for name in names}
    latency, size = flags["latency"], flags["size"]
    if latency is not None:
        options["latency_ms"] = units.milliseconds("--latency", latency)
    if size is not None:
        options["size_bytes"] = units.size_bytes("--size", size)
    return options


def _print(report: SweepReport, *, dry_run: bool) -> None:
    from edgecnn.reporting import sweeping as shown

    console.print_paragraph(shown.heading(report), "bold")
    for line in shown.left_lines(report):
        console.print_paragraph(line)
    if report.impossible:
        console.print_line()
        console.print_table(shown.impossible_table(report))
    if report.refused or report.failed:
        console.print_line()
        console.print_table(shown.failed_table(report))
    if dry_run and not report.done:
        return
    if budget := shown.budget_text(report.budget):
        console.print_line()
        console.print_line(budget)
    for front in report.fronts:
        console.print_line()
        console.print_line(shown.place_text(front.place), "bold")
        if front.records:
            console.print_table(shown.front_table(front))
        for line in shown.taken_lines(front, report.storage):
            console.print_line(line)
    if not dry_run:
        console.print_line()
        console.print_line(f"Written: {report.file}")
