"""How much memory and time a foreign file's size explains."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass

from edgecnn.errors import InputError
from edgecnn.isolation import Limits

MEMORY, SECONDS = "EDGECNN_MEMORY_MB", "EDGECNN_SECONDS"
_MB = 1_000_000
_HINT = (
    "A file of its size explains no more, and may be hostile. If you trust it:"
    f" {SECONDS}=600 in the environment gives it ten minutes."
)


@dataclass(frozen=True)
class Work:
    """What is done with a file, and what that costs beside the file's own share.

    Attributes:
        memory_mb: private memory of the libraries themselves, and of a network whose activations
            are large and whose weights are not.
        memory_per_byte: more for each byte beyond the first megabyte: the file's own copies, and
            the activations of a network that grows with its weights.
        seconds: to start, and to run a network that is slow and small.
        seconds_per_mb: more for each megabyte of the file.
    """

    memory_mb: float
    memory_per_byte: float
    seconds: float
    seconds_per_mb: float


# Private writable memory (VmData, which RLIMIT_DATA bounds) measured on Linux, x86-64, two cores:
# 90 MB once NumPy, LiteRT or onnx are imported, 120 MB with onnxruntime, 260 MB with TensorFlow and
# 390 MB once that has converted a small network; it maps 290 MB more of its libraries. So a child
# for a small file stays below a gigabyte in all.
READ = Work(600, 60, 15, 1)
RUN = Work(850, 60, 15, 25)
# A file that was run before, and now on 32 samples between two words.
RUN_MANY = Work(850, 60, 300, 100)
DIAGNOSE = Work(900, 200, 20, 25)
CONVERT = Work(900, 100, 15, 25)
CONVERT_BY_TENSORFLOW = Work(700, 200, 60, 25)
# Each thread of NumPy's OpenBLAS and of TensorFlow's pools has a stack and buffers of its own.
_MB_PER_CORE, _CORES_MEASURED = 60, 2


def limits_for(work: Work, size_bytes: int) -> Limits:
    """The limits of a child that works on a file.

    What the machine itself has is never exceeded; EDGECNN_MEMORY_MB and EDGECNN_SECONDS, where
    they are set, take the place of what is reckoned here.

    Args:
        work: what is done.
        size_bytes: of the file, or of all files of a folder.

    Raises:
        InputError: one of the two variables is no number above 0.
    """
    cores = max(0, (os.cpu_count() or 1) - _CORES_MEASURED)
    memory = (work.memory_mb + _MB_PER_CORE * cores) * _MB
    memory += work.memory_per_byte * max(0, size_bytes - _MB)
    seconds = work.seconds + work.seconds_per_mb * size_bytes / _MB
    named_mb, named_s = _from_environment(MEMORY), _from_environment(SECONDS)
    if named_mb is not None:
        memory = named_mb * _MB
    elif (physical := _physical_bytes()) is not None:
        memory = min(memory, physical)
    return Limits(int(memory), named_s or round(seconds), _HINT, _memory_hint(memory))


def seconds_or(default: float) -> float:
    """The seconds that EDGECNN_SECONDS gives to any run of a foreign file, else those of its place.

    Raises:
        InputError: the variable is no number above 0.
    """
    return _from_environment(SECONDS) or default


def _memory_hint(memory: float) -> str:
    """What to do where the memory is not enough: twice as much, as far as there is that."""
    physical = _physical_bytes()
    if physical is not None and memory >= physical:
        return "This machine has no more."
    more = 2 * memory if physical is None else min(2 * memory, physical)
    return (
        "Large pictures inside a small network (segmentation, super-resolution) can need more, and"
        f" hostile files ask for more. If you trust it: {MEMORY}={math.ceil(more / _MB)} in the"
        " environment gives it that many megabytes; more where that is not enough."
    )


def _physical_bytes() -> int | None:
    if not hasattr(os, "sysconf"):
        return None
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError):  # a system that does not tell
        return None


def _from_environment(name: str) -> float | None:
    text = os.environ.get(name, "")
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise InputError(
            f"{name}={text!r} is no number above 0.", hint=f"Unset it, or say {name}=600."
        )
    return value
