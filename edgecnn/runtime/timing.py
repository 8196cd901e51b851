"""Times whole files in this process as the runner does.

Native code reads the file: call these in a child process.
"""

from __future__ import annotations

import contextlib
import os
import statistics
import time
from typing import TYPE_CHECKING

from edgecnn.errors import InputError
from edgecnn.runtime import runner
from edgecnn.runtime.quiet import quiet_stderr

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_NS_PER_MS = 1e6
_LEAST_RUNS = 5
_BLOCK_RUNS = 5


def pin(threads: int) -> None:
    """Keep this process on the cores the runner would take, where the system allows it."""
    with contextlib.suppress(OSError, AttributeError):
        os.sched_setaffinity(0, runner.fastest_cores()[:threads])


def warmed_samples_ms(path: str, threads: int, seconds: float) -> list[float]:
    """Milliseconds of each inference over about `seconds`, after a fifth of it for warming up.

    Raises:
        InputError: the runtime refuses the file.
    """
    return _samples_ms(loaded(path, threads), seconds)


def latency_samples_ms(path: str, threads: int, seconds: float) -> tuple[str, list[float]]:
    """The runtime's name, and `warmed_samples_ms`, pinned to the cores the runner would take.

    Raises:
        InputError: the runtime refuses the file.
    """
    pin(threads)
    net = loaded(path, threads)
    return net.runtime, _samples_ms(net, seconds)


def loaded(path: str, threads: int) -> runner.TfliteNet | runner.OnnxNet:
    """The file in its runtime, fed with seeded inputs.

    Raises:
        InputError: the runtime refuses the file.
    """
    make: Callable[[str, int], runner.TfliteNet | runner.OnnxNet]
    make = runner.OnnxNet if path.endswith(".onnx") else runner.TfliteNet
    # Neither runtime's exceptions have a base class of their own short of Exception.
    try:
        with quiet_stderr():
            net = make(path, threads)
            net.feed(runner.seeded(net.inputs, 0))
            net.invoke()
    except Exception as error:
        text = " ".join(str(error).split())
        raise InputError(
            f"{path} cannot be run: {text}", hint="edgecnn inspect shows what the file holds."
        ) from error
    return net


def _samples_ms(net: runner.TfliteNet | runner.OnnxNet, seconds: float) -> list[float]:
    runner.sample(net.invoke, 0, 1, seconds / 5)
    samples = runner.sample(net.invoke, 0, _LEAST_RUNS, seconds * 4 / 5)
    return [nanoseconds / _NS_PER_MS for nanoseconds in samples]


def medians_in_turns_ms(paths: Sequence[str], seconds: float) -> tuple[float, ...]:
    """Median milliseconds of one inference of each file on one thread, timed block by block.

    In turns, so that what slows the machine for a while slows all of them.

    Raises:
        InputError: the runtime refuses a file.
    """
    pin(1)
    nets = [loaded(path, 1) for path in paths]
    samples: list[list[float]] = [[] for _ in nets]
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or not samples[-1]:
        for net, of_net in zip(nets, samples, strict=True):
            net.invoke()  # what another file left in the caches is not its own
            for _ in range(_BLOCK_RUNS):
                start = time.perf_counter_ns()
                net.invoke()
                of_net.append((time.perf_counter_ns() - start) / _NS_PER_MS)
    return tuple(statistics.median(of_net) for of_net in samples)
