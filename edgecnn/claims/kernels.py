"""Document 000 on kernels: smaller ones, and what replaces a large one, cost less."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgecnn.claims import pairs as paired
from edgecnn.claims.record import Verdict
from edgecnn.claims.sources import listed, missing, span, untestable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgecnn.claims.pairs import PairRow
    from edgecnn.claims.record import Outcome
    from edgecnn.evidence.files import Evidence
    from edgecnn.evidence.records import Header

CHEAPER = 1.0
DRASTIC = 0.5
"""The document's "drastically" is taken as half or less: a third less is a saving, not a drastic
one, and halves are what the other changes of its list reach."""
_SHOWN = 3


@dataclass(frozen=True)
class Saving:
    """What a claim says a group of pairs saves: the two ways' names, and the ratio it needs."""

    group: str
    cheap: str
    costly: str
    at_most: float = CHEAPER


def judge_kernel_size(evidence: Evidence) -> Verdict:
    """3x3 against 5x5."""
    return _judge(evidence, Saving("kernel-size", "A 3x3", "a 5x5"))


def judge_two_3x3(evidence: Evidence) -> Verdict:
    """Two 3x3, which see the same 5x5 pixels, against one 5x5."""
    return _judge(evidence, Saving("two-3x3", "Two 3x3", "one 5x5"))


def judge_factorized(evidence: Evidence) -> Verdict:
    """1x3 followed by 3x1 against 3x3, "drastically"."""
    return _judge(evidence, Saving("factorized", "1x3 + 3x1", "a 3x3", DRASTIC))


def judge_bottleneck(evidence: Evidence) -> Verdict:
    """A 1x1 with fewer filters before a large kernel, against the kernel alone."""
    return _judge(evidence, Saving("bottleneck", "A 1x1 first", "the large kernel alone"))


def _judge(evidence: Evidence, claim: Saving) -> Verdict:
    record = evidence.kernels
    if record is None:
        return missing("kernels")
    pairs = paired.of_group(record, claim.group)
    if not pairs:
        return untestable(f"kernels.json holds no pair of {claim.group}.", "kernels")
    timed = paired.measured(pairs)
    conditions = tuple(_conditions(pairs, timed, claim))
    return Verdict(
        outcome=_outcome(pairs, timed, conditions),
        summary=_summary(pairs, timed, claim),
        conditions=conditions,
        numbers=tuple(paired.numbers(pairs, record.header)),
        caveats=_caveats(pairs, timed, record.header),
    )


def _outcome(
    pairs: Sequence[PairRow], timed: Sequence[PairRow], conditions: Sequence[str]
) -> Outcome:
    """Fails where nothing is saved: by the count in no pair, or by the clock slower in all."""
    if all(pair.macs_ratio >= CHEAPER for pair in pairs):
        return "fails"
    if timed and all(pair.standing == "slower" for pair in timed):
        return "fails"
    return "holds with conditions" if conditions else "holds"


def _conditions(pairs: Sequence[PairRow], timed: Sequence[PairRow], claim: Saving) -> list[str]:
    conditions = []
    costlier = [pair.where for pair in pairs if pair.macs_ratio >= CHEAPER]
    if costlier:
        conditions.append(f"not fewer multiplications: {_some(costlier)}")
    if not timed:
        conditions.append("counted only: no time was measured")
    for standing, what in (("slower", "slower"), ("undecided", "no clear difference in time")):
        cases = [pair.where for pair in timed if pair.standing == standing]
        if cases:
            share = f"{len(cases)} of {len(timed)} measurements"
            conditions.append(f"{what} in {share}: {_some(cases)}")
    if claim.at_most < CHEAPER:
        conditions += _short_of(pairs, timed, claim)
    return conditions


def _short_of(pairs: Sequence[PairRow], timed: Sequence[PairRow], claim: Saving) -> list[str]:
    """What keeps a claim of a large saving from holding."""
    counts = [pair.macs_ratio for pair in pairs if pair.macs_ratio > claim.at_most]
    times = [row for row in timed if row.pair.latency_ratio > claim.at_most]
    conditions = []
    if counts:
        conditions.append(
            f"{span(counts)} of the multiplications, where {claim.at_most:g} or less would be"
            " drastic"
        )
    if times:
        conditions.append(
            f"above {claim.at_most:g} of the time in {len(times)} of {len(timed)} measurements"
        )
    return conditions


def _some(cases: Sequence[str]) -> str:
    more = len(cases) - _SHOWN
    return "; ".join(cases[:_SHOWN]) + (f"; and {more} more" if more > 0 else "")


def _summary(pairs: Sequence[PairRow], timed: Sequence[PairRow], claim: Saving) -> str:
    counted = (
        f"{claim.cheap} against {claim.costly}:"
        f" {span([pair.macs_ratio for pair in pairs])} of the multiplications (counted)"
    )
    if not timed:
        return f"{counted}; no time was measured."
    faster = sum(pair.standing == "faster" for pair in timed)
    kinds = [
        f"{paired.ratios(of)} in {dtype}"
        for dtype in ("float32", "int8")
        if (of := [row for row in timed if row.pair.dtype == dtype])
    ]
    return f"{counted}; of the time {listed(kinds)} (measured; faster in {faster} of {len(timed)})."


def _caveats(pairs: Sequence[PairRow], timed: Sequence[PairRow], header: Header) -> tuple[str, ...]:
    caveats = [paired.machine_caveat(timed, header)] if timed else []
    forecast = paired.predicted(pairs)
    if forecast:
        devices = sorted({row.pair.target for row in forecast})
        caveats.append(
            f"Predicted, not measured: {paired.ratios(forecast)} of the time on {listed(devices)}."
        )
    return tuple(caveats)
