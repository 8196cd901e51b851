"""Where each number of a verdict comes from, and what to say where a record is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecnn.claims.record import Number, Verdict
from edgecnn.evidence.files import command
from edgecnn.evidence.words import Source

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgecnn.evidence.records import Header, Provenance


def number(
    name: str, value: float, unit: str, provenance: Provenance, header: Header, entry: str
) -> Number:
    """One number, with the file, the entry, the date and the machine it comes from."""
    return Number(name, value, unit, provenance, where(header, entry))


def where(header: Header, entry: str) -> Source:
    """The file of a record and an entry of it, with its date and machine."""
    return Source(f"{header.experiment}.json", entry, header.date[:10], header.machine.cpu)


def missing(name: str) -> Verdict:
    """The verdict where a whole record is missing."""
    return untestable(f"There is no {name}.json.", name)


def untestable(why: str, name: str) -> Verdict:
    """The verdict where a record lacks what would decide; `name` is the record's stem."""
    return Verdict("not testable here", f"{why} `{command(name)}` would change that.")


def span(values: Sequence[float], digits: int = 2) -> str:
    """The range of some numbers, or the one they all are.

    >>> span([0.5, 0.36, 0.4]), span([2.0])
    ('0.36-0.50', '2.00')
    """
    low, high = f"{min(values):.{digits}f}", f"{max(values):.{digits}f}"
    return low if low == high else f"{low}-{high}"


def listed(parts: Sequence[str]) -> str:
    """Names in a row, as a sentence has them.

    >>> listed(["a", "b", "c"]), listed(["a"]), listed([])
    ('a, b and c', 'a', 'none')
    """
    if len(parts) < 2:  # noqa: PLR2004 - nothing to join
        return parts[0] if parts else "none"
    return f"{', '.join(parts[:-1])} and {parts[-1]}"
