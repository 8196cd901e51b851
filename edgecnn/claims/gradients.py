"""Document 000 on depth: gradients vanish in plain networks, residual connections cure it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from edgecnn.claims.record import Verdict
from edgecnn.claims.sources import listed, missing, number, untestable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from edgecnn.claims.record import Number, Outcome
    from edgecnn.evidence.files import Evidence
    from edgecnn.evidence.records import GradientRun, Gradients

VANISHED = 0.01
"""The first kernel's gradient in the deepest network is below a hundredth of the shallowest's: at
one learning rate it would learn a hundred times slower."""
EXPLODED = 100.0
"""The same the other way: a rate that suits the shallow network would throw the deep one off."""
PLAIN, RESIDUAL = "plain", "residual"
PLAIN_NORMALIZED, RESIDUAL_NORMALIZED = "plain + batch norm", "residual + batch norm"


@dataclass(frozen=True)
class Trend:
    """One kind of network under one initializer, from its shallowest to its deepest.

    Attributes:
        kind: of `GradientRun`.
        initializer: likewise.
        shallow: convolutions of the shallowest.
        deep: convolutions of the deepest.
        change: the first kernel's gradient norm, deepest over shallowest; geometric means over
            seeds.
        accuracy: of the deepest after brief training, mean over seeds; None: not trained.
        trained: how many seeds were.
    """

    kind: str
    initializer: str
    shallow: int
    deep: int
    change: float
    accuracy: float | None
    trained: int

    @property
    def state(self) -> Literal["vanishes", "stays", "explodes"]:
        """What became of the gradient with depth."""
        if self.change < VANISHED:
            return "vanishes"
        return "explodes" if self.change > EXPLODED else "stays"


def judge_vanishing(evidence: Evidence) -> Verdict:
    """Plain deep networks suffer from vanishing gradients."""
    record = evidence.gradients
    if record is None:
        return missing("gradients")
    plain = [trend for trend in trends(record) if trend.kind == PLAIN]
    if not plain:
        return _lacks("plain networks of two depths")
    yes = [trend.initializer for trend in plain if trend.state == "vanishes"]
    no = [trend.initializer for trend in plain if trend.state != "vanishes"]
    return Verdict(
        outcome=_outcome(yes, no),
        summary=f"In plain networks the first layer's gradient changes by {_changes(plain)}."
        f"{_trained(plain)}",
        conditions=(f"with kernels from {listed(yes)}; not from {listed(no)}",)
        if yes and no
        else (),
        numbers=_numbers(record, {PLAIN}),
        caveats=(_CAVEAT,),
    )


def judge_residual(evidence: Evidence) -> Verdict:
    """Residual connections cure what vanishes in plain networks."""
    return _judge_cure(evidence, RESIDUAL)


def judge_batch_norm(evidence: Evidence) -> Verdict:
    """Batch normalization, without residual connections, cures it."""
    return _judge_cure(evidence, PLAIN_NORMALIZED)


def _judge_cure(evidence: Evidence, kind: str) -> Verdict:
    record = evidence.gradients
    if record is None:
        return missing("gradients")
    by_kind = {(trend.kind, trend.initializer): trend for trend in trends(record)}
    plain = (trend for trend in by_kind.values() if trend.kind == PLAIN)
    sick = [trend for trend in plain if trend.state == "vanishes"]
    if not sick:
        return _lacks("a plain network whose gradients vanish: there is nothing to cure")
    pairs = [(trend, by_kind[kind, trend.initializer]) for trend in sick
             if (kind, trend.initializer) in by_kind]  # fmt: skip
    if not pairs:
        return _lacks(f"{kind} networks of two depths")
    cured = [trend for _, trend in pairs if trend.state != "vanishes"]
    conditions = tuple(_cure_conditions(pairs)) if cured else ()
    return Verdict(
        outcome=("holds with conditions" if conditions else "holds") if cured else "fails",
        summary=f"With {_what(kind)} the first layer's gradient changes"
        f" by {_changes([trend for _, trend in pairs])}; in plain networks by {_changes(sick)}."
        f"{_trained([trend for pair in pairs for trend in pair])}",
        conditions=conditions,
        numbers=_numbers(record, {PLAIN, kind, RESIDUAL_NORMALIZED}),
        caveats=(_CAVEAT, *_both(by_kind)),
    )


_CAVEAT = (
    "Norms are at the initialization, of the gradient with respect to the first convolution's"
    " kernel; a network whose gradients explode there may still train behind a normalization."
)


def _lacks(what: str) -> Verdict:
    return untestable(f"gradients.json lacks {what}.", "gradients")


def _what(kind: str) -> str:
    return "residual connections" if kind == RESIDUAL else "batch normalization alone"


def _outcome(yes: Sequence[str], no: Sequence[str]) -> Outcome:
    if not yes:
        return "fails"
    return "holds with conditions" if no else "holds"


def _cure_conditions(pairs: Iterable[tuple[Trend, Trend]]) -> list[str]:
    conditions = []
    for plain, cured in pairs:
        where = f"with kernels from {cured.initializer}"
        if cured.state == "vanishes":
            conditions.append(f"{where} it vanishes here too")
        elif cured.state == "explodes":
            conditions.append(f"{where} it grows {_times(cured.change)}-fold instead")
        trained = plain.accuracy is not None and cured.accuracy is not None
        if trained and (cured.accuracy or 0) <= (plain.accuracy or 0):
            conditions.append(f"{where} {cured.deep} layers learn no better than plain ones")
    return conditions


def _changes(group: Sequence[Trend]) -> str:
    """What depth does to one kind of network, initializer by initializer."""
    parts = [
        f"a factor of {_times(trend.change)} from {trend.shallow} to {trend.deep} layers"
        f" ({trend.initializer}: it {trend.state})"
        for trend in group
    ]
    return listed(parts)


def _times(change: float) -> str:
    """A factor with two digits, and no exponent where it is large.

    >>> _times(431.7), _times(0.13), _times(5.7e-9)
    ('430', '0.13', '5.7e-09')
    """
    return f"{float(f'{change:.2g}'):,.0f}" if change >= 10 else f"{change:.2g}"  # noqa: PLR2004 - two digits


def _trained(group: Sequence[Trend]) -> str:
    phrases = [
        f"{trend.kind} of {trend.deep} layers {100 * trend.accuracy:.1f}%"
        for trend in group
        if trend.accuracy is not None
    ]
    if not phrases:
        return ""
    seeds = max(trend.trained for trend in group)
    repeats = f"{seeds} seed{'s' if seeds > 1 else ''}"
    return f" After brief training ({repeats}): {listed(phrases)} right."


def _both(by_kind: dict[tuple[str, str], Trend]) -> tuple[str, ...]:
    """What residual connections and batch normalization do together, as the document has them."""
    both = [trend for (kind, _), trend in by_kind.items() if kind == RESIDUAL_NORMALIZED]
    return (f"With both it changes by {_changes(both)}.{_trained(both)}",) if both else ()


def trends(record: Gradients) -> list[Trend]:
    """The change with depth of every kind and initializer that was run at two depths or more."""
    result = []
    for kind, initializer in dict.fromkeys((run.kind, run.initializer) for run in record.runs):
        runs = [run for run in record.runs if (run.kind, run.initializer) == (kind, initializer)]
        shallow, deep = min(run.depth for run in runs), max(run.depth for run in runs)
        before = [run for run in runs if run.depth == shallow and run.gradient_norms]
        after = [run for run in runs if run.depth == deep and run.gradient_norms]
        if shallow == deep or not before or not after or not _first(before):
            continue
        change = _first(after) / _first(before)
        trained = sum(run.accuracy is not None for run in after)
        result.append(Trend(kind, initializer, shallow, deep, change, _accuracy(after), trained))
    return result


def _first(runs: Sequence[GradientRun]) -> float:
    """Geometric mean over seeds of the first kernel's gradient norm; 0 where one is 0."""
    norms = [run.gradient_norms[0] for run in runs]
    if min(norms) == 0:
        return 0.0
    return math.exp(sum(map(math.log, norms)) / len(norms))


def _accuracy(runs: Sequence[GradientRun]) -> float | None:
    values = [run.accuracy for run in runs if run.accuracy is not None]
    return sum(values) / len(values) if values else None


def _numbers(record: Gradients, kinds: set[str]) -> tuple[Number, ...]:
    numbers = []
    for index, run in enumerate(record.runs):
        if run.kind not in kinds:
            continue
        what, entry = f"{run.kind}, {run.depth} layers, {run.initializer}", f"runs[{index}]"
        for place, norm in (("first", run.gradient_norms[:1]), ("last", run.gradient_norms[-1:])):
            numbers += [
                number(
                    f"gradient norm, {place} kernel, {what}, seed {run.seed}",
                    value,
                    "1",
                    "measured",
                    record.header,
                    entry,
                )
                for value in norm
            ]
        if run.accuracy is not None:
            name = f"accuracy, {what}, seed {run.seed}"
            numbers.append(number(name, run.accuracy, "1", "measured", record.header, entry))
    return tuple(numbers)  # fmt: skip
