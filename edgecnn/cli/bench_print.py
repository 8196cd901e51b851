"""How `bench` and `compare` print what was measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecnn.cli import console

if TYPE_CHECKING:
    from collections.abc import Iterable

    from edgecnn.benchmark.report import BenchReport
    from edgecnn.measurements import BenchResult, DeviceFailure

DEVICE_FAILED = 3


def print_measured(report: BenchReport) -> None:
    """A table for each device, or one for all, and what makes results less than trusted."""
    from edgecnn.reporting import bench as shown

    names = shown.short_names(result.file for result in report.results)
    if len(report.targets) > 1:
        _print_side_by_side(report, names)
    for results in shown.by_target(report).values():
        if len(report.targets) > 1:
            _print_timelines(results)
            continue
        console.print_paragraph(shown.heading(results), "bold")
        console.print_table(shown.bench_table(results, names))
        for line in shown.reason_lines(results):
            console.print_paragraph(line, "yellow")
        _print_timelines(results)
        console.print_line()
    for line in shown.name_lines(report):
        console.print_line(line, "dim")
    for line in shown.mismatch_lines(report):
        console.print_paragraph(line, "bold red")


def _print_side_by_side(report: BenchReport, names: dict[str, str]) -> None:
    """One table of all devices, in the order they were asked for."""
    from edgecnn.reporting import bench as shown
    from edgecnn.reporting import farm

    console.print_table(farm.bench_table(report, names))
    for target, results in shown.by_target(report).items():
        for line in shown.reason_lines(results):
            console.print_paragraph(f"{target}: {line}", "yellow")
    console.print_line()


def _print_timelines(results: Iterable[BenchResult]) -> None:
    from edgecnn.reporting import bench as shown

    for result in results:
        if result.timeline:
            console.print_line()
            console.print_table(shown.timeline_table(result))
            for line in shown.sustained_lines(result):
                console.print_paragraph(line)


def print_reports_end(report: BenchReport, commands: Iterable[str]) -> None:
    """Ratios, the legend, and what to do next."""
    from edgecnn.reporting import bench as shown
    from edgecnn.reporting.compare import comparison_lines

    if not report.results:
        return
    for line in comparison_lines(report.comparisons):
        console.print_paragraph(line)
    console.print_paragraph(shown.legend(report), "dim")
    for number, command in enumerate(commands):
        if number == 0:
            console.print_line("Next:")
        console.print_line(f"  {command}", "bold")


def print_failures(failures: Iterable[DeviceFailure]) -> None:
    """Each on stderr, with what to do; the JSON has them too."""
    for failure in failures:
        console.say("error", failure.message, style="bold red")
        if failure.hint:
            console.say("", failure.hint)
