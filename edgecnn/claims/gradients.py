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
    plain = [each for each in trends(record) if each.kind == PLAIN]
    if not plain:
        return _lacks("plain networks of two depths")
    yes = [each.initializer for each in plain if each.state == "vanishes"]
    no = [each.initializer for each in plain if each.state != "vanishes"]
    return Verdict(
        outcome=_outcome(yes, no),
        summary=f"In plain networks the first layer's gradient changes by {_told(plain)}."
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
    found = {(each.kind, each.initializer): each for each in trends(record)}
    sick = [each for each in found.values() if each.kind == PLAIN and each.state == "vanishes"]
    if not sick:
        return _lacks("a plain network whose gradients vanish: there is nothing to cure")
    pairs = [(each, found[kind, each.initializer]) for each in sick
             if (kind, each.initializer) in found]  # fmt: skip
    if not pairs:
        return _lacks(f"{kind} networks of two depths")
    cured = [each for _, each in pairs if each.state != "vanishes"]
    conditions = tuple(_cure_conditions(pairs)) if cured else ()
    return Verdict(
        outcome=("holds with conditions" if conditions else "holds") if cured else "fails",
        summary=f"With {_what(kind)} the first layer's gradient changes"
        f" by {_told([each for _, each in pairs])}; in plain networks by {_told(sick)}."
        f"{_trained([each for pair in pairs for each in pair])}",
        conditions=conditions,
        numbers=_numbers(record, {PLAIN, kind, RESIDUAL_NORMALIZED}),
        caveats=(_CAVEAT, *_both(found)),
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
    found = []
    for plain, cured in pairs:
        where = f"with kernels from {cured.initializer}"
        if cured.state == "vanishes":
            found.append(f"{where} it vanishes here too")
        elif cured.state == "explodes":
            found.append(f"{where} it grows {_times(cured.change)}-fold instead")
        trained = plain.accuracy is not None and cured.accuracy is not None
        if trained and (cured.accuracy or 0) <= (plain.accuracy or 0):
            found.append(f"{where} {cured.deep} layers learn no better than plain ones")
    return found


def _told(found: Sequence[Trend]) -> str:
    """What depth does to one kind of network, initializer by initializer."""
    parts = [
        f"a factor of {_times(each.change)} from {each.shallow} to {each.deep} layers"
        f" ({each.initializer}: it {each.state})"
        for each in found
    ]
    return listed(parts)


def _times(change: float) -> str:
    """A factor with two digits, and no exponent where it is large.

    >>> _times(431.7), _times(0.13), _times(5.7e-9)
    ('430', '0.13', '5.7e-09')
    """
    return f"{float(f'{change:.2g}'):,.0f}" if change >= 10 else f"{change:.2g}"  # noqa: PLR2004 - two digits


def _trained(found: Sequence[Trend]) -> str:
    told = [
        f"{each.kind} of {each.deep} layers {100 * each.accuracy:.1f}%"
        for each in found
        if each.accuracy is not None
    ]
    if not told:
        return ""
    seeds = max(each.trained for each in found)
    return f" After brief training ({seeds} seed{'s' if seeds > 1 else ''}): {listed(told)} right."


def _both(found: dict[tuple[str, str], Trend]) -> tuple[str, ...]:
    """What residual connections and batch normalization do together, as the document has them."""
    both = [each for (kind, _), each in found.items() if kind == RESIDUAL_NORMALIZED]
    return (f"With both it changes by {_told(both)}.{_trained(both)}",) if both else ()


def trends(record: Gradients) -> list[Trend]:
    """The change with depth of every kind and initializer that was run at two depths or more."""
    found = []
    for kind, initializer in dict.fromkeys((run.kind, run.initializer) for run in record.runs):
        runs = [
            each for each in record.runs if (each.kind, each.initializer) == (kind, initializer)
        ]
        shallow, deep = min(run.depth for run in runs), max(run.depth for run in runs)
        before = [run for run in runs if run.depth == shallow and run.gradient_norms]
        after = [run for run in runs if run.depth == deep and run.gradient_norms]
        if shallow == deep or not before or not after or not _first(before):
            continue
        change = _first(after) / _first(before)
        trained = sum(run.accuracy is not None for run in after)
        found.append(Trend(kind, initializer, shallow, deep, change, _accuracy(after), trained))
    return found


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
    found = []
    for index, run in enumerate(record.runs):
        if run.kind not in kinds:
            continue
        what, entry = f"{run.kind}, {run.depth} layers, {run.initializer}", f"runs[{index}]"
        for place, norm in (("first", run.gradient_norms[:1]), ("last", run.gradient_norms[-1:])):
            found += [
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
            found.append(number(name, run.accuracy, "1", "measured", record.header, entry))
    return tuple(found)  # fmt: skip
