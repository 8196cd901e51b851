"""Whether budgets hold, given what was measured: nothing here measures or reads files.

A latency budget is broken when the whole 95% confidence interval of the p90 lies above it. Where
the budget lies inside the interval, the measurement cannot tell, and the budget holds with a
warning: a check that breaks by chance would soon be ignored. A void measurement decides only what
it cannot have got wrong: that a budget holds although something slowed the device down, or that
even its fastest run was too slow.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgecnn.benchmark import statistics
from edgecnn.benchmark.report import BudgetCheck

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from edgecnn.benchmark.files import BenchFile
    from edgecnn.benchmark.report import Outcome
    from edgecnn.measurements import BenchResult

_P90 = 0.90
_T_975 = 2.262  # Student's t for the 10 batches of statistics.BATCHES
_NORMAL_975 = 1.960


@dataclass(frozen=True)
class Budgets:
    """What is asked of every file; None is not asked.

    Attributes:
        p90_ms: the 90th percentile of the latency, at most.
        size_bytes: of the file, at most.
        memory_bytes: peak resident memory of a process that runs the file, at most.
        snr_db: of the logits against the float network's, at least.
    """

    p90_ms: float | None = None
    size_bytes: int | None = None
    memory_bytes: int | None = None
    snr_db: float | None = None

    @property
    def any(self) -> bool:
        """Whether anything is asked."""
        return self.measured or self.size_bytes is not None or self.snr_db is not None

    @property
    def measured(self) -> bool:
        """Whether anything is asked that only a device can answer."""
        return self.p90_ms is not None or self.memory_bytes is not None


def check_files(budgets: Budgets, files: Iterable[BenchFile]) -> Iterator[BudgetCheck]:
    """Hold the budgets that need no device: size, and the recorded SNR."""
    for file in files:
        if budgets.size_bytes is not None:
            yield _size(file, budgets.size_bytes)
        if budgets.snr_db is not None:
            yield _snr(file, budgets.snr_db)


def check_result(budgets: Budgets, result: BenchResult) -> Iterator[BudgetCheck]:
    """Hold the budgets that a device answers, and that it computes what this machine does."""
    if budgets.p90_ms is not None:
        yield _p90(result, budgets.p90_ms)
    if budgets.memory_bytes is not None:
        yield _memory(result, budgets.memory_bytes)
    if result.outputs_match is not None:
        yield _outputs(result, same=result.outputs_match)


def _size(file: BenchFile, limit: int) -> BudgetCheck:
    fits = file.size_bytes <= limit
    reason = f"the file has {file.size_bytes} bytes; {limit} are allowed"
    return BudgetCheck(
        "size", limit, file.size_bytes, "B", file.name, "", None, _outcome(fits), reason
    )


def _snr(file: BenchFile, limit: float) -> BudgetCheck:
    if file.parity is None:
        reason = "no manifest records the SNR of the file"
        return BudgetCheck("snr", limit, None, "dB", file.name, "", None, "undecided", reason)
    snr_db = file.parity.snr_db
    if snr_db is None:
        reason = "the logits equal the float model's"
        return BudgetCheck("snr", limit, None, "dB", file.name, "", None, "holds", reason)
    reason = f"the logits have {snr_db:.2f} dB SNR against float; {limit:g} dB are required"
    return BudgetCheck(
        "snr", limit, snr_db, "dB", file.name, "", None, _outcome(snr_db >= limit), reason
    )


def _p90(result: BenchResult, limit: float) -> BudgetCheck:
    if result.emulated:
        reason = f"{result.target} is emulated: its timings are not representative"
        return _of(result, "p90", limit, None, "ms", "undecided", reason)
    low, high = _p90_limits(result)
    p90_ms = result.latency_ms.p90
    interval = f"p90 is {p90_ms:.4g} ms (95% interval {low:.4g} to {high:.4g})"
    if high <= limit:
        outcome: Outcome = "holds"
        reason, warning = f"{interval}, within {limit:g} ms", ""
    elif low <= limit:
        outcome = "holds"
        reason = f"{interval}: {limit:g} ms is within the noise"
        warning = "the budget is within the noise: measure longer with --plan publish"
    else:
        outcome, warning = "broken", ""
        reason = f"{interval}, above {limit:g} ms"
    if result.trust.grade == "void":
        return _void(result, limit, outcome, reason)
    return _of(result, "p90", limit, p90_ms, "ms", outcome, reason, warning)


def _p90_limits(result: BenchResult) -> tuple[float, float]:
    """Between what p90 lies; a runtime that keeps no samples tells a median and an upper bound."""
    if not result.samples_ms:
        return result.latency_ms.p50, result.latency_ms.p90
    return p90_interval(result.samples_ms, repeats=len(result.repeat_p50_ms))


def _void(result: BenchResult, limit: float, outcome: Outcome, reason: str) -> BudgetCheck:
    why = f"the measurement is invalid ({'; '.join(result.trust.reasons)})"
    if outcome == "broken" and result.latency_ms.min > limit:
        reason = f"{reason}; even the fastest run took {result.latency_ms.min:.4g} ms"
    elif outcome == "broken":
        outcome, reason = "undecided", f"{reason}, but {why}"
    p90_ms = result.latency_ms.p90
    return _of(result, "p90", limit, p90_ms, "ms", outcome, reason, why)


def _memory(result: BenchResult, limit: int) -> BudgetCheck:
    peak = result.peak_rss_bytes
    reason = (
        f"the process peaked at {peak / 1e6:.1f} MB, libraries included; {limit / 1e6:g} MB are"
        " allowed"
    )
    outcome, warning = _outcome(peak <= limit), ""
    if result.emulated:
        # The emulator's own memory is in it: what is small enough is so on the device too.
        outcome = "holds" if peak <= limit else "undecided"
        warning = f"{result.target} is emulated, and the emulator's own memory is included"
        reason = reason if outcome == "holds" else f"{reason}, but {warning}"
    return _of(result, "memory", limit, peak, "B", outcome, reason, warning)


def _outputs(result: BenchResult, *, same: bool) -> BudgetCheck:
    relation = "match" if same else "differ from"
    reason = f"outputs on {result.target} {relation} this machine's on the {result.inputs} inputs"
    return _of(result, "outputs", None, None, "", _outcome(same), reason)


def _outcome(holds: bool) -> Outcome:  # noqa: FBT001 - the one thing it says
    return "holds" if holds else "broken"


def _of(
    result: BenchResult,
    budget: str,
    limit: float | None,
    actual: float | None,
    unit: str,
    outcome: Outcome,
    reason: str,
    warning: str = "",
) -> BudgetCheck:
    return BudgetCheck(
        budget, limit, actual, unit, result.file, result.target, result.threads, outcome, reason,
        warning,
    )  # fmt: skip


def p90_interval(samples_ms: Sequence[float], *, repeats: int = 1) -> tuple[float, float]:
    """A 95% confidence interval of the 90th percentile.

    How far the share of samples below the percentile varies from batch to batch says how far the
    percentile itself can be off, in shares; so slow stretches count, as they should (Heidelberger
    and Lewis, "Quantile Estimation in Dependent Sequences", Operations Research 32, 1984). It is
    never less than independent samples would give. With fewer repeats than tell, two processes of
    one file may differ by `statistics.PROCESS_EFFECT`, which widens the interval.

    Args:
        samples_ms: in the order they were taken.
        repeats: how many processes they come from.
    """
    import numpy as np

    samples = np.asarray(samples_ms, np.float64)
    below = samples <= np.percentile(samples, 100 * _P90)
    half = _NORMAL_975 * np.sqrt(_P90 * (1 - _P90) / len(samples))
    if len(samples) >= 2 * statistics.BATCHES:
        shares = [part.mean() for part in np.array_split(below, statistics.BATCHES)]
        half = max(half, _T_975 * np.std(shares, ddof=1) / np.sqrt(statistics.BATCHES))
    low, high = (statistics.percentile(samples_ms, min(max(_P90 + d, 0), 1)) for d in (-half, half))
    effect = 0.0 if repeats >= statistics.LEAST_UNITS else statistics.PROCESS_EFFECT
    return low / (1 + effect), high * (1 + effect)
