"""The verb `fit`: which network meets a budget on a device."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from edgecnn.errors import InputError
from edgecnn.latency import predictor, profiles, sizes
from edgecnn.latency.candidates import Choice, find_choices
from edgecnn.latency.options import FitOptions
from edgecnn.latency.prediction import check_threads
from edgecnn.latency.reports import Budgets, Candidate, FitReport, Verdict
from edgecnn.progress import Progress, Silent

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from edgecnn.latency.predictor import Prediction
    from edgecnn.latency.profiles import DeviceProfile

PROXY = (
    "Quality is not known before training: MACs stand in for it, which is fair within one network"
    " only, and ignores what a recipe costs in accuracy."
)
SEVERAL = "MACs do not compare the quality of different networks."


def fit(
    model: Path | str,
    *,
    progress: Progress | None = None,
    **options: Any,  # noqa: ANN401 - the fields of FitOptions
) -> FitReport:
    """Search the networks that meet a budget on a device; nothing is built or run.

    Args:
        model: a zoo name, `keras:NAME`, or a path; see `candidates` for what is varied.
        progress: told of what takes long.
        **options: the fields of `FitOptions`.

    Returns:
        All candidates with their predictions, and which would be taken.

    Raises:
        InputError: no such model, device or recipe, or more threads than the device has cores.
        MissingPartError: TensorFlow is needed to build the network, and not installed.
    """
    chosen, watcher = FitOptions(**options), progress or Silent()
    if not chosen.latency_ms > 0:
        raise InputError(f"{chosen.latency_ms:g} ms cannot be met.", hint="Give more.")
    profile = profiles.find(chosen.device)
    threads = profile.cores if chosen.threads is None else chosen.threads
    check_threads(profile, threads)
    budgets = Budgets(chosen.latency_ms, chosen.memory_bytes, chosen.size_bytes)
    choices = find_choices(
        str(model),
        tuple(dict.fromkeys(chosen.recipes)),
        input_sizes=chosen.input_sizes,
        input_shapes=chosen.input_shapes,
        progress=watcher,
    )
    watcher.stage(f"predicting {len(choices)} candidates")
    candidates = _with_front(_candidate(choice, profile, threads, budgets) for choice in choices)
    best, reason = _take(candidates, str(model), budgets)
    several = len({candidate.model for candidate in candidates}) > 1
    return FitReport(
        model=str(model),
        device=profile.name,
        threads=threads,
        interval=predictor.INTERVAL,
        budgets=budgets,
        candidates=candidates,
        taken=best,
        reason=reason,
        notes=(PROXY, SEVERAL) if several else (PROXY,),
        conditions=predictor.CONDITIONS,
    )


def _candidate(choice: Choice, profile: DeviceProfile, threads: int, budgets: Budgets) -> Candidate:
    cost, recipe = choice.subject.cost, choice.subject.recipe
    prediction = predictor.predict_latency(cost, profile, recipe, threads)
    size, memory = sizes.file_bytes(cost), sizes.memory_bytes(cost)
    return Candidate(
        model=choice.model,
        input_size=choice.input_size,
        width=choice.width,
        recipe=recipe,
        macs=cost.macs,
        parameters=cost.weight_elements,
        latency_ms=prediction.latency_ms,
        low_ms=prediction.low_ms,
        high_ms=prediction.high_ms,
        energy_mj=prediction.energy_mj,
        basis=prediction.basis,
        size_bytes=size,
        memory_bytes=memory,
        verdict=_verdict(prediction, budgets.latency_ms),
        fits=_within(size, budgets.size_bytes) and _within(memory, budgets.memory_bytes),
    )


def _within(value: int, limit: int | None) -> bool:
    return limit is None or value <= limit


def _verdict(prediction: Prediction, budget_ms: float) -> Verdict:
    if prediction.high_ms <= budget_ms:
        return "meets"
    if prediction.latency_ms <= budget_ms:
        return "likely"
    return "unlikely" if prediction.low_ms <= budget_ms else "misses"


def _with_front(candidates: Iterable[Candidate]) -> tuple[Candidate, ...]:
    """The fastest first; marked are those that no other of the same model dominates.

    One dominates another when it is within the budgets for size and memory, as fast, and larger.
    """
    most = Counter[str]()
    marked = []
    for candidate in sorted(candidates, key=lambda net: (net.latency_ms, -net.macs)):
        on_front = candidate.fits and candidate.macs > most[candidate.model]
        if on_front:
            most[candidate.model] = candidate.macs
        marked.append(replace(candidate, on_front=on_front))
    return tuple(marked)


def _take(
    candidates: Sequence[Candidate], model: str, budgets: Budgets
) -> tuple[Candidate | None, str]:
    """The one to export, and why: the network that was named comes before others."""
    named = [net for net in candidates if net.model in {model, model.lower()}]
    others = [net for net in candidates if net not in named]
    for verdict, why in (("meets", _MEETS), ("likely", _LIKELY)):
        for group in (named, others):
            matches = [net for net in group if net.fits and net.verdict == verdict]
            if matches:
                return max(matches, key=lambda net: (net.macs, -net.latency_ms)), why
    return None, _why_none(candidates, budgets)


_MEETS = "Of those whose whole interval is within the budget, it has the most MACs."
_LIKELY = (
    "No interval is wholly within the budget; of those whose prediction is, it has the most MACs."
)


def _why_none(candidates: Sequence[Candidate], budgets: Budgets) -> str:
    small = [candidate for candidate in candidates if candidate.fits]
    if not small:
        return "No candidate is within the budgets for size and memory."
    fastest = min(small, key=lambda candidate: candidate.latency_ms)
    return (
        f"The fastest is predicted at {fastest.latency_ms:.3g} ms, above the"
        f" {budgets.latency_ms:g} ms that are allowed."
    )
