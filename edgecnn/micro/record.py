"""What `mcu` finds out about a .tflite file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from edgecnn.records import TensorInfo
    from edgecnn.tflm.arena import ArenaEstimate


@dataclass(frozen=True)
class Comparison:
    """One output of TFLM's interpreter held against LiteRT's.

    Attributes:
        name: of the output.
        runs: how many inputs both were fed.
        differing: share of the numbers that differ.
        max_steps: the largest difference, in steps of integers; None for a float output.
        max_difference: the largest difference, in the output's own numbers.
    """

    name: str
    runs: int
    differing: float
    max_steps: int | None
    max_difference: float


@dataclass(frozen=True)
class ArenaMeasurement:
    """What TFLM's own interpreter took, on this machine.

    Attributes:
        runtime: the package and its version.
        arena_bytes: the smallest arena in which it allocates its tensors.
        planned_bytes: of that, activations (TFLM calls it the head).
        persistent_bytes: of that, what stays (the tail).
        outputs: its outputs against those of LiteRT's reference kernels.
        default_outputs: likewise against LiteRT as it runs by default, which is with XNNPACK.
    """

    runtime: str
    arena_bytes: int
    planned_bytes: int
    persistent_bytes: int
    outputs: tuple[Comparison, ...]
    default_outputs: tuple[Comparison, ...]

    @property
    def bit_identical(self) -> bool:
        """Whether no output differs anywhere from LiteRT's reference kernels."""
        return all(output.differing == 0 for output in self.outputs)


@dataclass(frozen=True)
class BoardFit:
    """Whether a file goes onto one board.

    Attributes:
        board: its name.
        flash_bytes: that it has.
        ram_bytes: likewise.
        fits: whether file and arena are within both, with nothing reserved for the program.
        reason: why not, or what is left, in a few words.
        latency_ms: predicted middle; None where no published rows allow one.
        low_ms: lower end of the interval.
        high_ms: upper end.
        latency_note: what the prediction rests on, or why there is none.
    """

    board: str
    flash_bytes: int
    ram_bytes: int
    fits: bool
    reason: str
    latency_ms: float | None = None
    low_ms: float | None = None
    high_ms: float | None = None
    latency_note: str = ""


@dataclass(frozen=True)
class MicroReport:
    """A .tflite file as TensorFlow Lite Micro sees it.

    Attributes:
        path: of the file.
        name: what its C++ names begin with.
        size_bytes: of the file, which is what the array takes of the flash.
        inputs: of the main graph.
        outputs: likewise.
        operators: name to count.
        missing_operators: those TFLM has not.
        problems: why it does not run under TFLM, one sentence each; () when it does.
        estimate: of the arena.
        measured: by TFLM's interpreter; None where that is not installed or refuses the file.
        not_measured: why, and how to measure; "" when it was.
        boards: which boards it fits.
        notes: what else a reader should know.
        folder: what was written; None for nothing.
    """

    path: Path
    name: str
    size_bytes: int
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    operators: dict[str, int]
    missing_operators: tuple[str, ...]
    problems: tuple[str, ...]
    estimate: ArenaEstimate | None
    measured: ArenaMeasurement | None
    not_measured: str
    boards: tuple[BoardFit, ...]
    notes: tuple[str, ...]
    folder: Path | None = None

    @property
    def ok(self) -> bool:
        """Whether it is for TensorFlow Lite Micro."""
        return not self.problems

    @property
    def arena_bytes(self) -> int | None:
        """Measured where it was, else estimated."""
        if self.measured is not None:
            return self.measured.arena_bytes
        return None if self.estimate is None else self.estimate.arena_bytes
