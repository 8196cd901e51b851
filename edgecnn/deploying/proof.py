"""What a device's outputs are held to: the very bits where that can be asked for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib import metadata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgecnn.deploying.artifact import Deployable

_RUNTIMES = ("ai-edge-litert", "tflite-runtime")  # as edgecnn.runtime.litert prefers them


@dataclass(frozen=True)
class Rule:
    """How far outputs may be from those that this machine computes from the same file.

    Attributes:
        rule: "absolute" (steps of an integer output), "relative" to the largest output, or "rms",
            of the difference over the outputs' own.
        limit: the largest difference that is allowed; 0 asks for the same bits.
        zero_point: the integer that stands for zero.
    """

    rule: str
    limit: float
    zero_point: int = 0

    @property
    def exact(self) -> bool:
        """Whether not one bit may differ."""
        return self.limit == 0


# Integer kernels of one runtime give the same bits on every CPU: seen between x86-64, Cortex-A72
# and Cortex-A76.
_SAME_BITS = Rule("absolute", 0.0)
# Sums of floats depend on their order, which depends on the CPU's vectors: 2e-5 was seen. int16x8
# gave the same bits, and 2e-4 under tflite-runtime; its kernels are written anew for each CPU.
_CLOSE = Rule("relative", 1e-3)
# A difference in the last bit of a float moves a value that is quantized as it comes by a step:
# 2e-4 was seen.
_COARSE = Rule("relative", 0.05)
# Another runtime's int8 kernels round elsewhere, in every layer. They may add as much noise as
# quantization did: 14 dB were seen where that left 9. What computes nonsense is above one half:
# 0.93 were seen of tflite-runtime 2.14, which takes dynamic files and gives equal probabilities.
_NOISE_OVER_QUANTIZATIONS = 2.0
_LEAST_NOISE, _MOST_NOISE = 0.02, 0.5


def rule_for(deployable: Deployable, runtime: str) -> Rule:
    """The strictest rule that holds for a file on a device.

    Args:
        deployable: the file, and what this machine computes.
        runtime: the device's, such as "ai-edge-litert 2.3.0".
    """
    computes = set(deployable.file.graph.macs_by_dtype)
    zero_point = deployable.file.outputs[0].zero_point or 0
    if computes <= {"float32", "float16", "int16"}:
        return replace(_CLOSE, zero_point=zero_point)
    if runtime != own_runtime():
        noise = _NOISE_OVER_QUANTIZATIONS * _quantization_noise(deployable)
        return Rule("rms", min(max(noise, _LEAST_NOISE), _MOST_NOISE), zero_point)
    return _SAME_BITS if computes <= {"int8"} else replace(_COARSE, zero_point=zero_point)


def _quantization_noise(deployable: Deployable) -> float:
    """How far this machine's outputs are from the float network's: rms over the outputs' own."""
    import numpy as np

    from edgecnn.runtime.session import dequantize_output

    outputs = dequantize_output(deployable.outputs, deployable.file.outputs[0]).astype(np.float64)
    signal = np.sqrt(np.square(outputs).mean())
    return float(np.sqrt(np.square(outputs - deployable.float_outputs).mean()) / signal)


def own_runtime() -> str:
    """This machine's runtime for .tflite files, such as "ai-edge-litert 2.3.0"; "" without one."""
    return next(filter(None, map(_title, _RUNTIMES)), "")


def _title(name: str) -> str:
    try:
        return f"{name} {metadata.version(name)}"
    except metadata.PackageNotFoundError:
        return ""
