"""What a device's outputs are held to: the very bits where that can be asked for."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import metadata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgecnn.deploying.artifact import Deployable

_RUNTIMES = ("ai-edge-litert", "tflite-runtime")  # as edgecnn.runtime.litert prefers them


@dataclass(frozen=True)
class Rule:
    """How far outputs may be from those that this machine computes from the same file.

    Attributes:
        name: "absolute" (steps of an integer output), or "relative" to the largest output.
        limit: the largest difference of any output that is allowed; 0 asks for the same bits.
    """

    name: str
    limit: float

    @property
    def exact(self) -> bool:
        """Whether not one bit may differ."""
        return self.limit == 0


# Integer kernels of one runtime give the same bits on every CPU (seen between x86-64 and Cortex-A72
# and A76); other kernels round elsewhere and differ by up to three steps of 256.
_SAME_BITS = Rule("absolute", 0.0)
_OTHER_KERNELS = Rule("absolute", 4.0)
# Sums of floats depend on their order, which depends on the CPU's vectors.
_FLOAT = Rule("relative", 1e-3)
# A difference in the last bit of a float moves a value that is quantized as it comes by a step.
_COARSE = Rule("relative", 0.05)


def rule_for(deployable: Deployable, runtime: str) -> Rule:
    """The strictest rule that holds for a file on a device.

    Args:
        deployable: the file, and what this machine computes.
        runtime: the device's, such as "ai-edge-litert 2.3.0".
    """
    computes = set(deployable.file.graph.macs_by_dtype)
    if computes <= {"float32", "float16"}:
        return _FLOAT
    if computes <= {"int8"}:
        if runtime == own_runtime():
            return _SAME_BITS
        return _OTHER_KERNELS if deployable.outputs.dtype.kind in "iu" else _COARSE
    return _COARSE


def own_runtime() -> str:
    """This machine's runtime for .tflite files, such as "ai-edge-litert 2.3.0"; "" without one."""
    return next(filter(None, map(_title, _RUNTIMES)), "")


def _title(name: str) -> str:
    try:
        return f"{name} {metadata.version(name)}"
    except metadata.PackageNotFoundError:
        return ""
