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

from edgecnn.formats import tflite_file as tfl
from edgecnn.quantize import contributions
from edgecnn.quantize.passes import affine

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edgecnn.calibration.statistics import Statistics
    from edgecnn.diagnosing.matching import Pair
    from edgecnn.diagnosing.sums import LayerSums

    Floats = NDArray[np.float64]

_UNSURE = 0.05
_PASS = {"ADD", "RELU", "RELU6", "MUL", "MAX_POOL_2D", "AVERAGE_POOL_2D", "MEAN", "PAD", "RESHAPE"}


def of_channels(
    quantized: tfl.ModelT,
    real: tfl.ModelT,
    pairs: list[tuple[Pair, LayerSums]],
    known: Statistics,
    logits: int,
) -> dict[int, Floats]:
    """By float tensor: what each channel of its counterpart is multiplied by to be compared, (C,).

    Args:
        quantized: a file that equalization may have scaled.
        real: the float file.
        pairs: their tensors, and what was summed up of them.
        known: statistics of the float file: what an input never shows does not count.
        logits: no file may scale these.
    """
    graph = tfl.main_graph(real)
    paired = {pair.real: (pair, sums) for pair, sums in pairs}
    found = {int(graph.inputs[0]): np.ones(known.tensors[int(graph.inputs[0])].channels)}
    for operator in graph.operators:
        output = int(operator.outputs[0])
        if output not in known.tensors:
            continue
        if output == logits:
            found[output] = np.ones(known.tensors[output].channels)
            continue
        channels = known.tensors[output].channels
        factors: Floats | None = None
        if tfl.operator_name(real, operator) in affine.CONVOLUTIONS and output in paired:
            pair, sums = paired[output]
            factors = _of_outputs(quantized, real, pair, operator, found, known)
            factors = None if factors is None else _closest(factors, sums)
        elif tfl.operator_name(real, operator) not in affine.CONVOLUTIONS:
            factors = _passed(real, operator, found, channels)
        found[output] = np.ones(channels) if factors is None else factors
    return found


def _closest(factors: Floats, sums: LayerSums) -> Floats:
    """The best factors on the images, as far from those of the weights as rounding may be."""
    heard = sums.power > 0
    fitted = np.where(heard, sums.product / np.where(heard, sums.power, 1.0), factors)
    return np.clip(fitted, factors * (1 - _UNSURE), factors * (1 + _UNSURE))


def _passed(
    real: tfl.ModelT, operator: tfl.OperatorT, found: dict[int, Floats], channels: int
) -> Floats | None:
    sources = [found[int(tensor)] for tensor in operator.inputs if int(tensor) in found]
    name = tfl.operator_name(real, operator)
    if name == "CONCATENATION" and sum(map(len, sources)) == channels:
        return np.concatenate(sources)
    if name in _PASS and sources and channels % len(sources[0]) == 0:
        return np.tile(sources[0], channels // len(sources[0]))
    return None


def _of_outputs(
    quantized: tfl.ModelT,
    real: tfl.ModelT,
    pair: Pair,
    twin: tfl.OperatorT,
    found: dict[int, Floats],
    known: Statistics,
) -> Floats | None:
    graph, real_graph = tfl.main_graph(quantized), tfl.main_graph(real)
    operator = graph.operators[pair.index]
    if pair.operator != tfl.operator_name(real, twin):
        return None
    ours = contributions.real_values(quantized, graph, int(operator.inputs[1]))
    theirs = affine.weights(real, real_graph, twin)
    before = found.get(int(twin.inputs[0]))
    if ours is None or theirs is None or before is None or ours.shape != theirs.shape:
        return None
    scaled = affine.scale_inputs(ours.astype(np.float32), pair.operator, 1 / before)
    rows, wanted = (_rows(each, pair.operator) for each in (scaled, theirs.astype(np.float64)))
    heard = known.layers.get(pair.real)
    weight = np.ones(1)
    if heard is not None:
        multiplier = len(rows) // len(heard.power) if heard.power.ndim > 1 else 1
        weight = np.repeat(heard.power, multiplier, axis=0) if multiplier > 1 else heard.power
    products = (rows * wanted * weight).sum(axis=1)
    powers = (np.square(rows) * weight).sum(axis=1)
    safe = (products > 0) & (powers > 0)
    return np.where(safe, products / np.where(safe, powers, 1.0), 1.0)


def _rows(kernel: Floats, name: str) -> Floats:
    """(outputs, inputs)."""
    if name == "DEPTHWISE_CONV_2D":
        taps: Floats = kernel[0].reshape(-1, kernel.shape[-1]).T
        return taps
    flat: Floats = kernel.reshape(len(kernel), -1)
    return flat
