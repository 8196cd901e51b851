"""How fast this CPU was seen to be at best: the roofline that operators are held against.

The model is Williams, Waterman and Patterson's ("Roofline: an insightful visual performance model
for multicore architectures", CACM 52(4), 2009): work cannot take less than its multiply-accumulates
at the highest rate of computing, nor less than its bytes at the highest rate of moving them. Both
rates are measured here, never looked up. Caches are faster than memory, so the second depends on
how many bytes an operator touches (the cache-aware variant, Ilic et al. 2014).
"""

from __future__ import annotations

import bisect
import math
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edgecnn import isolation
from edgecnn.profiling.operator_matrix import matrix_product
from edgecnn.profiling.operator_record import Bound, Ceilings
from edgecnn.runtime.timing import pin, warmed_samples_ms

if TYPE_CHECKING:
    from collections.abc import Sequence

# 256 x 512 x 512: it runs at the full rate, and takes 0.1 s on a slow core.
_SIDE, _CHANNELS = 16, 512
_MACS = _SIDE * _SIDE * _CHANNELS * _CHANNELS
_WORKING_SETS = tuple(1 << power for power in range(17, 28, 2))  # 128 KiB to 128 MiB
_MS_PER_S = 1e3
_LIMIT_S = 120.0
_STRETCHES = 4
# What each compute dtype is held against. A dtype with no kernel of its own in XNNPACK has none.
_CEILING_OF = {"uint8": "int8", "int8": "int8", "float32": "float32", "dynamic": "dynamic"}


def measure(threads: int = 1, seconds: float = 4.0) -> Ceilings:
    """Measure this CPU's ceilings, in a child process.

    Args:
        threads: that compute and copy at once.
        seconds: how long to measure, about.

    Raises:
        CrashedError: the runtime crashed.
        MissingPartError: no runtime, or no schema, for .tflite files is installed.
    """
    ceilings: Ceilings = isolation.run(
        "edgecnn.profiling.roofline:measure_here",
        *(threads, seconds),
        what="measuring what this CPU does at best",
        limits=isolation.Limits(seconds=_LIMIT_S + seconds),
    )
    return ceilings


def measure_here(threads: int, seconds: float) -> Ceilings:
    """`measure`, in this process, whose threads it pins."""
    pin(threads)
    share = seconds / 2
    dtypes = ("float32", "int8", "dynamic")
    with tempfile.TemporaryDirectory() as folder:
        rates = {
            dtype: _macs_per_s(Path(folder), dtype, threads, share / len(dtypes))
            for dtype in dtypes
        }
    budget_s = share / len(_WORKING_SETS)
    sets = [(size, copy_bytes_per_s(size, threads, budget_s)) for size in _WORKING_SETS]
    return Ceilings(threads, rates, _never_rising(sets))


def _never_rising(measured: Sequence[tuple[int, float]]) -> tuple[tuple[int, float], ...]:
    """A small working set is at least as fast as a larger one: Python's own time hides it."""
    return tuple(
        (size, max(rate for _, rate in measured[index:]))
        for index, (size, _) in enumerate(measured)
    )


def ceiling_ms(
    macs: int, bytes_moved: int, dtype: str, ceilings: Ceilings
) -> tuple[float | None, Bound | None]:
    """The least time the ceilings allow, in milliseconds, and which of them it is.

    Args:
        macs: multiply-accumulates of the work.
        bytes_moved: bytes it reads and writes, each once.
        dtype: it computes in.
        ceilings: this CPU's.

    Returns:
        (None, None) where it multiplies in a dtype whose ceiling was not measured.
    """
    moving = bytes_moved / bandwidth(bytes_moved, ceilings.bandwidth) * _MS_PER_S
    if not macs:
        return moving, "memory"
    rate = ceilings.macs_per_s.get(ceiling_dtype(dtype))
    if rate is None:
        return None, None
    computing = macs / rate * _MS_PER_S
    return (computing, "compute") if computing >= moving else (moving, "memory")


def ceiling_dtype(dtype: str) -> str:
    """Whose ceiling a compute dtype is held against; "" for none."""
    return _CEILING_OF.get(dtype, "")


def bandwidth(working_set: int, measured: Sequence[tuple[int, float]]) -> float:
    """Bytes a second for a working set between the measured ones, straight in its logarithm."""
    sizes = [size for size, _ in measured]
    right = bisect.bisect_left(sizes, working_set)
    if right == 0 or right == len(sizes):
        return measured[min(right, len(sizes) - 1)][1]
    (small, fast), (large, slow) = measured[right - 1], measured[right]
    share = math.log(working_set / small) / math.log(large / small)
    return fast + share * (slow - fast)


def copy_bytes_per_s(working_set: int, threads: int, seconds: float) -> float:
    """Copy memory with `threads` at once, a part of the working set each, and count both ways.

    The best of a few stretches: a ceiling is what the CPU can do.
    """
    half = max(working_set // threads // 2, 1)
    passes = [0] * threads
    ready = threading.Barrier(threads + 1)
    stop = threading.Event()

    def copy(index: int) -> None:
        source, target = np.ones(half, np.uint8), np.zeros(half, np.uint8)
        np.copyto(target, source)  # the system hands memory out when it is first written
        ready.wait()
        while not stop.is_set():
            np.copyto(target, source)  # without the interpreter's lock
            passes[index] += 1

    workers = [threading.Thread(target=copy, args=(index,)) for index in range(threads)]
    for worker in workers:
        worker.start()
    ready.wait()
    rates = [_rate(passes, seconds / _STRETCHES) for _ in range(_STRETCHES)]
    stop.set()
    for worker in workers:
        worker.join()
    return max(rates) * 2 * half


def _rate(passes: Sequence[int], seconds: float) -> float:
    """Passes a second over a stretch, of all threads."""
    begin, before = time.perf_counter(), sum(passes)
    time.sleep(seconds)
    return (sum(passes) - before) / (time.perf_counter() - begin)


def _macs_per_s(folder: Path, dtype: str, threads: int, seconds: float) -> float:
    path = folder / f"{dtype}.tflite"
    path.write_bytes(matrix_product(dtype, _SIDE, _CHANNELS))
    samples = warmed_samples_ms(str(path), threads, seconds)
    # The fastest tenth: a ceiling is what the CPU can do, not what a busy machine let it do.
    return _MACS / float(np.quantile(samples, 0.1)) * _MS_PER_S
