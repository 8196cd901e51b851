"""`edgecnn check`: whether an artifact keeps its budgets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import edgecnn
from edgecnn.cli import bench_options, console
from edgecnn.cli.bench_print import DEVICE_FAILED, print_failures
from edgecnn.cli.progress import watching

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from edgecnn.benchmark.report import CheckReport

_BROKEN = 1


class _Flags(bench_options.Flags):
    """The shared options and the budgets, as text."""

    p90: str | None
    size: str | None
    memory: str | None
    snr: str | None
    junit: Path | None


@click.command(short_help="Hold an artifact against budgets for latency, size, memory, SNR.")
@click.argument("path", metavar="DIR|FILE", type=click.Path(path_type=Path))
@click.option("--p90", metavar="TIME", help="9 of 10 inferences take at most so long: 40ms.")
@click.option("--size", metavar="SIZE", help="The file has at most so many bytes: 6MB.")
@click.option("--memory", metavar="SIZE", help="A process that runs it peaks at most here: 64MB.")
@click.option("--snr", metavar="RATIO", help="Its logits are at least so close to float: 20dB.")
@click.option(
    "--junit",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Also write a JUnit XML file, which CI servers show.",
)
@bench_options.bench_options
@click.pass_context
def check(context: click.Context, path: Path, **flags: Unpack[_Flags]) -> None:
    """Hold an artifact folder or a model file against budgets.

    Devices are measured for --p90 and --memory, or when --on names them; each must then also
    compute what this machine computes. Exit code 1 when a budget does not hold: for --p90, when its
    whole 95% confidence interval is above the budget. Exit code 3 when a device failed, or could
    not tell: an emulated one has no latency of its own, nor has one that was disturbed.
    """
    budgets = _budgets(flags)
    options = bench_options.api_options(flags)
    with watching(quiet=flags["quiet"]) as progress:
        report = edgecnn.check(path, progress=progress, **budgets, **options)
    if flags["junit"] is not None:
        _write_junit(report, path, flags["junit"])
    if flags["as_json"]:
        from edgecnn.reporting.json_objects import check_object

        console.print_json(check_object(report))
    else:
        _print(report, quiet=flags["quiet"])
    print_failures(report.failures)
    if report.broken:
        context.exit(_BROKEN)
    if report.undecided:
        context.exit(DEVICE_FAILED)


def _budgets(flags: _Flags) -> dict[str, Any]:
    from edgecnn.benchmark import units

    p90, size, memory, snr = flags["p90"], flags["size"], flags["memory"], flags["snr"]
    return {
        "p90_ms": None if p90 is None else units.milliseconds("--p90", p90),
        "size_bytes": None if size is None else units.size_bytes("--size", size),
        "memory_bytes": None if memory is None else units.size_bytes("--memory", memory),
        "snr_db": None if snr is None else units.decibels("--snr", snr),
    }


def _write_junit(report: CheckReport, path: Path, to: Path) -> None:
    from edgecnn import store
    from edgecnn.reporting.junit import junit_xml

    with store.file_errors(to):
        store.write_file(to, junit_xml(report, str(path)))


def _print(report: CheckReport, *, quiet: bool) -> None:
    from edgecnn.reporting import check as shown

    if not quiet:
        console.print_table(shown.check_table(report))
        console.print_line()
    for line in shown.warning_lines(report):
        console.warn(line)
    for line in shown.reason_lines(report, "undecided"):
        console.say("undecided", line, style="bold yellow")
    for line in shown.reason_lines(report, "broken"):
        console.say("BROKEN", line, style="bold red")
    if not quiet and not report.broken and not report.undecided:
        console.print_line(shown.verdict(report), "bold green")
