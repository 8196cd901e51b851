"""The report as Markdown: verdicts and figures as sentences and tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecnn.reporting import verdict as shown_verdict
from edgecnn.reporting.page import words
from edgecnn.reporting.page.badges import BADGES
from edgecnn.reporting.page.figure import Figure, visible
from edgecnn.reporting.verdict_details import details_table, word_pairs

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from edgecnn.claims.record import Verdict
    from edgecnn.reporting.page.figure import Gap, Source
    from edgecnn.reporting.page.material import Material
    from edgecnn.reporting.page.sections import SectionContent

_SPECIAL = str.maketrans({character: f"\\{character}" for character in "\\`*_[]<>|#&"})


def render(material: Material, sections: tuple[SectionContent, ...]) -> str:
    """Make the document; of each figure the rows that the page shows when it is opened."""
    return "\n".join(_lines(material, sections)) + "\n"


def _lines(material: Material, sections: tuple[SectionContent, ...]) -> Iterator[str]:
    yield "# edgecnn report"
    for verdict in material.verdicts.verdicts if material.verdicts else ():
        yield from _verdict(verdict)
    for problem in material.problems:
        yield from ("", f"> Left out: {escape(problem)}")
    for content in sections:
        yield from ("", f"## {content.section.title}")
        for figure in content.figures:
            yield from _figure(figure) if isinstance(figure, Figure) else _gap(figure)


def _verdict(verdict: Verdict) -> Iterator[str]:
    claim = verdict.claim
    yield from ("", f"## {BADGES[verdict.outcome].sign} {verdict.outcome}: {escape(claim.title)}")
    yield from ("", f"> {escape(claim.words)} (document {claim.document}, {escape(claim.section)})")
    if verdict.headline:
        yield from ("", f"**{escape(verdict.headline)}**")
    yield from ("", escape(verdict.summary))
    if verdict.devices:
        table = shown_verdict.devices_table(verdict)
        yield from _table(tuple(column.title for column in table.columns), table.rows)
        yield from ("", escape(shown_verdict.devices_legend(verdict)))
    for topic, said in word_pairs(verdict):
        yield from ("", escape(f"{topic}: {said}"))
    if (details := details_table(verdict)).rows:
        yield from _table(tuple(column.title for column in details.columns), details.rows)
    if verdict.conditions:
        yield ""
        yield from (f"- {escape(condition)}" for condition in verdict.conditions)
    for caveat in verdict.caveats:
        yield from ("", f"Note: {escape(caveat)}")
    if verdict.numbers:
        rows = [
            (n.name, words.quantity(n), n.provenance, shown_verdict.source_text(n.source))
            for n in verdict.numbers
        ]
        yield from _table(("number", "value", "provenance", "source"), rows)
    yield from ("", f"Made again with {_code(claim.command)}")


def _figure(figure: Figure) -> Iterator[str]:
    yield from ("", f"### {escape(figure.title)}", "", escape(figure.reading))
    if figure.summary:
        yield from _table(figure.summary.titles, figure.summary.rows)
    rows = [row for row in figure.rows if visible(figure, row)]
    choices = (choice for choice in figure.filters if choice.chosen)
    if chosen := [f"{choice.label.lower()} {choice.chosen}" for choice in choices]:
        note = f"Of {len(figure.rows)} rows those of {', '.join(chosen)}; --csv writes all of them."
        yield from ("", escape(note))
    cells = [tuple(column.text(row[column.key]) for column in figure.columns) for row in rows]
    yield from _table(tuple(column.title for column in figure.columns), cells)
    for note in figure.notes:
        yield from ("", escape(note))
    for source in figure.sources:
        yield from ("", _source(source))


def _source(source: Source) -> str:
    parts = [
        " and ".join(source.provenance),
        source.date,
        source.machine,
        ", ".join(source.versions),
        source.file,
    ]
    return f"{escape('; '.join(part for part in parts if part))}; made with {_code(source.command)}"


def _gap(gap: Gap) -> Iterator[str]:
    yield from ("", f"### {escape(gap.title)}", "", f"{escape(gap.wants)} This makes it:", "")
    yield from (f"- {_code(command)}" for command in gap.commands)


def _table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield from ("", _table_row(titles), _table_row(["---"] * len(titles), plain=True))
    yield from (_table_row(row) for row in rows)


def _table_row(cells: Sequence[str], *, plain: bool = False) -> str:
    return f"| {' | '.join(cell if plain else escape(cell) for cell in cells)} |"


def _code(text: str) -> str:
    return f"`{' '.join(text.replace('`', chr(39)).split())}`"


def escape(text: str) -> str:
    r"""Text that stays text: one line, and no Markdown or HTML in it.

    >>> escape("<b>a|b</b>")
    '\\<b\\>a\\|b\\</b\\>'
    """
    return " ".join(text.split()).translate(_SPECIAL)
