"""The verb `fit_micro`: which network has room on a microcontroller."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecnn.errors import InputError
from edgecnn.latency import micro_drafts, sizes
from edgecnn.latency.candidates import TINY, Choice, find_choices
from edgecnn.latency.micro_footprint import Bounds, Footprint, of_costs
from edgecnn.latency.micro_reports import MicroBudgets, MicroCandidate, MicroFitReport
from edgecnn.latency.options import MicroFitOptions
from edgecnn.latency.search import PROXY, SEVERAL
from edgecnn.latency.subjects import Shape, is_artifact
from edgecnn.latency.zoo_nets import costs_of_zoo
from edgecnn.progress import Progress, Silent
from edgecnn.text import size_text
from edgecnn.tflm import arena, boards, cycles, operators
from edgecnn.zoo import MODELS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from edgecnn.latency.reports import Verdict
    from edgecnn.tflm.boards import Board

NO_LATENCY = "Latency is not predicted: no published rows of such a core with such a memory."
ESTIMATED = (
    "Arena and flash are estimates; after the export `edgecnn mcu` measures both. The program's own"
    " memory is not counted."
)
_RECIPES = ("int8", "float32")
_VERDICTS: tuple[Verdict, ...] = ("meets", "likely", "unlikely", "misses")


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
    nets = _nets(str(model), chosen, watcher)
    watcher.stage(f"estimating {len(nets)} candidates")
    candidates = _with_front((_candidate(net, board, budgets) for net in nets), budgets)
    best, reason = _take(candidates, str(model))
    return MicroFitReport(
        model=str(model),
        device=None if board is None else board.name,
        budgets=budgets,
        candidates=candidates,
        taken=best,
        reason=reason,
        notes=tuple(dict.fromkeys(_notes(candidates, nets, board))),
    )


@dataclass(frozen=True)
class _Net:
    """A network that could be exported, and what it would take."""

    model: str
    input_size: int | None
    width: float | None
    recipe: str
    takes: Footprint


def _nets(model: str, chosen: MicroFitOptions, progress: Progress) -> list[_Net]:
    """What there is to choose from."""
    recipes = _recipes(chosen.recipes)
    if model.lower() not in MODELS and not _is_readable(model):
        return list(_of_source(model, recipes, chosen, progress))
    choices = find_choices(
        model,
        recipes,
        input_sizes=chosen.input_sizes,
        input_shapes=chosen.input_shapes,
        varied=TINY,
        progress=progress,
    )
    return [_net_of_choice(choice, chosen, progress) for choice in choices]


def _is_readable(model: str) -> bool:
    """Whether it is a .tflite or an artifact, whose operators no conversion changes."""
    path = Path(model)
    return path.suffix.lower() == ".tflite" or (path.is_dir() and is_artifact(path))


def _of_source(
    model: str, recipes: Sequence[str], chosen: MicroFitOptions, progress: Progress
) -> Iterator[_Net]:
    feed = micro_drafts.Feed(chosen.calibration, chosen.preprocessing)
    for size in chosen.input_sizes or (None,):
        shape = Shape(size, input_shapes=dict(chosen.input_shapes))
        drafts = micro_drafts.footprints(model, recipes, shape, feed, progress)
        for recipe, takes in drafts.items():
            yield _Net(model, size, None, recipe, takes)


def _net_of_choice(choice: Choice, chosen: MicroFitOptions, progress: Progress) -> _Net:
    subject = choice.subject
    if choice.model.lower() in MODELS:
        takes = _of_zoo(choice)
    elif subject.recipe == "int8" and subject.cost.size_bytes is None:  # of a float file
        feed = micro_drafts.Feed(chosen.calibration, chosen.preprocessing)
        shape = Shape(choice.input_size, input_shapes=dict(chosen.input_shapes))
        drafts = micro_drafts.footprints(subject.name, ("int8",), shape, feed, progress)
        takes = drafts["int8"]
    else:
        takes = of_costs(subject.cost)
    return _Net(choice.model, choice.input_size, choice.width, subject.recipe, takes)


def _of_zoo(choice: Choice) -> Footprint:
    """With the scales that an export usually parts; the upper end parts all it may."""
    parted = costs_of_zoo(
        choice.model,
        input_size=choice.input_size,
        width=choice.width,
        recipe=choice.subject.recipe,
        parted=True,
    )
    takes = of_costs(choice.subject.cost, [parted])
    is_int8 = choice.subject.recipe == "int8"
    return replace(takes, open_because=(micro_drafts.RANDOM,)) if is_int8 else takes


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


def _candidate(net: _Net, board: Board | None, budgets: MicroBudgets) -> MicroCandidate:
    takes, cost = net.takes, net.takes.cost
    names = {operator.name for operator in cost.operators}
    missing, unheld = operators.missing(tuple(names)), arena.unmeasured(names)
    expected = cycles.expect(cost.macs, board) if board and net.recipe == "int8" else None
    verdicts: list[Verdict] = [
        takes.arena.wider(arena.TOLERANCE).verdict(budgets.arena_bytes),
        takes.flash.wider(sizes.TOLERANCE).verdict(budgets.flash_bytes),
        "misses" if missing else "likely" if unheld else "meets",
    ]
    if expected is not None:
        times = Bounds(expected.low_ms, expected.latency_ms, expected.high_ms)
        verdicts.append(times.verdict(budgets.latency_ms))
    return MicroCandidate(
        model=net.model,
        input_size=net.input_size,
        width=net.width,
        recipe=net.recipe,
        macs=cost.macs,
        parameters=cost.weight_elements,
        arena_bytes=int(takes.arena.middle),
        flash_bytes=int(takes.flash.middle),
        missing_operators=missing,
        unheld_operators=unheld,
        verdict=max(verdicts, key=_VERDICTS.index),
        arena_low_bytes=int(takes.arena.low),
        arena_high_bytes=int(takes.arena.high),
        flash_low_bytes=int(takes.flash.low),
        flash_high_bytes=int(takes.flash.high),
        float_ops=takes.float_ops,
        float_reasons=takes.float_reasons,
        latency_ms=None if expected is None else expected.latency_ms,
        low_ms=None if expected is None else expected.low_ms,
        high_ms=None if expected is None else expected.high_ms,
    )


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


def _notes(
    candidates: Sequence[MicroCandidate], nets: Sequence[_Net], board: Board | None
) -> Iterator[str]:
    yield PROXY
    if len({candidate.model for candidate in candidates}) > 1:
        yield SEVERAL
    if unheld := sorted({name for net in candidates for name in net.unheld_operators}):
        yield f"No estimate with {', '.join(unheld)} was held against a measured arena."
    for net in nets:
        yield from net.takes.float_reasons
        yield from net.takes.open_because
    yield ESTIMATED
    if board is None:
        yield "Latency is predicted for a board only: --device NAME."
    elif cycles.expect(1, board) is None:
        yield NO_LATENCY
    else:
        yield f"Latency, of int8: {cycles.SOURCE}."
