"""`edgecnn verdict`: what the evidence says of the documents' claims."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

import edgecnn
from edgecnn.cli import console
from edgecnn.cli.options import common_options, quiet_option

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from edgecnn.claims.record import Verdict, VerdictReport

_RECORDS = Path("artifacts") / "experiments"


def _complete(
    _context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem[str]]:
    from click.shell_completion import CompletionItem

    from edgecnn.claims.table import TABLE

    claims = (entry.claim for entry in TABLE)
    return [
        CompletionItem(claim.id, help=claim.title)
        for claim in claims
        if claim.id.startswith(incomplete.lower())
    ]


@click.command(short_help="Judge the documents' claims about Xception on the evidence.")
@click.argument("claims", nargs=-1, metavar="[CLAIM]...", shell_complete=_complete)
@click.option(
    "--records",
    type=click.Path(path_type=Path),
    default=_RECORDS,
    show_default=True,
    metavar="DIR",
    help="Folder of experiment records.",
)
@click.option(
    "--results",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Results of `bench`; measurements on real devices replace predictions. Default:"
    " results.jsonl beside DIR, if there is one.",
)
@quiet_option
@common_options
def verdict(
    claims: tuple[str, ...],
    records: Path,
    results: Path | None,
    quiet: bool,  # noqa: FBT001 - click calls it so
    as_json: bool,  # noqa: FBT001 - likewise
) -> None:
    """Judge the documents' claims on the records of the experiments. Nothing is run.

    Without CLAIM: whether Xception suits low-power devices, then a table of all claims. With CLAIM:
    its full evidence, number by number. The exit code is 0 even if a claim fails.
    """
    report = edgecnn.verdict(*claims, records=records, results=results)
    if as_json:
        from edgecnn.reporting.verdict import verdicts_object

        console.print_json(verdicts_object(report))
    elif quiet:
        return
    elif claims:
        for judgement in report.verdicts:
            _print_in_full(judgement)
    else:
        _print_all(report)


def _print_all(report: VerdictReport) -> None:
    from edgecnn.reporting import verdict as shown

    first = report.verdicts[0]
    _print_answer(first)
    console.print_table(shown.verdicts_table(report, above=first.claim.id))
    console.print_line()
    console.print_paragraph(
        f"{len(report.verdicts)} claims: {shown.tally(report.verdicts)}. Their evidence:"
        f" `edgecnn verdict CLAIM`. {shown.records_text(report.headers)}",
        "dim",
    )


def _print_answer(verdict: Verdict) -> None:
    from edgecnn.reporting import verdict as shown
    from edgecnn.reporting import verdict_details as details

    console.print_paragraph(*shown.heading(verdict))
    for text in shown.paragraphs(verdict):
        console.print_paragraph(text)
        console.print_line()
    if verdict.devices:
        console.print_table(shown.devices_table(verdict))
        console.print_paragraph(shown.devices_legend(verdict), "dim")
        console.print_line()
    if pairs := details.word_pairs(verdict):
        console.print_pairs(pairs)
        console.print_line()
    if command := details.settling(verdict):
        console.print_paragraph(f"One measurement settles each that is open: `{command}`.")
        console.print_line()
    if (table := details.details_table(verdict)).rows:
        console.print_table(table)
        console.print_line()


def _print_in_full(verdict: Verdict) -> None:
    from edgecnn.reporting import verdict as shown

    _print_answer(verdict)
    console.print_pairs(shown.claim_pairs(verdict))
    for text in verdict.caveats:
        console.print_line()
        console.print_paragraph(text, "dim")
    if verdict.numbers:
        console.print_line()
        console.print_table(shown.numbers_table(verdict))
        for line in shown.sources(verdict):
            console.print_paragraph(line, "dim")
    console.print_line()
