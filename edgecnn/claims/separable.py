"""Documents 002 and 003 on separable convolutions: what they cost beside normal ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecnn.claims import pairs as paired
from edgecnn.claims.record import Verdict
from edgecnn.claims.sources import listed, missing, number, span, untestable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgecnn.claims.pairs import PairRow
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
    examples = [pair for pair in paired.of_group(record, "separable") if _is_example(pair)]
    if not examples:
        return untestable("kernels.json holds no pair of 3 channels and 64 filters.", "kernels")
    separable, normal = examples[0].pair.cheap.weights, examples[0].pair.costly.weights
    entry = f"pairs[{examples[0].index}]"
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


def _is_example(row: PairRow) -> bool:
    return (row.pair.channels, row.pair.filters) == (EXAMPLE_CHANNELS, EXAMPLE_FILTERS)


def judge_cost(evidence: Evidence) -> Verdict:
    """1/N + 1/d^2, "almost 1/9", for each separable layer of xception: by count and by clock."""
    record = evidence.kernels
    if record is None:
        return missing("kernels")
    layers = tuple(layer for layer in paired.of_group(record, "separable") if layer.pair.layer)
    if not layers:
        return untestable("kernels.json holds no separable layer of xception.", "kernels")
    return _judge_layers(layers, record)


def _judge_layers(layers: Sequence[PairRow], record: Kernels) -> Verdict:
    timed = paired.measured(layers)
    by_formula = all(map(_follows_formula, layers))
    counted = by_formula and all(_almost_a_ninth(layer.macs_ratio) for layer in layers)
    conditions = tuple(_conditions(layers, timed))
    return Verdict(
        outcome=("holds with conditions" if conditions else "holds") if counted else "fails",
        summary=_summary(layers, timed),
        conditions=conditions if counted else (),
        numbers=tuple(paired.numbers(layers, record.header)),
        caveats=_caveats(layers, timed, record),
    )


def formula(layer: PairRow) -> float:
    """The document's ratio of cost, 1/N + 1/d^2; d^2 is read off the normal kernel's weights."""
    pair = layer.pair
    return 1 / pair.filters + pair.channels * pair.filters / pair.costly.weights


def _follows_formula(layer: PairRow) -> bool:
    expected = formula(layer)
    return abs(layer.macs_ratio - expected) <= SAME * expected


def _almost_a_ninth(ratio: float) -> bool:
    # 90 filters lie on the border itself, where a float's last bit must not decide.
    return abs(ratio / NINTH - 1) <= ALMOST + SAME


def _reaches_a_ninth(layer: PairRow) -> bool:
    """Whether the time is as low as almost 1/9: the interval's low end, or less."""
    low = layer.pair.latency_ratio if layer.pair.low_ratio is None else layer.pair.low_ratio
    return low <= (1 + ALMOST) * NINTH


def _conditions(layers: Sequence[PairRow], timed: Sequence[PairRow]) -> list[str]:
    if not timed:
        return ["counted only: no time was measured"]
    conditions = []
    short = [layer for layer in timed if not _reaches_a_ninth(layer)]
    if short:
        conditions.append(
            f"in multiplications and weights; of the time a layer needs {paired.ratios(short)},"
            f" not 1/9, in {len(short)} of {len(timed)} cases"
        )
    slower = [layer for layer in timed if layer.standing != "faster"]
    if slower:
        conditions.append(f"not faster at all: {'; '.join(layer.where for layer in slower[:3])}")
    untimed = {layer.pair.layer for layer in layers} - {layer.pair.layer for layer in timed}
    if untimed:
        conditions.append(f"not measured: {listed(sorted(untimed)[:3])} ({len(untimed)} layers)")
    return conditions


def _summary(layers: Sequence[PairRow], timed: Sequence[PairRow]) -> str:
    names = {layer.pair.layer for layer in layers}
    ratios = [layer.macs_ratio for layer in layers]
    follows = names - {layer.pair.layer for layer in layers if not _follows_formula(layer)}
    counted = (
        f"Counted, {len(names)} layers of xception need {span(ratios, 3)} of a normal"
        f" convolution's multiplications (1/9 = {NINTH:.3f}; as 1/N + 1/d^2 says in"
        f" {len(follows)} of {len(names)})"
    )
    return f"{counted}; {_times(timed)}."


def _times(timed: Sequence[PairRow]) -> str:
    if not timed:
        return "no time was measured"
    parts = [
        f"{paired.ratios(of)} in {dtype}"
        for dtype in ("float32", "int8")
        if (of := [layer for layer in timed if layer.pair.dtype == dtype])
    ]
    return f"of its time they need {listed(parts)} (measured)"


def _caveats(
    layers: Sequence[PairRow], timed: Sequence[PairRow], record: Kernels
) -> tuple[str, ...]:
    caveats = [_REUSE, "Layers of one shape are measured once, and are a case each."]
    if timed:
        caveats.append(paired.machine_caveat(timed, record.header))
    forecast = paired.predicted(layers)
    if forecast:
        devices = sorted({row.pair.target for row in forecast})
        caveats.append(
            f"Predicted, not measured: {paired.ratios(forecast)} of the time on {listed(devices)}."
        )
    return tuple(caveats)
