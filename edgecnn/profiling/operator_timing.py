"""Times whole files in this process as the runner does: for profiles, which need the plain latency.

Native code reads the file: call these in a child process.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from edgecnn.benchmark import runner
from edgecnn.errors import InputError
from edgecnn.runtime.quiet import quiet_stderr

if TYPE_CHECKING:
    from collections.abc import Callable

_NS_PER_MS = 1e6
_LEAST_RUNS = 5


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
