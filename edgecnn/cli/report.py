"""`edgecnn report`: the evidence as a page for those who would rather look than read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

import edgecnn
from edgecnn.cli import console
from edgecnn.cli.options import common_options, quiet_option

if TYPE_CHECKING:
    from edgecnn.reporting.page.making import ReportResult


@click.command(short_help="Write verdicts and charts as one HTML page that works offline.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default="report.html",
    show_default=True,
    metavar="FILE",
    help="The HTML page.",
)
@click.option(
    "--records",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Experiment records.  [default: artifacts/experiments, if it exists]",
)
@click.option(
    "--artifacts",
    type=click.Path(path_type=Path),
    default="artifacts",
    show_default=True,
    metavar="DIR",
    help="Your exports and measurements: manifests and results.jsonl.",
)
@click.option(
    "--markdown", type=click.Path(path_type=Path), metavar="FILE", help="Also write Markdown."
)
@click.option(
    "--csv", type=click.Path(path_type=Path), metavar="DIR", help="Also write each table as CSV."
)
@quiet_option
@common_options
def report(
    *,
    out: Path,
    records: Path | None,
    artifacts: Path,
    markdown: Path | None,
    csv: Path | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Write the verdicts and charts of their evidence as one HTML page that works offline.

    Every figure states whether it was measured, predicted, emulated, published or counted, on which
    machine, with which versions and when, and has a table of its values. Nothing is run or
    measured. Requires the charting library: pip install 'edgecnn[report]'.
    """
    result = edgecnn.report(
        out, records=records, artifacts=artifacts, markdown_out=markdown, csv_folder=csv
    )
    if as_json:
        from edgecnn.reporting.page.json_object import report_object

        console.print_json(report_object(result))
    elif not quiet:
        _print(result)
    for problem in result.problems:
        console.warn(f"Left out: {problem}")


def _print(result: ReportResult) -> None:
    from edgecnn.text import size_text

    console.print_line(
        f"{result.page}: {len(result.outcomes)} verdicts, {len(result.figures)} charts,"
        f" {size_text(result.size_bytes)}"
    )
    if result.markdown:
        console.print_line(str(result.markdown))
    if result.tables:
        console.print_line(f"{len(result.tables)} tables in {result.tables[0].parent}")
    for figure in result.missing:
        console.say("no data", f"{figure.title}: `{figure.commands[0]}`", style="bold")
