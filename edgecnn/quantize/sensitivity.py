"""How much an error in each channel of each tensor matters to the logits, from the weights alone.

The quantity is H[c] = sum over positions of E[(d logits / d x[p, c])^2]: noise of variance v on
every element of channel c adds v * H[c] to the squared error of the logits. It is carried from the
logits back to the input under the mean-field assumption that the gradients arriving at an operator
are uncorrelated across channels and positions (Poole et al. 2016, "Exponential expressivity in deep
neural networks through transient chaos"; Schoenholz et al. 2017): a convolution then passes
sum_o W[o, k, c]^2 H[o], a ReLU the share of positions where it is active. No gradient is computed,
no training framework is needed, and a whole network takes milliseconds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgecnn.formats import tflite_file as tfl
from edgecnn.quantize.passes import affine

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from edgecnn.calibration.statistics import TensorStatistics

Sensitivity = dict[int, "NDArray[np.float64]"]

_RELU, _RELU6 = 1, 3  # schema.fbs: ActivationFunctionType
_NO_GRADIENT_BEYOND = 6.0


def measure(
    model: tfl.ModelT, statistics: Mapping[int, TensorStatistics], logits: int
) -> Sensitivity:
    """H of every float tensor, (C,) each, zeros where the logits do not depend on it.

    Args:
        model: the float model.
        statistics: of every float tensor, for the share of active positions.
        logits: the tensor whose error counts; each of its elements with weight 1.
    """
    graph = tfl.main_graph(model)
    found: Sensitivity = {t: np.zeros(s.channels) for t, s in statistics.items()}
    found[logits] = np.ones(statistics[logits].channels)
    for operator in reversed(graph.operators):
        output = int(operator.outputs[0])
        if output in found and found[output].any():
            _back(model, graph, operator, found, statistics)
    return found


def through(
    model: tfl.ModelT,
    operator: tfl.OperatorT,
    found: Sensitivity,
    statistics: Mapping[int, TensorStatistics],
) -> Sensitivity:
    """What one operator alone contributes to H of the tensors it reads, from H of its output."""
    output = int(operator.outputs[0])
    sources = {int(tensor) for tensor in operator.inputs if int(tensor) in found} - {output}
    part: Sensitivity = {tensor: np.zeros_like(found[tensor]) for tensor in sources}
    part[output] = found[output]
    _back(model, tfl.main_graph(model), operator, part, statistics)
    return {tensor: part[tensor] for tensor in sources}


def before_activation(
    operator: tfl.OperatorT, h: NDArray[np.float64], statistics: TensorStatistics
) -> NDArray[np.float64]:
    """H ahead of the activation fused into an operator: what is cut off passes nothing."""
    activation = affine.fused_activation(operator)
    if activation == _RELU:
        return h * statistics.active
    if activation == _RELU6:
        inside = (statistics.sample > 0) & (statistics.sample < _NO_GRADIENT_BEYOND)
        h = h * inside.mean(axis=0)
    return h


def _back(
    model: tfl.ModelT,
    graph: tfl.SubGraphT,
    operator: tfl.OperatorT,
    found: Sensitivity,
    statistics: Mapping[int, TensorStatistics],
) -> None:
    name = tfl.operator_name(model, operator)
    output = int(operator.outputs[0])
    h = before_activation(operator, found[output], statistics[output])
    if name in affine.CONVOLUTIONS:
        kernel = affine.kernel(model, graph, operator)
        source = int(operator.inputs[0])
        if kernel is not None and source in found:
            found[source] += through_weights(kernel, name, h, len(found[source]))
        return
    if name == "CONCATENATION":
        _split(graph, operator, h, found)
        return
    if name in {"RELU", "RELU6"}:
        h = h * statistics[output].active
    if name in {"MEAN", "AVERAGE_POOL_2D"}:
        h = h / _window(graph, operator)
    if name == "MUL" and (fixed := affine.channel_constant(model, graph, operator)) is not None:
        h = h * np.square(fixed[1])
    for tensor in operator.inputs:
        if int(tensor) in found:
            found[int(tensor)] += _fit(h, len(found[int(tensor)]))


def through_weights(
    kernel: NDArray[np.float32], name: str, h: NDArray[np.float64], channels: int
) -> NDArray[np.float64]:
    """H at a convolution's input, (channels,), from H at its output."""
    groups = channels // kernel.shape[-1] if name == "CONV_2D" else 1
    if groups > 1:
        each = zip(np.split(kernel, groups), np.split(h, groups), strict=True)
        return np.concatenate([through_weights(k, name, p, channels // groups) for k, p in each])
    squares = np.square(kernel, dtype=np.float64)
    if name == "DEPTHWISE_CONV_2D":
        by_output = squares.sum(axis=(0, 1, 2)) * h
        folded: NDArray[np.float64] = by_output.reshape(channels, -1).sum(axis=1)
        return folded
    by_input = np.tensordot(h, squares.reshape(len(squares), -1), axes=1)
    summed: NDArray[np.float64] = by_input.reshape(-1, channels).sum(axis=0)
    return summed


def _split(
    graph: tfl.SubGraphT, operator: tfl.OperatorT, h: NDArray[np.float64], found: Sensitivity
) -> None:
    tensors = [int(tensor) for tensor in operator.inputs]
    counts = [int(graph.tensors[tensor].shape[-1]) for tensor in tensors]
    sizes = [int(np.prod(graph.tensors[tensor].shape)) for tensor in tensors]
    along_channels = sum(counts) == len(h)
    start = 0
    for tensor, channels, size in zip(tensors, counts, sizes, strict=True):
        # Joined along another axis, each has its share of the positions.
        part = h[start : start + channels] if along_channels else h * size / sum(sizes)
        if tensor in found:
            found[tensor] += _fit(part, channels)
        start += channels


def _window(graph: tfl.SubGraphT, operator: tfl.OperatorT) -> int:
    """Over how many positions an average is taken."""
    options = operator.builtinOptions
    if hasattr(options, "filterHeight"):
        return int(options.filterHeight * options.filterWidth)
    before, after = (
        int(np.prod(graph.tensors[int(t)].shape)) for t in (operator.inputs[0], operator.outputs[0])
    )
    return before // after


def _fit(h: NDArray[np.float64], channels: int) -> NDArray[np.float64]:
    """H for a tensor whose channels a reshape has counted differently."""
    if len(h) == channels:
        return h
    if len(h) % channels == 0:  # a Flatten: position x channels, the channels fastest
        folded: NDArray[np.float64] = h.reshape(-1, channels).sum(axis=0)
        return folded
    return np.full(channels, h.sum() / channels)
