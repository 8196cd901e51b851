"""What the verbs `predict` and `fit` come to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from edgecnn.records import SCHEMA

Verdict = Literal["meets", "likely", "unlikely", "misses"]


@dataclass(frozen=True)
class KindShare:
    """All operators of one kind, and what of the time is theirs.

    Attributes:
        kind: as in `cost.Kind`.
        count: how many there are.
        macs: their multiply-accumulates.
        bytes_moved: bytes they read and write, weights included.
        time_ms: of one inference.
        share: of the whole time, 0..1.
        bound: what they wait for most: "compute", "memory" or "overhead".
    """

    kind: str
    count: int
    macs: int
    bytes_moved: int
    time_ms: float
    share: float
    bound: str


@dataclass(frozen=True)
class Change:
    """What would be predicted if one thing were otherwise.

    Attributes:
        what: the thing, as an option of the command line.
        latency_ms: the prediction then.
    """

    what: str
    latency_ms: float


@dataclass(frozen=True)
class PredictedRun:
    """One network under one recipe on one device; nothing was measured.

    Attributes:
        model: the network or file, as the user named it.
        device: the profile's name.
        threads: of one inference.
        recipe: of `edgecnn.recipes.RECIPES`.
        latency_ms: median of what is expected, milliseconds.
        low_ms: lower end of the interval.
        high_ms: upper end of the interval.
        interval: the rate at which such intervals hold for sources that were left out of the fit.
        energy_mj: estimate for one inference, idle power included, millijoules; None where the
            profile knows no power.
        basis: what it rests on: "interpolated", "extrapolated", "calibrated" or "no rows".
        conditions: what the answer is for: runtime, build, clock, temperature.
        provenance: always "predicted".
        macs: multiply-accumulates of one inference.
        size_bytes: of the file; an estimate where there is none yet.
        memory_bytes: estimate of the peak of a process that runs it.
        unknown: operators no cost is known for, with their number.
        warnings: what makes the prediction less sure, one sentence each.
        kinds: where the time would go, the costliest first.
        changes: what else would be predicted; only where that was asked.
    """

    model: str
    device: str
    threads: int
    recipe: str
    latency_ms: float
    low_ms: float
    high_ms: float
    interval: float
    energy_mj: float | None
    basis: str
    macs: int
    size_bytes: int
    memory_bytes: int
    unknown: dict[str, int]
    warnings: tuple[str, ...]
    kinds: tuple[KindShare, ...]
    changes: tuple[Change, ...] = ()
    conditions: str = ""
    provenance: Literal["predicted"] = "predicted"


@dataclass(frozen=True)
class PredictReport:
    """All predictions, recipe by recipe and device by device."""

    predictions: tuple[PredictedRun, ...]
    notes: tuple[str, ...] = ()
    schema: int = SCHEMA


@dataclass(frozen=True)
class Budgets:
    """What a network may take; None sets no limit."""

    latency_ms: float
    memory_bytes: int | None = None
    size_bytes: int | None = None


@dataclass(frozen=True)
class Candidate:
    """One network that could be exported, and what is predicted of it.

    Attributes:
        model: a zoo name, `keras:NAME` or a path.
        input_size: height and width of the input, pixels; None for the model's own.
        width: width multiplier; None where the model has none.
        recipe: of `edgecnn.recipes.RECIPES`.
        macs: multiply-accumulates: the stand-in for quality, comparable within one model only.
        parameters: weights and biases.
        latency_ms: as in `PredictedRun`, with its interval.
        low_ms: lower end of the interval.
        high_ms: upper end of the interval.
        energy_mj: estimate for one inference.
        basis: what the prediction rests on.
        size_bytes: estimate of the file's size.
        memory_bytes: estimate of the process's peak.
        verdict: on the latency budget: "meets" when the whole interval is within it, "likely" when
            the prediction is, "unlikely" when only the interval's lower end is.
        fits: whether size and memory are within their budgets.
        on_front: whether no other of this model that fits is as fast and larger in `macs`.
    """

    model: str
    input_size: int | None
    width: float | None
    recipe: str
    macs: int
    parameters: int
    latency_ms: float
    low_ms: float
    high_ms: float
    energy_mj: float | None
    basis: str
    size_bytes: int
    memory_bytes: int
    verdict: Verdict
    fits: bool
    on_front: bool = False


@dataclass(frozen=True)
class FitReport:
    """What was searched, what of it is worth a look, and what would be taken.

    Attributes:
        model: as the user named it.
        device: the profile's name.
        threads: of one inference.
        interval: the rate of the intervals.
        budgets: what was asked for.
        candidates: all that was predicted.
        taken: the candidate with the most multiplications that meets every budget, else that likely
            does; None where none does.
        reason: why, one sentence.
        notes: what else a reader should know, one sentence each.
        conditions: what the predictions are for.
    """

    model: str
    device: str
    threads: int
    interval: float
    budgets: Budgets
    candidates: tuple[Candidate, ...]
    taken: Candidate | None
    reason: str
    notes: tuple[str, ...] = ()
    conditions: str = ""
    schema: int = SCHEMA

    @property
    def front(self) -> tuple[Candidate, ...]:
        """The candidates no other one dominates, the fastest first."""
        members = (candidate for candidate in self.candidates if candidate.on_front)
        return tuple(sorted(members, key=lambda candidate: candidate.latency_ms))
