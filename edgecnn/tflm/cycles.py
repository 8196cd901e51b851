"""How long an int8 network takes on a Cortex-M, where published measurements allow to say.

MLPerf Tiny v1.0 (github.com/mlcommons/tiny_results_v1.0, commit c7761cf, closed division, OctoML,
microtvm_cmsis_nn, NUCLEO_L4R5ZI: Cortex-M4 at 120 MHz, flash on the chip) gives the throughput of
four int8 networks with CMSIS-NN's kernels. Cycles a multiply-accumulate between those of the four
are what is expected; the interval is wider by a quarter either way, since TensorFlow Lite Micro is
another runtime than TVM's. Multiply-accumulates of the four: Banbury et al., "MLPerf Tiny
Benchmark", 2021.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgecnn.tflm.boards import Board

SOURCE = "MLPerf Tiny v1.0, CMSIS-NN on a Cortex-M4 at 120 MHz (NUCLEO-L4R5ZI), four networks"
_CLOCK_HZ = 120e6
# Network: multiply-accumulates, median inferences a second.
_ROWS = {
    "image classification (ResNet)": (12.5e6, 2.567),
    "keyword spotting (DS-CNN)": (2.66e6, 10.019),
    "visual wake words (MobileNet)": (7.49e6, 3.320),
    "anomaly detection (autoencoder)": (0.264e6, 116.212),
}
_WIDER = 1.25


@dataclass(frozen=True)
class Expected:
    """A predicted time, milliseconds, and its interval."""

    latency_ms: float
    low_ms: float
    high_ms: float


def cycles_per_mac() -> tuple[float, ...]:
    """Of each published row, the smallest first."""
    return tuple(sorted(_CLOCK_HZ / rate / macs for macs, rate in _ROWS.values()))


def expect(macs: int, board: Board) -> Expected | None:
    """The time of one inference; None where no row is of such a core and such a memory."""
    if board.core != "Cortex-M4" or board.flash_place != "chip" or macs <= 0:
        return None
    cycles = cycles_per_mac()
    to_ms = macs / (board.clock_mhz * 1e3)
    middle = statistics.median(cycles)
    return Expected(middle * to_ms, cycles[0] / _WIDER * to_ms, cycles[-1] * _WIDER * to_ms)
