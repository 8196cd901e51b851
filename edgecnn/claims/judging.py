"""The verb `verdict`: what the records say of the documents' claims."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from edgecnn.claims.measured import with_measurements
from edgecnn.claims.record import VerdictReport
from edgecnn.claims.table import TABLE
from edgecnn.errors import InputError
from edgecnn.evidence import files

if TYPE_CHECKING:
    from collections.abc import Iterable

    from edgecnn.claims.record import Verdict
    from edgecnn.claims.table import Entry
    from edgecnn.evidence.files import Evidence


def verdict(
    *claims: str, records: Path | str = files.DEFAULT, results: Path | str | None = None
) -> VerdictReport:
    """Judge the documents' claims by the records of the experiments; nothing is run.

    Args:
        *claims: ids of the claims, all where none is named.
        records: the folder of the records, `artifacts/experiments` of a clone.
        results: results.jsonl of `bench`, whose measurements of real devices take the place of
            predictions; beside the folder of the records by default, where there is one.

    Returns:
        One verdict a claim, the main one first.

    Raises:
        InputError: there is no such claim, no such folder, or a record is damaged.
    """
    chosen = _chosen(claims)
    folder = Path(records)
    evidence = files.read_all(folder)
    evidence = with_measurements(evidence, _results(folder, results))
    return VerdictReport(
        verdicts=tuple(judge(entry, evidence) for entry in chosen),
        folder=str(folder),
        headers=tuple(record.header for record in evidence.records.values()),
    )


def judge(entry: Entry, evidence: Evidence) -> Verdict:
    """The verdict on one claim."""
    return replace(entry.judge(evidence), claim=entry.claim)


def _chosen(claims: Iterable[str]) -> list[Entry]:
    known = {entry.claim.id: entry for entry in TABLE}
    names = [claim.lower() for claim in dict.fromkeys(claims)]
    for name in names:
        if name not in known:
            from edgecnn.zoo.suggest import suggest

            raise InputError(f"There is no claim {name!r}.", hint=suggest(name, known))
    return [known[name] for name in dict.fromkeys(names)] or list(TABLE)


def _results(folder: Path, results: Path | str | None) -> Path | None:
    if results is not None:
        return Path(results)
    beside = folder.parent / "results.jsonl"
    return beside if beside.exists() else None
