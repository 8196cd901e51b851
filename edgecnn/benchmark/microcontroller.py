"""The budgets of a microcontroller: flash and arena, reckoned from the file; nothing is run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecnn import files as opened
from edgecnn.benchmark.report import BudgetCheck
from edgecnn.errors import InputError
from edgecnn.inspection import flatbuffer
from edgecnn.inspection.arena import estimate
from edgecnn.tflm import arena, operators

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from edgecnn.benchmark.files import BenchFile
    from edgecnn.benchmark.report import Outcome
    from edgecnn.inspection.tflite_graph import Model


def check_micro(
    files: Iterable[BenchFile], arena_bytes: int | None, flash_bytes: int | None
) -> Iterator[BudgetCheck]:
    """Hold .tflite files against what a microcontroller has.

    Args:
        files: all that are meant.
        arena_bytes: RAM for TensorFlow Lite Micro's arena, at most; None is not asked.
        flash_bytes: for the file as an array, at most; likewise.

    Raises:
        InputError: one is no .tflite, or is damaged.
    """
    for file in files:
        if file.format != "tflite":
            raise InputError(
                f"{file.name} is no .tflite file: microcontrollers run nothing else.",
                hint="Choose with --format tflite.",
            )
        if flash_bytes is not None:
            yield _flash(file, flash_bytes)
        if arena_bytes is not None:
            model = flatbuffer.parse(opened.read_bytes(file.path), file.name)
            yield _arena(file, model, arena_bytes)


def _flash(file: BenchFile, limit: int) -> BudgetCheck:
    size = file.size_bytes
    reason = f"the array takes {size} bytes of flash, the program not counted; {limit} are allowed"
    outcome: Outcome = "holds" if size <= limit else "broken"
    return BudgetCheck("flash", limit, size, "B", file.name, "", None, outcome, reason)


def _arena(file: BenchFile, model: Model, limit: int) -> BudgetCheck:
    names = tuple(node.name for graph in model.graphs for node in graph.nodes)
    if missing := operators.missing(names):
        reason = f"TensorFlow Lite Micro has no {', '.join(missing)}"
        return BudgetCheck("arena", limit, None, "B", file.name, "", None, "broken", reason)
    try:
        size = estimate(model, file.name).arena_bytes
    except InputError as error:
        reason = error.message.rstrip(".")
        return BudgetCheck("arena", limit, None, "B", file.name, "", None, "undecided", reason)
    reason = f"the arena is estimated at {size} bytes; {limit} are allowed"
    outcome, new = _outcome(size, limit), arena.unmeasured(names)
    if outcome == "holds" and new:  # one with BATCH_MATMUL took twice its estimate
        outcome = "undecided"
        reason = f"{reason}, but none with {', '.join(new)} was held against a measured one"
    if outcome == "undecided":
        reason = f"{reason}: `edgecnn mcu` measures it"
    return BudgetCheck("arena", limit, size, "B", file.name, "", None, outcome, reason)


def _outcome(size: int, limit: int) -> Outcome:
    if size <= limit:
        return "holds"
    return "broken" if size * (1 - arena.TOLERANCE) > limit else "undecided"
