"""Document 000 on kernels: smaller ones, and what replaces a large one, cost less."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgecnn.claims import pairs as paired
from edgecnn.claims.record import Verdict
from edgecnn.claims.sources import listed, missing, span, untestable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgecnn.claims.pairs import Weighed
    from edgecnn.claims.record import Outcome
    from edgecnn.evidence.files import Evidence
    from edgecnn.evidence.records import Header

CHEAPER = 1.0
DRASTIC = 0.5
"""The document's "drastically" is taken as half or less: a third less is a saving, not a drastic
one, and halves are what the other changes of its list reach."""
_SHOWN = 3


@dataclass(frozen=True)
class Wanted:
    """What a claim asks of a group of pairs: a name for the cheap way, and the ratio it needs."""

    group: str
    cheap: str
    costly: str
    at_most: float = CHEAPER


def judge_kernel_size(evidence: Evidence) -> Verdict:
    """3x3 against 5x5."""
    return _judge(evidence, Wanted("kernel-size", "A 3x3", "a 5x5"))


def judge_two_3x3(evidence: Evidence) -> Verdict:
    """Two 3x3, which see the same 5x5 pixels, against one 5x5."""
    return _judge(evidence, Wanted("two-3x3", "Two 3x3", "one 5x5"))


def judge_factorized(evidence: Evidence) -> Verdict:
    """1x3 followed by 3x1 against 3x3, "drastically"."""
    return _judge(evidence, Wanted("factorized", "1x3 + 3x1", "a 3x3", DRASTIC))


def judge_bottleneck(evidence: Evidence) -> Verdict:
    """A 1x1 with fewer filters before a large kernel, against the kernel alone."""
    return _judge(evidence, Wanted("bottleneck", "A 1x1 first", "the large kernel alone"))


def _judge(evidence: Evidence, wanted: Wanted) -> Verdict:
    record = evidence.kernels
    if record is None:
        return missing("kernels")
    pairs = paired.of_group(record, wanted.group)
    if not pairs:
        return untestable(f"kernels.json holds no pair of {wanted.group}.", "kernels")
    timed = paired.measured(pairs)
    conditions = tuple(_conditions(pairs, timed, wanted))
    return Verdict(
        outcome=_outcome(pairs, timed, conditions),
        summary=_summary(pairs, timed, wanted),
        conditions=conditions,
        numbers=tuple(paired.numbers(pairs, record.header)),
        caveats=_caveats(pairs, timed, record.header),
    )


def _outcome(
    pairs: Sequence[Weighed], timed: Sequence[Weighed], conditions: Sequence[str]
) -> Outcome:
    """Fails where nothing is saved: by the count in no pair, or by the clock slower in all."""
    if all(each.macs_ratio >= CHEAPER for each in pairs):
        return "fails"
    if timed and all(each.standing == "slower" for each in timed):
        return "fails"
    return "holds with conditions" if conditions else "holds"


def _conditions(pairs: Sequence[Weighed], timed: Sequence[Weighed], wanted: Wanted) -> list[str]:
    found = []
    costlier = [each.where for each in pairs if each.macs_ratio >= CHEAPER]
    if costlier:
        found.append(f"not fewer multiplications: {_some(costlier)}")
    if not timed:
        found.append("counted only: no time was measured")
    for standing, what in (("slower", "slower"), ("undecided", "no clear difference in time")):
        cases = [each.where for each in timed if each.standing == standing]
        if cases:
            found.append(f"{what} in {len(cases)} of {len(timed)} measurements: {_some(cases)}")
    if wanted.at_most < CHEAPER:
        found += _short_of(pairs, timed, wanted)
    return found


def _short_of(pairs: Sequence[Weighed], timed: Sequence[Weighed], wanted: Wanted) -> list[str]:
    """What keeps a claim of a large saving from holding."""
    counts = [each.macs_ratio for each in pairs if each.macs_ratio > wanted.at_most]
    times = [each for each in timed if each.pair.latency_ratio > wanted.at_most]
    found = []
    if counts:
        found.append(
            f"{span(counts)} of the multiplications, where {wanted.at_most:g} or less would be"
            " drastic"
        )
    if times:
        found.append(
            f"above {wanted.at_most:g} of the time in {len(times)} of {len(timed)} measurements"
        )
    return found


def _some(cases: Sequence[str]) -> str:
    more = len(cases) - _SHOWN
    return "; ".join(cases[:_SHOWN]) + (f"; and {more} more" if more > 0 else "")


def _summary(pairs: Sequence[Weighed], timed: Sequence[Weighed], wanted: Wanted) -> str:
    counted = (
        f"{wanted.cheap} against {wanted.costly}:"
        f" {span([each.macs_ratio for each in pairs])} of the multiplications (counted)"
    )
    if not timed:
        return f"{counted}; no time was measured."
    faster = sum(each.standing == "faster" for each in timed)
    kinds = [
        f"{paired.ratios(of)} in {dtype}"
        for dtype in ("float32", "int8")
        if (of := [each for each in timed if each.pair.dtype == dtype])
    ]
    return f"{counted}; of the time {listed(kinds)} (measured; faster in {faster} of {len(timed)})."


def _caveats(pairs: Sequence[Weighed], timed: Sequence[Weighed], header: Header) -> tuple[str, ...]:
    found = [paired.machine_caveat(timed, header)] if timed else []
    forecast = paired.predicted(pairs)
    if forecast:
        devices = sorted({each.pair.target for each in forecast})
        found.append(
            f"Predicted, not measured: {paired.ratios(forecast)} of the time on {listed(devices)}."
        )
    return tuple(found)
