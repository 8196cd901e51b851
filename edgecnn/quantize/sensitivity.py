"""How much an error in each channel of each tensor matters to the outputs, from the weights alone.

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

from edgecnn.quantize import affine

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from edgecnn.calibration.statistics import TensorStatistics
    from edgecnn.formats.tflite_graph import Operator, Subgraph

Sensitivity = dict[str, "NDArray[np.float64]"]

_RELU, _RELU6 = 1, 3  # schema.fbs: ActivationFunctionType
_NO_GRADIENT_BEYOND = 6.0


def measure(
    graph: Subgraph, statistics: Mapping[str, TensorStatistics], judged: Sequence[str]
) -> Sensitivity:
    """H of every float tensor, (C,) each, zeros where what is judged does not depend on it.

    Args:
        graph: the float graph.
        statistics: of its float tensors, by name, for the share of active positions.
        judged: names of the tensors whose error counts; each element with weight 1 or, of several
            tensors, with the weight that makes a share of each one's own power count the same.
    """
    h_by_tensor: Sensitivity = {t: np.zeros(s.channels) for t, s in statistics.items()}
    for name, h in at_outputs(statistics, judged).items():
        h_by_tensor[name] += h
    for operator in reversed(graph.operators):
        if any(t.name in h_by_tensor and h_by_tensor[t.name].any() for t in operator.outputs):
            _back(operator, h_by_tensor, statistics)
    return h_by_tensor


def at_outputs(
    statistics: Mapping[str, TensorStatistics], judged: Sequence[str]
) -> dict[str, NDArray[np.float64]]:
    """H that the judged tensors have of themselves; none for one without statistics."""
    known = [name for name in dict.fromkeys(judged) if name in statistics]
    if len(known) == 1:
        return {known[0]: np.ones(statistics[known[0]].channels)}
    powers = {name: float(statistics[name].power.sum()) for name in known}
    return {
        name: np.full(statistics[name].channels, 1 / power if power > 0 else 1.0)
        for name, power in powers.items()
    }


def through(
    operator: Operator, known: Sensitivity, statistics: Mapping[str, TensorStatistics]
) -> Sensitivity:
    """What one operator alone contributes to H of the tensors it reads, from H of its outputs."""
    outputs = {tensor.name for tensor in operator.outputs if tensor.name in known}
    sources = {tensor.name for tensor in operator.read if tensor.name in known} - outputs
    part: Sensitivity = {tensor: np.zeros_like(known[tensor]) for tensor in sources}
    part.update({name: known[name] for name in outputs})
    _back(operator, part, statistics)
    return {tensor: part[tensor] for tensor in sources}


def before_activation(
    operator: Operator, h: NDArray[np.float64], statistics: TensorStatistics
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
    operator: Operator, known: Sensitivity, statistics: Mapping[str, TensorStatistics]
) -> None:
    for tensor in operator.outputs:
        if tensor.name in known:
            h = before_activation(operator, known[tensor.name], statistics[tensor.name])
            _back_from(operator, h, known, statistics[tensor.name])


def _back_from(
    operator: Operator, h: NDArray[np.float64], known: Sensitivity, output: TensorStatistics
) -> None:
    """From H of one output, ahead of its activation, to that of what the operator reads."""
    name = operator.name
    if name in affine.CONVOLUTIONS:
        kernel, source = affine.kernel(operator), operator.source.name
        if kernel is not None and source in known:
            known[source] += through_weights(kernel, name, h, len(known[source]))
        return
    if name == "CONCATENATION":
        _split(operator, h, known)
        return
    if name in {"RELU", "RELU6"}:
        h = h * output.active
    if name in {"MEAN", "AVERAGE_POOL_2D"}:
        h = h / _window(operator)
    if name == "MUL" and (fixed := affine.channel_constant(operator)) is not None:
        h = h * np.square(fixed[1])
    for tensor in operator.read:
        if tensor.name in known:
            known[tensor.name] += _fit(h, len(known[tensor.name]))


def through_weights(
    kernel: NDArray[np.float32], name: str, h: NDArray[np.float64], channels: int
) -> NDArray[np.float64]:
    """H at a convolution's input, (channels,), from H at its output."""
    groups = channels // kernel.shape[-1] if name == "CONV_2D" else 1
    if groups > 1:
        parts = zip(np.split(kernel, groups), np.split(h, groups), strict=True)
        return np.concatenate([through_weights(k, name, p, channels // groups) for k, p in parts])
    squares = np.square(kernel, dtype=np.float64)
    if name == "DEPTHWISE_CONV_2D":
        by_output = squares.sum(axis=(0, 1, 2)) * h
        folded: NDArray[np.float64] = by_output.reshape(channels, -1).sum(axis=1)
        return folded
    by_input = np.tensordot(h, squares.reshape(len(squares), -1), axes=1)
    summed: NDArray[np.float64] = by_input.reshape(-1, channels).sum(axis=0)
    return summed


def _split(operator: Operator, h: NDArray[np.float64], known: Sensitivity) -> None:
    tensors = operator.read
    total = sum(tensor.elements for tensor in tensors)
    along_channels = sum(tensor.channels for tensor in tensors) == len(h)
    start = 0
    for tensor in tensors:
        # Joined along another axis, each has its share of the positions.
        stop = start + tensor.channels
        part = h[start:stop] if along_channels else h * tensor.elements / total
        if tensor.name in known:
            known[tensor.name] += _fit(part, tensor.channels)
        start = stop


def _window(operator: Operator) -> int:
    """Over how many positions an average is taken."""
    options = operator.options
    if hasattr(options, "filterHeight"):
        return int(options.filterHeight * options.filterWidth)
    return operator.source.elements // operator.output.elements


def _fit(h: NDArray[np.float64], channels: int) -> NDArray[np.float64]:
    """H for a tensor whose channels a reshape has counted differently."""
    if len(h) == channels:
        return h
    if len(h) % channels == 0:  # a Flatten: position x channels, the channels fastest
        folded: NDArray[np.float64] = h.reshape(-1, channels).sum(axis=0)
        return folded
    return np.full(channels, h.sum() / channels)
