"""The head of the report: what it covers, and the facts in the figures' favour and against."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgecnn.reporting.page import words

if TYPE_CHECKING:
    from edgecnn.claims.record import Outcome, Verdict
    from edgecnn.reporting.page.material import Material

_MANY: dict[Outcome, str] = {
    "holds": "hold",
    "holds with conditions": "hold with conditions",
    "fails": "fail",
    "not testable here": "not testable here",
}


@dataclass(frozen=True)
class Summary:
    """What stands above everything else.

    Attributes:
        tally: each outcome that occurs with how many claims it is of, and its words.
        first: the main verdict; None where nothing was judged.
        others: the other verdicts.
        newest: date of the newest record, "" where there is none.
        records: names of the records that were read.
    """

    tally: tuple[tuple[Outcome, int, str], ...]
    first: Verdict | None
    others: tuple[Verdict, ...]
    newest: str
    records: str


def summarize(material: Material) -> Summary:
    """Count and date what the report is made of."""
    verdicts = material.verdicts.verdicts if material.verdicts else ()
    records = material.evidence.records
    dates = [record.header.date for record in records.values()]
    dates += [result.measured_at for result in material.results]
    return Summary(
        tally=_tally(verdicts),
        first=verdicts[0] if verdicts else None,
        others=verdicts[1:],
        newest=max(dates, default="")[:10],
        records=words.listed(tuple(records)) if records else "",
    )


def _tally(verdicts: tuple[Verdict, ...]) -> tuple[tuple[Outcome, int, str], ...]:
    counted = Counter(verdict.outcome for verdict in verdicts)
    return tuple(
        (outcome, counted[outcome], outcome if counted[outcome] == 1 else many)
        for outcome, many in _MANY.items()
        if counted[outcome]
    )
