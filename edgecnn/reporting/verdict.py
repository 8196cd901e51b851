"""Verdicts on the documents' claims, as `edgecnn verdict` shows them."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from edgecnn.claims.standings import POWER_W
from edgecnn.records import SCHEMA
from edgecnn.reporting import verdict_details
from edgecnn.reporting.table import Column, Table
from edgecnn.text import ABSENT, milliseconds_text, printable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from edgecnn.claims.record import DeviceSpeed, Number, Outcome, Verdict, VerdictReport
    from edgecnn.evidence.records import Header
    from edgecnn.evidence.words import Source

_STYLES: dict[Outcome, str] = {
    "holds": "bold green",
    "holds with conditions": "bold yellow",
    "fails": "bold red",
    "not testable here": "bold",
}
_SHORT: dict[Outcome, str] = {
    "holds": "holds",
    "holds with conditions": "conditions",
    "fails": "fails",
    "not testable here": "not testable",
}
_EXACT = 1_000_000


def verdicts_table(report: VerdictReport, above: str = "") -> Table:
    """One row a claim: its id, the outcome, and what decided it.

    Args:
        report: all verdicts.
        above: the claim whose summary stands above the table already.
    """
    columns = (Column("claim"), Column("outcome"), Column("what decided it"))
    rows = [
        (
            verdict.claim.id,
            _SHORT[verdict.outcome],
            "see above" if verdict.claim.id == above else verdict.summary,
        )
        for verdict in report.verdicts
    ]
    return Table(columns, tuple(rows))


def heading(verdict: Verdict) -> tuple[str, str]:
    """The claim and its outcome in a line, and the line's style."""
    return f"{sentence(verdict.claim.title)}: {verdict.outcome}.", _STYLES[verdict.outcome]


def sentence(text: str) -> str:
    """The text with a capital.

    >>> sentence("plain deep nets")
    'Plain deep nets'
    """
    return text[:1].upper() + text[1:]


def paragraphs(verdict: Verdict) -> tuple[str, ...]:
    """The answer in a sentence where there is one, the summary, and the conditions."""
    texts = [text for text in (verdict.headline, verdict.summary) if text]
    if verdict.conditions:
        texts.append(f"Conditions: {'; '.join(verdict.conditions)}.")
    return tuple(texts)


def devices_table(verdict: Verdict) -> Table:
    """One row a device: frames a second under each recipe, and the fastest in full."""
    recipes = dict.fromkeys(recipe for device in verdict.devices for recipe in device.frames)
    columns = (
        Column("device"),
        *(Column(recipe, number=True) for recipe in recipes),
        Column("ms", number=True),
        Column("W", number=True),
        Column(f"{POWER_W:g} W", number=True),
        Column("enough for"),
    )
    rows = [
        (
            device_text(device),
            *(frames_text(device.frames.get(recipe)) for recipe in recipes),
            interval_text(device),
            ABSENT if device.power_w is None else f"{device.power_w:.1f}",
            frames_text(device.frugal),
            device.enough_for,
        )
        for device in verdict.devices
    ]
    return Table(columns, tuple(rows))


def device_text(speed: DeviceSpeed) -> str:
    """The device; "*" where its latency was measured, which is rarer than a prediction."""
    return f"{printable(speed.device)}{' *' if speed.provenance == 'measured' else ''}"


def frames_text(frames: float | None) -> str:
    """Frames a second, two digits.

    >>> frames_text(10.86), frames_text(2.49), frames_text(0.984), frames_text(None)
    ('11', '2.5', '0.98', '-')
    """
    if frames is None:
        return ABSENT
    digits = 2 if frames < 1 else 1 if frames < 9.95 else 0  # noqa: PLR2004 - two digits
    return f"{frames:.{digits}f}"


def interval_text(speed: DeviceSpeed) -> str:
    """Both ends of the fastest recipe's interval, milliseconds."""
    return f"{milliseconds_text(speed.low_ms)}-{milliseconds_text(speed.high_ms)}"


