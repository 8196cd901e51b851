"""Documents 002 and 003 on separable convolutions: what they cost beside normal ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecnn.claims import pairs as paired
from edgecnn.claims.record import Verdict
from edgecnn.claims.sources import listed, missing, number, span, untestable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgecnn.claims.pairs import Weighed
    from edgecnn.evidence.files import Evidence
    from edgecnn.evidence.records import Kernels

SEPARABLE_WEIGHTS = 219
NORMAL_WEIGHTS = 1728
EXAMPLE_CHANNELS, EXAMPLE_FILTERS = 3, 64
NINTH = 1 / 9
ALMOST = 0.10
"""How far from 1/9 is "almost 1/9": a tenth of it. At d = 3 the count's 1/N + 1/9 comes within
that from N = 90 filters on, and every separable layer of xception has 128 or more."""
_REUSE = (
    "A depthwise convolution uses each value it loads d^2 times, a normal one N d^2 times: the less"
    " a value is used, the more loading it counts, which multiplications do not show."
)
SAME = 1e-3
"""The count must be the formula's; only a rounded record may differ."""


def judge_example(evidence: Evidence) -> Verdict:
    """219 against 1,728 weights: 64 filters of 3x3 on 3 channels."""
    record = evidence.kernels
    if record is None:
        return missing("kernels")
    found = [each for each in paired.of_group(record, "separable") if _is_example(each)]
    if not found:
        return untestable("kernels.json holds no pair of 3 channels and 64 filters.", "kernels")
    separable, normal = found[0].pair.cheap.weights, found[0].pair.costly.weights
    entry = f"pairs[{found[0].index}]"
    same = (separable, normal) == (SEPARABLE_WEIGHTS, NORMAL_WEIGHTS)
    return Verdict(
        outcome="holds" if same else "fails",
        summary=f"Counted: {separable:,} weights against {normal:,}, a ratio of"
        f" {separable / normal:.3f}; the document says {SEPARABLE_WEIGHTS} and"
        f" {NORMAL_WEIGHTS:,}.",
        numbers=(
            number("weights, separable", separable, "weights", "counted", record.header, entry),
            number("weights, normal", normal, "weights", "counted", record.header, entry),
        ),
    )


def _is_example(each: Weighed) -> bool:
    return (each.pair.channels, each.pair.filters) == (EXAMPLE_CHANNELS, EXAMPLE_FILTERS)


def judge_cost(evidence: Evidence) -> Verdict:
    """1/N + 1/d^2, "almost 1/9", for each separable layer of xception: by count and by clock."""
    record = evidence.kernels
    if record is None:
        return missing("kernels")
    layers = tuple(each for each in paired.of_group(record, "separable") if each.pair.layer)
    if not layers:
        return untestable("kernels.json holds no separable layer of xception.", "kernels")
    return _judge_layers(layers, record)


def _judge_layers(layers: Sequence[Weighed], record: Kernels) -> Verdict:
    timed = paired.measured(layers)
    by_formula = all(_follows_formula(each) for each in layers)
    counted = by_formula and all(_almost_a_ninth(each.macs_ratio) for each in layers)
    conditions = tuple(_conditions(layers, timed))
    return Verdict(
        outcome=("holds with conditions" if conditions else "holds") if counted else "fails",
        summary=_summary(layers, timed),
        conditions=conditions if counted else (),
        numbers=tuple(paired.numbers(layers, record.header)),
        caveats=_caveats(layers, timed, record),
    )


def formula(each: Weighed) -> float:
    """The document's ratio of cost, 1/N + 1/d^2; d^2 is read off the normal kernel's weights."""
    pair = each.pair
    return 1 / pair.filters + pair.channels * pair.filters / pair.costly.weights


def _follows_formula(each: Weighed) -> bool:
    expected = formula(each)
    return abs(each.macs_ratio - expected) <= SAME * expected


def _almost_a_ninth(ratio: float) -> bool:
    # 90 filters lie on the border itself, where a float's last bit must not decide.
    return abs(ratio / NINTH - 1) <= ALMOST + SAME


def _reaches_a_ninth(each: Weighed) -> bool:
    """Whether the time is as low as almost 1/9: the interval's low end, or less."""
    low = each.pair.latency_ratio if each.pair.low_ratio is None else each.pair.low_ratio
    return low <= (1 + ALMOST) * NINTH


def _conditions(layers: Sequence[Weighed], timed: Sequence[Weighed]) -> list[str]:
    if not timed:
        return ["counted only: no time was measured"]
    found = []
    short = [each for each in timed if not _reaches_a_ninth(each)]
    if short:
        found.append(
            f"in multiplications and weights; of the time a layer needs {paired.ratios(short)},"
            f" not 1/9, in {len(short)} of {len(timed)} cases"
        )
    slower = [each for each in timed if each.standing != "faster"]
    if slower:
        found.append(f"not faster at all: {'; '.join(each.where for each in slower[:3])}")
    untimed = {each.pair.layer for each in layers} - {each.pair.layer for each in timed}
    if untimed:
        found.append(f"not measured: {listed(sorted(untimed)[:3])} ({len(untimed)} layers)")
    return found


def _summary(layers: Sequence[Weighed], timed: Sequence[Weighed]) -> str:
    names = {each.pair.layer for each in layers}
    ratios = [each.macs_ratio for each in layers]
    follows = names - {each.pair.layer for each in layers if not _follows_formula(each)}
    counted = (
        f"Counted, {len(names)} layers of xception need {span(ratios, 3)} of a normal"
        f" convolution's multiplications (1/9 = {NINTH:.3f}; as 1/N + 1/d^2 says in"
        f" {len(follows)} of {len(names)})"
    )
    return f"{counted}; {_times(timed)}."


def _times(timed: Sequence[Weighed]) -> str:
    if not timed:
        return "no time was measured"
    parts = [
        f"{paired.ratios(of)} in {dtype}"
        for dtype in ("float32", "int8")
        if (of := [each for each in timed if each.pair.dtype == dtype])
    ]
    return f"of its time they need {listed(parts)} (measured)"


def _caveats(
    layers: Sequence[Weighed], timed: Sequence[Weighed], record: Kernels
) -> tuple[str, ...]:
    found = [_REUSE, "Layers of one shape are measured once, and are a case each."]
    if timed:
        found.append(paired.machine_caveat(timed, record.header))
    forecast = paired.predicted(layers)
    if forecast:
        devices = sorted({each.pair.target for each in forecast})
        found.append(
            f"Predicted, not measured: {paired.ratios(forecast)} of the time on {listed(devices)}."
        )
    return tuple(found)
