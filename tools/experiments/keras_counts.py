"""What Keras's layers multiply: counted from a built network, without converting it."""

from __future__ import annotations

import math
from typing import Any

_WINDOWED = {"Conv2D", "DepthwiseConv2D", "SeparableConv2D"}


def macs(model: Any) -> int:  # noqa: ANN401 - keras.Model; Keras is untyped
    """Multiply-accumulates of one inference: of convolutions and dense layers, as papers count."""
    return sum(_layer_macs(layer) for layer in model.layers)


def _layer_macs(layer: Any) -> int:  # noqa: ANN401 - keras.Layer; Keras is untyped
    kind = type(layer).__name__
    kernels = [weight for weight in layer.weights if "kernel" in weight.name]
    if kind not in _WINDOWED | {"Dense"}:
        if kernels:
            raise ValueError(f"{layer.name} is a {kind}: nobody knows what it multiplies")
        return 0
    pixels = 1 if kind == "Dense" else math.prod(layer.output.shape[1:3])
    weights = sum(math.prod(kernel.shape) for kernel in kernels)
    return int(pixels * weights)
