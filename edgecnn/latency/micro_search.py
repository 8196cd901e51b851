"""The verb `fit_micro`: which network has room on a microcontroller."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from edgecnn.errors import InputError
from edgecnn.latency import micro_memory, sizes
from edgecnn.latency.candidates import TINY, Choice, find_choices
from edgecnn.latency.micro_reports import MicroBudgets, MicroCandidate, MicroFitReport
from edgecnn.latency.options import MicroFitOptions
from edgecnn.latency.search import PROXY, SEVERAL
from edgecnn.progress import Progress, Silent
from edgecnn.text import size_text
from edgecnn.tflm import arena, boards, cycles, operators
from edgecnn.zoo import MODELS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from edgecnn.latency.reports import Verdict
    from edgecnn.tflm.boards import Board

NO_LATENCY = "Latency is not predicted: no published rows of such a core with such a memory."
ESTIMATED = (
    "Arena and flash are estimates; after the export `edgecnn mcu` measures both. The program's own"
    " memory is not counted."
)
MAY_STAY_FLOAT = (
    "Which layers of a model of your own stay in float is decided when it is exported to int8; of"
    " those the arena is larger than estimated."
)
_RECIPES = ("int8", "float32")
_VERDICTS: tuple[Verdict, ...] = ("meets", "likely", "unlikely", "misses")


@dataclass(frozen=True)
class _Range:
    """What a network would take, and between which ends that lies."""

    low: float
    middle: float
    high: float

    def verdict(self, budget: float | None) -> Verdict:
        """Whether a budget holds."""
        if budget is None or self.high <= budget:
            return "meets"
        if self.middle <= budget:
            return "likely"
        return "unlikely" if self.low <= budget else "misses"


def fit_micro(
    model: Path | str,
    *,
    progress: Progress | None = None,
    **options: Any,  # noqa: ANN401 - the fields of MicroFitOptions
) -> MicroFitReport:
    """Search the networks that have room on a microcontroller; nothing is built or run.

    Args:
        model: a zoo name, `keras:NAME`, or a path; see `candidates` for what is varied.
        progress: told of what takes long.
        **options: the fields of `MicroFitOptions`.

    Returns:
        All candidates with their estimates, and which would be taken.

    Raises:
        InputError: no such model, board or recipe, nothing to keep within, or a latency where none
            is predicted.
        MissingPartError: TensorFlow is needed to build the network, and not installed.
    """
    chosen, watcher = MicroFitOptions(**options), progress or Silent()
    board = _board(chosen.board)
    budgets = _budgets(chosen, board)
    choices = find_choices(
        str(model),
        _recipes(chosen.recipes),
        input_sizes=chosen.input_sizes,
        input_shapes=chosen.input_shapes,
        varied=TINY,
        progress=watcher,
    )
    watcher.stage(f"estimating {len(choices)} candidates")
    candidates = _with_front((_candidate(net, board, budgets) for net in choices), budgets)
    best, reason = _take(candidates, str(model))
    return MicroFitReport(
        model=str(model),
        device=None if board is None else board.name,
        budgets=budgets,
        candidates=candidates,
        taken=best,
        reason=reason,
        notes=tuple(_notes(candidates, board)),
    )


def _board(name: str | None) -> Board | None:
    if name is None:
        return None
    board = boards.find(name)
    if board is None:
        known = ", ".join(board.option for board in boards.BOARDS)
        raise InputError(f"There is no board named {name!r}.", hint=f"Boards: {known}.")
    return board


def _budgets(chosen: MicroFitOptions, board: Board | None) -> MicroBudgets:
    """What was asked for; what was not, as the board has it."""
    if chosen.latency_ms is not None and (board is None or cycles.expect(1, board) is None):
        raise InputError(
            NO_LATENCY if board else "Latency is predicted for a board only.",
            hint="Leave --latency out."
            if board
            else "Name one: --device arduino-nano-33-ble-sense",
        )
    flash, ram = (None, None) if board is None else (board.flash_bytes, board.ram_bytes)
    budgets = MicroBudgets(
        ram if chosen.arena_bytes is None else chosen.arena_bytes,
        flash if chosen.flash_bytes is None else chosen.flash_bytes,
        chosen.latency_ms,
    )
    if budgets.arena_bytes is None and budgets.flash_bytes is None:
        raise InputError("Nothing to keep within.", hint="For example --arena 256kB --flash 1MB")
    return budgets


def _recipes(recipes: Sequence[str]) -> tuple[str, ...]:
    for recipe in recipes:
        if recipe not in _RECIPES:
            raise InputError(
                f"No estimate of an arena is for recipe {recipe!r}.",
                hint=f"Recipes on microcontrollers: {', '.join(_RECIPES)}.",
            )
    return tuple(dict.fromkeys(recipes))


def _candidate(choice: Choice, board: Board | None, budgets: MicroBudgets) -> MicroCandidate:
    cost, recipe = choice.subject.cost, choice.subject.recipe
    names = {operator.name for operator in cost.operators}
    arena_bytes, flash_bytes = micro_memory.estimate(cost).arena_bytes, sizes.file_bytes(cost)
    missing, unheld = operators.missing(tuple(names)), arena.unmeasured(names)
    expected = cycles.expect(cost.macs, board) if board and recipe == "int8" else None
    verdicts: list[Verdict] = [
        _within(arena_bytes, arena.TOLERANCE).verdict(budgets.arena_bytes),
        _within(flash_bytes, sizes.TOLERANCE).verdict(budgets.flash_bytes),
        "misses" if missing else "likely" if unheld or not _is_of_zoo(choice.model) else "meets",
    ]
    if expected is not None:
        times = _Range(expected.low_ms, expected.latency_ms, expected.high_ms)
        verdicts.append(times.verdict(budgets.latency_ms))
    return MicroCandidate(
        model=choice.model,
        input_size=choice.input_size,
        width=choice.width,
        recipe=recipe,
        macs=cost.macs,
        parameters=cost.weight_elements,
        arena_bytes=arena_bytes,
        flash_bytes=flash_bytes,
        missing_operators=missing,
        unheld_operators=unheld,
        verdict=max(verdicts, key=_VERDICTS.index),
        latency_ms=None if expected is None else expected.latency_ms,
        low_ms=None if expected is None else expected.low_ms,
        high_ms=None if expected is None else expected.high_ms,
    )


def _is_of_zoo(model: str) -> bool:
    return model.lower() in MODELS


def _within(value: float, share: float) -> _Range:
    return _Range(value * (1 - share), value, value * (1 + share))


def _with_front(
    candidates: Iterable[MicroCandidate], budgets: MicroBudgets
) -> tuple[MicroCandidate, ...]:
    """The smallest arena first; marked are those that no other of the same model dominates.

    One dominates another when its file is within the flash, its arena as small, its MACs more.
    """
    flash = math.inf if budgets.flash_bytes is None else budgets.flash_bytes
    most = Counter[str]()
    marked = []
    for candidate in sorted(candidates, key=lambda net: (net.arena_bytes, -net.macs)):
        able = not candidate.missing_operators and candidate.flash_bytes <= flash
        on_front = able and candidate.macs > most[candidate.model]
        if on_front:
            most[candidate.model] = candidate.macs
        marked.append(replace(candidate, on_front=on_front))
    return tuple(marked)


def _take(candidates: Sequence[MicroCandidate], model: str) -> tuple[MicroCandidate | None, str]:
    """The one to export, and why: the network that was named comes before others."""
    named = [net for net in candidates if net.model in {model, model.lower()}]
    others = [net for net in candidates if net not in named]
    for verdict, why in (("meets", _MEETS), ("likely", _LIKELY)):
        for group in (named, others):
            matches = [net for net in group if net.verdict == verdict]
            if matches:
                return max(matches, key=lambda net: (net.macs, -net.arena_bytes)), why
    return None, _why_none(candidates)


_MEETS = "Of those within the budgets even where an estimate is off, it has the most MACs."
_LIKELY = "None is surely within the budgets; of those whose estimates are, it has the most MACs."


def _why_none(candidates: Sequence[MicroCandidate]) -> str:
    able = [candidate for candidate in candidates if not candidate.missing_operators]
    if not able:
        missing = sorted({name for net in candidates for name in net.missing_operators})
        return f"TensorFlow Lite Micro has no {', '.join(missing)}."
    arena_bytes = min(candidate.arena_bytes for candidate in able)
    flash_bytes = min(candidate.flash_bytes for candidate in able)
    return (
        f"No candidate is within the budgets: the smallest arena is {size_text(arena_bytes)}, the"
        f" smallest file {size_text(flash_bytes)}."
    )


def _notes(candidates: Sequence[MicroCandidate], board: Board | None) -> Iterator[str]:
    yield PROXY
    if len({candidate.model for candidate in candidates}) > 1:
        yield SEVERAL
    if unheld := sorted({name for net in candidates for name in net.unheld_operators}):
        yield f"No estimate with {', '.join(unheld)} was held against a measured arena."
    if not all(_is_of_zoo(net.model) for net in candidates):
        yield MAY_STAY_FLOAT
    yield ESTIMATED
    if board is None:
        yield "Latency is predicted for a board only: --device NAME."
    elif cycles.expect(1, board) is None:
        yield NO_LATENCY
    else:
        yield f"Latency, of int8: {cycles.SOURCE}."
