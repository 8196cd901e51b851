"""A claim of the documents, and the verdict on it with the numbers it rests on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from edgecnn.records import SCHEMA

if TYPE_CHECKING:
    from edgecnn.evidence.records import Header, Provenance
    from edgecnn.evidence.words import Source

Outcome = Literal["holds", "fails", "holds with conditions", "not testable here"]
Kind = Literal["counted", "measured", "emulated", "predicted", "published", "judged"]
"""`Provenance`, or "judged"."""

ANSWERS: dict[Outcome, str] = {
    "holds": "Yes",
    "holds with conditions": "Partly",
    "fails": "No",
    "not testable here": "Not known",
}
"""How a headline begins."""


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


UNNAMED = Claim("", "", "", "", "", "", (), "")


@dataclass(frozen=True)
class Number:
    """One number of the evidence.

    Attributes:
        name: what it is.
        value: the number.
        unit: "ms", "1" for a ratio, "MACs", "weights", ...
        provenance: how it came about.
        source: where it stands.
    """

    name: str
    value: float
    unit: str
    provenance: Provenance
    source: Source


@dataclass(frozen=True)
class Detail:
    """One fact of a verdict.

    Attributes:
        topic: what it belongs to; facts of one topic follow one another.
        label: what it is, or of whom.
        value: a number in `unit`, or words.
        unit: "ms", "bytes", "MACs", "parameters", "1" for a share, "times", ...; "" of words.
        low: lower end of its interval; None: none is known.
        high: upper end.
        kind: how it came about; "judged" of what follows from others.
        limit: the most it may be; None: nothing is asked of it.
        note: what else there is to say of it.
    """

    topic: str
    label: str
    value: float | str
    unit: str = ""
    low: float | None = None
    high: float | None = None
    kind: Kind = "judged"
    limit: float | None = None
    note: str = ""


@dataclass(frozen=True)
class DeviceSpeed:
    """How fast the network is on one device, under the fastest recipe and number of threads.

    Attributes:
        device: its name.
        frames: of each recipe, the most frames a second.
        recipe: the fastest.
        threads: likewise.
        latency_ms: of those.
        low_ms: lower end of its interval.
        high_ms: upper end.
        provenance: how it came about.
        power_w: of the whole device; None: not known.
        energy_mj: of one frame.
        frugal: the most frames a second within the power budget; None: none, or power not known.
        enough_for: the highest rate it is fast enough for, and how sure that is.
        basis: what the prediction rests on, "measured" where it is none.
        at_low: the rate at the interval's lower end: "10/s", "1/s" or "below 1/s".
        at_high: at its upper end.
        decided_by: the measurement that would settle which of the two it is; "" where they agree.
    """

    device: str
    frames: dict[str, float]
    recipe: str
    threads: int
    latency_ms: float
    low_ms: float
    high_ms: float
    provenance: Provenance
    power_w: float | None
    energy_mj: float | None
    frugal: float | None
    enough_for: str
    basis: str = ""
    at_low: str = ""
    at_high: str = ""
    decided_by: str = ""


@dataclass(frozen=True)
class Verdict:
    """What the evidence says of a claim.

    Attributes:
        outcome: computed from the records.
        summary: one or two sentences with the decisive numbers.
        conditions: under what it holds, where it does so with conditions.
        numbers: the evidence in full.
        caveats: what else a reader should know.
        details: facts, topic by topic; empty where the summary says it all.
        headline: the answer in one plain sentence; empty where the summary is one.
        devices: how fast the network is where; empty where the claim is about something else.
        claim: what is judged; a judge knows the evidence only, and `judging` fills it in.
    """

    outcome: Outcome
    summary: str
    conditions: tuple[str, ...] = ()
    numbers: tuple[Number, ...] = ()
    caveats: tuple[str, ...] = ()
    details: tuple[Detail, ...] = ()
    headline: str = ""
    devices: tuple[DeviceSpeed, ...] = ()
    claim: Claim = UNNAMED


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