def devices_legend(verdict: Verdict) -> str:
    """What the columns of the devices mean."""
    measured = " *: measured." if any(e.provenance == "measured" for e in verdict.devices) else ""
    return (
        "Frames a second under each recipe, with the fastest number of threads. ms: the interval of"
        f" the fastest recipe. W: power of the whole device then; {POWER_W:g} W: frames a second"
        f" within that power. Enough for: the rate in frames a second that it reaches.{measured}"
    )


def claim_pairs(verdict: Verdict) -> tuple[tuple[str, str], ...]:
    """What was claimed where, how it was tested, and what makes the evidence again."""
    claim = verdict.claim
    return (
        ("document", f"{claim.document}, {claim.section}"),
        ("says", claim.words),
        ("test", claim.experiment),
        ("again", claim.command),
    )


def numbers_table(verdict: Verdict) -> Table:
    """All numbers of the evidence, with how each came about and where it stands."""
    columns = (
        Column("number"),
        Column("value", number=True),
        Column("by"),
        Column("entry"),
    )
    rows = [
        (printable(number.name, 200), value_text(number), number.provenance, _entry(number))
        for number in verdict.numbers
    ]
    return Table(columns, tuple(rows))


def value_text(number: Number) -> str:
    """A number with its unit; counts in full, the rest with four digits.

    >>> from edgecnn.claims.record import Number
    >>> value_text(Number("", 1728, "weights", "counted", "")), value_text(
    ...     Number("", 0.126736, "1", "counted", ""))
    ('1,728', '0.1267')
    """
    value = number.value
    if value == int(value) and abs(value) >= 1 and number.unit != "ms":
        text = f"{int(value):,}"
    elif abs(value) < _EXACT:
        text = f"{value:.4g}"
    else:
        text = f"{value:,.0f}"
    counted = {"1", "weights", "MACs", "parameters"}
    return text if number.unit in counted else f"{text} {number.unit}"


def _entry(number: Number) -> str:
    return printable(f"{number.source.file} {number.source.entry}", 80)


def source_text(source: Source) -> str:
    """Where a number stands, in a line."""
    return f"{source.file} {source.entry}; {source.date}, {source.machine}"


def sources(verdict: Verdict) -> tuple[str, ...]:
    """Date and machine of each file the numbers come from, once."""
    every = (number.source for number in verdict.numbers)
    lines = (f"{source.file}: {source.date}, {source.machine}" for source in every)
    return tuple(printable(line, 200) for line in dict.fromkeys(lines))


def records_text(headers: Iterable[Header]) -> str:
    """When, where and by which version the records were made, alike ones together."""
    groups: dict[str, list[str]] = {}
    for header in headers:
        version, cpu = header.versions.get("edgecnn", "?"), header.machine.cpu
        origin = f"{header.date[:10]} by edgecnn {version} on {cpu}"
        groups.setdefault(printable(origin, 200), []).append(header.experiment)
    parts = [f"{', '.join(names)} of {origin}" for origin, names in groups.items()]
    return f"Records: {'; '.join(parts)}." if parts else ""


def tally(verdicts: Iterable[Verdict]) -> str:
    """How many claims came to which outcome."""
    counts: dict[str, int] = {}
    for verdict in verdicts:
        counts[verdict.outcome] = counts.get(verdict.outcome, 0) + 1
    return ", ".join(f"{count} {outcome}" for outcome, count in counts.items())


def _object(verdict: Verdict) -> dict[str, Any]:
    """Details and sources as text, which is what scripts were given from the start, and as data."""
    numbers = [
        {**asdict(number), "source": source_text(number.source), "where": asdict(number.source)}
        for number in verdict.numbers
    ]
    facts = [asdict(detail) for detail in verdict_details.facts(verdict)]
    details = list(verdict_details.sentences(verdict))
    return {**asdict(verdict), "numbers": numbers, "details": details, "facts": facts}


def verdicts_object(report: VerdictReport) -> dict[str, Any]:
    """Every verdict with all its numbers, and the headers of the records."""
    return {
        "schema": SCHEMA,
        "verdicts": [_object(verdict) for verdict in report.verdicts],
        "records": report.folder,
        "headers": [asdict(header) for header in report.headers],
    }
