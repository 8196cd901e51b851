"""What the verb `fit_micro` comes to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from edgecnn.records import SCHEMA

if TYPE_CHECKING:
    from edgecnn.latency.reports import Verdict


@dataclass(frozen=True)
class MicroBudgets:
    """What a network on a microcontroller may take; None sets no limit."""

    arena_bytes: int | None
    flash_bytes: int | None
    latency_ms: float | None = None


@dataclass(frozen=True)
class MicroCandidate:
    """One network that could be exported, and what it would take on a microcontroller.

    Attributes:
        model: a zoo name, `keras:NAME` or a path.
        input_size: height and width of the input, pixels; None for the model's own.
        width: width multiplier; None where the model has none.
        recipe: of `edgecnn.recipes.RECIPES`.
        macs: multiply-accumulates: the stand-in for quality, comparable within one model only.
        parameters: weights and biases.
        arena_bytes: estimate of TensorFlow Lite Micro's arena.
        flash_bytes: estimate of the file's size.
        arena_low_bytes: the same where an export leaves nothing in float that it may not have to,
            and parts no scales.
        arena_high_bytes: where it leaves in float, and parts, all it may.
        flash_low_bytes: as of the arena.
        flash_high_bytes: likewise.
        float_ops: operators that are expected to compute on real numbers, name to count.
        float_reasons: which and why, a sentence a reason.
        missing_operators: those TensorFlow Lite Micro has not: it does not run this network.
        unheld_operators: those of which no estimate was ever held against a measured arena.
        verdict: on all budgets: "meets" when the upper ends are within them even if they are off by
            as much as estimates may be, "likely" when the estimates are (or an operator is among
            them that none was ever held against), "unlikely" when only the lower ends are.
        latency_ms: predicted middle; None where it is not predicted.
        low_ms: lower end of the interval.
        high_ms: upper end.
        on_front: whether no other of this model that TensorFlow Lite Micro runs and the flash holds
            has as small an arena and more MACs.
    """

    model: str
    input_size: int | None
    width: float | None
    recipe: str
    macs: int
    parameters: int
    arena_bytes: int
    flash_bytes: int
    missing_operators: tuple[str, ...]
    unheld_operators: tuple[str, ...]
    verdict: Verdict
    arena_low_bytes: int
    arena_high_bytes: int
    flash_low_bytes: int
    flash_high_bytes: int
    float_ops: dict[str, int] = field(default_factory=dict)
    float_reasons: tuple[str, ...] = ()
    latency_ms: float | None = None
    low_ms: float | None = None
    high_ms: float | None = None
    on_front: bool = False


@dataclass(frozen=True)
class MicroFitReport:
    """What was searched, what of it is worth a look, and what would be taken.

    Attributes:
        model: as the user named it.
        device: the board; None where none was named.
        budgets: what was asked for, or what the board has.
        candidates: all that were looked at, the smallest arena first.
        taken: the candidate with the most multiplications that meets every budget, else that likely
            does; None where none does.
        reason: why, one sentence.
        notes: what else a reader should know, one sentence each.
    """

    model: str
    device: str | None
    budgets: MicroBudgets
    candidates: tuple[MicroCandidate, ...]
    taken: MicroCandidate | None
    reason: str
    notes: tuple[str, ...] = ()
    schema: int = SCHEMA

    @property
    def front(self) -> tuple[MicroCandidate, ...]:
        """The candidates no other one dominates, the smallest arena first."""
        return tuple(candidate for candidate in self.candidates if candidate.on_front)
