"""`edgecnn bench`: honest latency on this CPU, on a Raspberry Pi over SSH, on a phone over adb."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

import edgecnn
from edgecnn.cli import bench_options, console
from edgecnn.cli.bench_print import DEVICE_FAILED, print_failures, print_measured, print_reports_end
from edgecnn.cli.plot import draw, plot_option
from edgecnn.cli.progress import watching

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from edgecnn.benchmark.report import BenchReport


_LONGEST_LAYERS = 10


@click.command(short_help="Measure latency on this machine, a Raspberry Pi or a phone.")
@click.argument(
    "paths", nargs=-1, required=True, metavar="DIR|FILE...", type=click.Path(path_type=Path)
)
@click.option(
    "--operators",
    is_flag=True,
    help="Also show where the time goes, by operator (this machine only).",
)
@click.option(
    "--benchmark-model",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="TFLite's benchmark_model binary, for a phone without Python.",
)
@plot_option("each file's latencies as a distribution")
@bench_options.bench_options
@click.pass_context
def bench(
    context: click.Context,
    paths: tuple[Path, ...],
    *,
    operators: bool,
    benchmark_model: Path | None,
    plot: Path | None,
    **flags: Unpack[bench_options.Flags],
) -> None:
    """Measure the latency of model files: artifact folders, or .tflite and .onnx files.

    Several files are measured in turns. A device needs only Python 3.9 or newer: the runtime is
    copied there and removed afterwards. Every result is graded valid, suspect or invalid, with
    reasons, and its outputs are compared with this machine's. Exit code 3 if a device or file
    failed; the other results are still printed.
    """
    options = bench_options.api_options(flags)
    with watching(quiet=flags["quiet"]) as progress:
        report = edgecnn.bench(
            paths,
            operators=operators,
            benchmark_model=benchmark_model,
            progress=progress,
            **options,
        )
    if flags["as_json"]:
        from edgecnn.reporting.json_objects import bench_object

        console.print_json(bench_object(report))
    elif not flags["quiet"]:
        _print(report, _shape_options(flags))
    draw("bench", report, plot, announced=not (flags["as_json"] or flags["quiet"]))
    print_failures(report.failures)
    if report.failures:
        context.exit(DEVICE_FAILED)


def _shape_options(flags: bench_options.Flags) -> str:
    from edgecnn.inspection.shapes import InputSizes

    return InputSizes(flags["input_shapes"], flags["input_size"]).words


def _print(report: BenchReport, options: str) -> None:
    from edgecnn.reporting import bench as shown

    print_measured(report)
    _print_operators(report)
    print_reports_end(report, shown.next_commands(report, options))


def _print_operators(report: BenchReport) -> None:
    from edgecnn.reporting import operators as shown
    from edgecnn.text import printable

    for profile in report.operators:
        console.print_line(f"{printable(profile.file, 300)}: where the time goes, local", "bold")
        console.print_pairs(shown.operator_facts(profile))
        console.print_table(shown.kinds_table(profile))
        console.print_line()
        console.print_table(shown.layers_table(profile, _LONGEST_LAYERS))
        console.print_line()
        console.print_paragraph(shown.bottleneck(profile), "bold")
        for note in profile.notes:
            console.say("note", note, style="bold")
        console.print_line()
