"""By how much a quantized file scales each channel, read from the two files' weights.

Equalization multiplies a channel by a > 0 and divides the weights that read it by a; the network
stays the same, its tensors do not. The weights tell a exactly but for their rounding, so nothing
that activations do wrong is taken for a factor: row o of a convolution is, up to rounding,
a_out[o] / a_in[i] times float's. What rounding leaves unknown of them shows as an error some 40 dB
below the tensor. Through all other operators that commute with scales the factors
pass as they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgecnn.quantize import affine, contributions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edgecnn.calibration.layer_inputs import LayerInputs
    from edgecnn.calibration.statistics import Statistics
    from edgecnn.diagnosing.matching import Pair
    from edgecnn.diagnosing.sums import LayerSums
    from edgecnn.formats.tflite_graph import Graph, Operator

    Floats = NDArray[np.float64]

_UNSURE = 0.05
_PASS = {"ADD", "RELU", "RELU6", "MUL", "MAX_POOL_2D", "AVERAGE_POOL_2D", "MEAN", "PAD", "RESHAPE"}


def of_channels(
    real: Graph,
    pairs: list[tuple[Pair, LayerSums]],
    known: Statistics,
    judged: Sequence[str],
) -> dict[str, Floats]:
    """By float tensor: what each channel of its counterpart is multiplied by to be compared, (C,).

    Args:
        real: the float graph.
        pairs: its operators and those of a file that equalization may have scaled, and what was
            summed up of what they make.
        known: statistics of the float file: what an input never shows does not count.
        judged: names of the tensors that no file may scale.
    """
    paired = {pair.real.name: (pair, sums) for pair, sums in pairs}
    fixed = {*judged, *(tensor.name for tensor in real.inputs)}
    result = {name: np.ones(known.tensors[name].channels) for name in fixed & known.tensors.keys()}
    for operator in real.operators:
        for output in (tensor.name for tensor in operator.outputs):
            if output not in known.tensors or output in fixed:
                continue
            channels = known.tensors[output].channels
            factors: Floats | None = None
            if operator.name not in affine.CONVOLUTIONS:
                factors = _passed(operator, result, channels)
            elif output in paired:
                pair, sums = paired[output]
                factors = _of_outputs(pair, result, known)
                factors = None if factors is None else _closest(factors, sums)
            result[output] = np.ones(channels) if factors is None else factors
    return result


def _closest(factors: Floats, sums: LayerSums) -> Floats:
    """The best factors on the samples, as far from those of the weights as rounding may be."""
    active = sums.power > 0
    fitted = np.where(active, sums.product / np.where(active, sums.power, 1.0), factors)
    return np.clip(fitted, factors * (1 - _UNSURE), factors * (1 + _UNSURE))


def _passed(operator: Operator, factors: dict[str, Floats], channels: int) -> Floats | None:
    sources = [factors[tensor.name] for tensor in operator.read if tensor.name in factors]
    if operator.name == "CONCATENATION" and sum(map(len, sources)) == channels:
        return np.concatenate(sources)
    if operator.name in _PASS and sources and channels % len(sources[0]) == 0:
        return np.tile(sources[0], channels // len(sources[0]))
    return None


def _of_outputs(pair: Pair, factors: dict[str, Floats], known: Statistics) -> Floats | None:
    twin = pair.twin
    if pair.operator != twin.name:
        return None
    ours, theirs = contributions.real_values(pair.made_by.inputs[1]), affine.weights(twin)
    before = factors.get(twin.source.name)
    if ours is None or theirs is None or before is None or ours.shape != theirs.shape:
        return None
    scaled = affine.scale_inputs(ours.astype(np.float32), pair.operator, 1 / before)
    rows, real = (rows_of(kernel, pair.operator) for kernel in (scaled, theirs.astype(np.float64)))
    weight = powers(known.layers.get(pair.real.name), len(rows))
    products = (rows * real * weight).sum(axis=1)
    squares = (np.square(rows) * weight).sum(axis=1)
    safe = (products > 0) & (squares > 0)
    return np.where(safe, products / np.where(safe, squares, 1.0), 1.0)


def powers(layer: LayerInputs | None, outputs: int) -> Floats:
    """What rows of weights are multiplied by, mean squares that fit them; 1 where it is not known.

    Args:
        layer: what is known of a convolution's inputs.
        outputs: how many rows there are.
    """
    if layer is None:
        return np.ones(1)
    multiplier = outputs // len(layer.power) if layer.power.ndim > 1 else 1
    return np.repeat(layer.power, multiplier, axis=0) if multiplier > 1 else layer.power


def rows_of(kernel: Floats, name: str) -> Floats:
    """Weights as (outputs, inputs)."""
    if name == "DEPTHWISE_CONV_2D":
        taps: Floats = kernel[0].reshape(-1, kernel.shape[-1]).T
        return taps
    flat: Floats = kernel.reshape(len(kernel), -1)
    return flat
