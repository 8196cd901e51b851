"""The figures' rows as CSV files, raw values and all rows."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from edgecnn.reporting.page.figure import Figure
from edgecnn.reporting.verdict import source_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from edgecnn.claims.record import Verdict
    from edgecnn.reporting.page.figure import Value
    from edgecnn.reporting.page.material import Material
    from edgecnn.reporting.page.sections import SectionContent

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_VERDICTS = ("claim", "outcome", "number", "value", "unit", "provenance", "source")


def render(material: Material, sections: tuple[SectionContent, ...]) -> dict[str, str]:
    """Make one file for each figure, and one of the verdicts' numbers.

    Returns:
        File names with their content: comma-separated, UTF-8, values in base units, a missing one
        empty.
    """
    figures = [
        figure for content in sections for figure in content.figures if isinstance(figure, Figure)
    ]
    files = {f"{figure.id}.csv": _figure(figure) for figure in figures}
    if material.verdicts:
        files["verdicts.csv"] = _table(_VERDICTS, _numbers(material.verdicts.verdicts))
    return files


def _figure(figure: Figure) -> str:
    keys = [column.key for column in figure.columns]
    return _table(keys, ([row[key] for key in keys] for row in figure.rows))


def _numbers(verdicts: Iterable[Verdict]) -> Iterable[Sequence[Value]]:
    for verdict in verdicts:
        for number in verdict.numbers:
            yield (
                verdict.claim.id,
                verdict.outcome,
                number.name,
                number.value,
                number.unit,
                number.provenance,
                source_text(number.source),
            )


def _table(titles: Sequence[str], rows: Iterable[Sequence[Value]]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(titles)
    writer.writerows([_cell(value) for value in row] for row in rows)
    return stream.getvalue()


def _cell(value: Value) -> Value:
    """Text that a spreadsheet would run as a formula is quoted."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
