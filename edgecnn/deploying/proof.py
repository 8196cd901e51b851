"""What each of a device's outputs is held to: the very bits where that can be asked for."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import metadata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgecnn.deploying.artifact import Deployable

_RUNTIMES = ("ai-edge-litert", "tflite-runtime")  # as edgecnn.runtime.litert prefers them


@dataclass(frozen=True)
class Rule:
    """How far an output may be from the one that this machine computes from the same file.

    Attributes:
        name: the output's.
        rule: "absolute" (steps of an integer output), "relative" to the largest value, "rms", of
            the difference over the output's own, or "share" of values that are not the same.
        limit: the largest difference that is allowed; 0 asks for the same bits.
        zero_point: the integer that stands for zero.
    """

    name: str
    rule: str
    limit: float
    zero_point: int = 0

    @property
    def exact(self) -> bool:
        """Whether not one bit may differ."""
        return self.limit == 0


# Integer kernels of one runtime give the same bits on every CPU: seen between x86-64, Cortex-A72
# and Cortex-A76.
_SAME_BITS = ("absolute", 0.0)
# Sums of floats depend on their order, which depends on the CPU's vectors: 2e-5 was seen. int16x8
# gave the same bits, and 2e-4 under tflite-runtime; its kernels are written anew for each CPU.
_CLOSE = ("relative", 1e-3)
# A difference in the last bit of a float moves a value that is quantized as it comes by a step:
# 2e-4 was seen.
_COARSE = ("relative", 0.05)
# Classes and indices: one of them changes where two scores are as good as equal.
_FEW_OTHERS, _MORE_OTHERS = ("share", 0.01), ("share", 0.2)
# Another runtime's int8 kernels round elsewhere, in every layer. They may add as much noise as
# quantization did: 14 dB were seen where that left 9. What computes nonsense is above one half:
# 0.93 were seen of tflite-runtime 2.14, which takes dynamic files and gives equal probabilities.
_NOISE_OVER_QUANTIZATIONS = 2.0
_LEAST_NOISE, _MOST_NOISE = 0.02, 0.5


def rules_for(deployable: Deployable, runtime: str) -> tuple[Rule, ...]:
    """The strictest rule that holds for each output of a file on a device.

    Args:
        deployable: the file, and what this machine computes.
        runtime: the device's, such as "ai-edge-litert 2.3.0".
    """
    same = runtime == own_runtime()
    return tuple(_rule(deployable, k, same=same) for k in range(len(deployable.file.outputs)))


def _rule(deployable: Deployable, k: int, *, same: bool) -> Rule:
    """Of one output, under this machine's runtime or another."""
    computes, output = set(deployable.file.graph.macs_by_dtype), deployable.file.outputs[k]
    in_floats = computes <= {"float32", "float16", "int16"}
    # A float operator without MACs, such as a sigmoid, is not among what it computes in.
    mixed = deployable.file.integer == "mixed"
    if same and computes and computes <= {"int8"} and not mixed:
        rule, limit = _SAME_BITS
    elif deployable.real_outputs[k].dtype.kind != "f":
        rule, limit = _FEW_OTHERS if in_floats or same else _MORE_OTHERS
    elif in_floats:
        rule, limit = _CLOSE
    elif same:
        rule, limit = _COARSE
    else:
        noise = _NOISE_OVER_QUANTIZATIONS * _quantization_noise(deployable, k)
        rule, limit = "rms", min(max(noise, _LEAST_NOISE), _MOST_NOISE)
    return Rule(deployable.manifest.outputs[k].name, rule, limit, output.zero_point or 0)


def _quantization_noise(deployable: Deployable, k: int) -> float:
    """How far this machine's output is from the float network's: rms over the output's own."""
    import numpy as np

    values = deployable.real_outputs[k].astype(np.float64)
    signal = float(np.sqrt(np.square(values).mean()))
    noise = float(np.sqrt(np.square(values - deployable.float_outputs[k]).mean()))
    return noise / signal if signal else _MOST_NOISE


def own_runtime() -> str:
    """This machine's runtime for .tflite files, such as "ai-edge-litert 2.3.0"; "" without one."""
    return next(filter(None, map(_title, _RUNTIMES)), "")


def _title(name: str) -> str:
    try:
        return f"{name} {metadata.version(name)}"
    except metadata.PackageNotFoundError:
        return ""
