"""`edgecnn compare`: which of two files is faster, if either is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

import edgecnn
from edgecnn.cli import bench_options, console
from edgecnn.cli.bench_print import DEVICE_FAILED, print_failures, print_measured
from edgecnn.cli.progress import watching

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from edgecnn.benchmark.report import BenchReport

_MODEL = click.Path(path_type=Path)


@click.command(short_help="Measure which of two files is faster, if either is.")
@click.argument("a", type=_MODEL)
@click.argument("b", type=_MODEL)
@bench_options.bench_options
@click.pass_context
def compare(context: click.Context, a: Path, b: Path, **flags: Unpack[bench_options.Flags]) -> None:
    """Measure two artifact folders or model files in turns, and say which is faster.

    The runs alternate, so both files see the same clock, temperature and load. The ratio has a 95%
    confidence interval; if it includes 1, no difference was found: measure longer with --plan
    publish.
    """
    options = bench_options.api_options(flags)
    with watching(quiet=flags["quiet"]) as progress:
        report = edgecnn.compare(a, b, progress=progress, **options)
    if flags["as_json"]:
        from edgecnn.reporting.json_objects import bench_object

        console.print_json(bench_object(report))
    else:
        _print(report, quiet=flags["quiet"])
    print_failures(report.failures)
    if report.failures:
        context.exit(DEVICE_FAILED)


def _print(report: BenchReport, *, quiet: bool) -> None:
    from edgecnn.reporting.compare import comparison_lines

    if not quiet:
        print_measured(report)
    for line in comparison_lines(report.comparisons):
        console.print_paragraph(line, "bold")
