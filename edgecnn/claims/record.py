"""A claim of the documents, and the verdict on it with the numbers it rests on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from edgecnn.records import SCHEMA

if TYPE_CHECKING:
    from edgecnn.evidence.records import Header, Provenance

Outcome = Literal["holds", "fails", "holds with conditions", "not testable here"]


@dataclass(frozen=True)
class Claim:
    """What a document says, and how it is put to the test.

    Attributes:
        id: what the user types.
        title: the claim in a few words of ours.
        document: number of the document: "000", "002" or "003".
        section: where in it.
        words: its own words, shortened.
        experiment: what is compared and when the claim holds, in sentences.
        records: stems of the files of `artifacts/experiments` it rests on.
        command: what makes the record again.
    """

    id: str
    title: str
    document: str
    section: str
    words: str
    experiment: str
    records: tuple[str, ...]
    command: str


@dataclass(frozen=True)
class Number:
    """One number of the evidence.

    Attributes:
        name: what it is.
        value: the number.
        unit: "ms", "1" for a ratio, "MACs", "weights", ...
        provenance: how it came about.
        source: the record's file and entry, with its date and machine.
    """

    name: str
    value: float
    unit: str
    provenance: Provenance
    source: str


@dataclass(frozen=True)
class Finding:
    """What a judge makes of the evidence; the fields are `Verdict`'s."""

    outcome: Outcome
    summary: str
    conditions: tuple[str, ...] = ()
    numbers: tuple[Number, ...] = ()
    caveats: tuple[str, ...] = ()
    details: tuple[str, ...] = ()


@dataclass(frozen=True)
class Verdict:
    """The answer to one claim.

    Attributes:
        claim: what was asked.
        outcome: computed from the records.
        summary: one or two sentences with the decisive numbers.
        conditions: under what it holds, where it does so with conditions.
        numbers: the evidence in full.
        caveats: what else a reader should know.
        details: paragraphs, each "Label: sentences"; empty where the summary says it all.
    """

    claim: Claim
    outcome: Outcome
    summary: str
    conditions: tuple[str, ...] = ()
    numbers: tuple[Number, ...] = ()
    caveats: tuple[str, ...] = ()
    details: tuple[str, ...] = ()


@dataclass(frozen=True)
class VerdictReport:
    """Verdicts in the order of the table, the main one first.

    Attributes:
        verdicts: the answers.
        folder: of the records.
        headers: of each record that was read: when, where and by what command it was made.
    """

    verdicts: tuple[Verdict, ...]
    folder: str
    headers: tuple[Header, ...]
    schema: int = SCHEMA
