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
    arena: str | None
    flash: str | None
    junit: Path | None


@click.command(short_help="Check an artifact against budgets for latency, size, memory, SNR.")
@click.argument("path", metavar="DIR|FILE", type=click.Path(path_type=Path))
@click.option("--p90", metavar="TIME", help="90% of inferences are at least this fast, e.g. 40ms.")
@click.option("--size", metavar="SIZE", help="Largest file size, e.g. 6MB.")
@click.option("--memory", metavar="SIZE", help="Peak memory of the process, e.g. 64MB.")
@click.option("--snr", metavar="RATIO", help="Lowest SNR of its logits against float, e.g. 20dB.")
@click.option(
    "--arena", metavar="SIZE", help="Largest TensorFlow Lite Micro arena, estimated, e.g. 256kB."
)
@click.option("--flash", metavar="SIZE", help="Most flash for the file on a microcontroller.")
@click.option(
    "--junit",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Also write a JUnit XML file, for CI.",
)
@bench_options.bench_options
@click.pass_context
def check(context: click.Context, path: Path, **flags: Unpack[_Flags]) -> None:
    """Check an artifact folder or a model file against budgets.

    Latency and memory are measured on this machine, or on the devices named by --on, whose outputs
    must also match this machine's. Exit code 1 if a budget is exceeded: --p90 is exceeded only if
    its whole 95% confidence interval is above the budget. Exit code 3 if a device failed or gave no
    usable measurement, because it is emulated or was disturbed.
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
    arena, flash = flags["arena"], flags["flash"]
    return {
        "p90_ms": None if p90 is None else units.milliseconds("--p90", p90),
        "size_bytes": None if size is None else units.size_bytes("--size", size),
        "memory_bytes": None if memory is None else units.size_bytes("--memory", memory),
        "snr_db": None if snr is None else units.decibels("--snr", snr),
        "arena_bytes": None if arena is None else units.size_bytes("--arena", arena),
        "flash_bytes": None if flash is None else units.size_bytes("--flash", flash),
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
        console.say("FAILED", line, style="bold red")
    if not quiet and not report.broken and not report.undecided:
        console.print_line(shown.verdict(report), "bold green")
