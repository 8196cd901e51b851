"""Scales channels against each other so that one int8 range serves them all.

Multiplying channel c of a tensor by a > 0 and dividing the weights that read it by a changes
nothing in float (cross-layer equalization, Nagel et al. 2019, arXiv:1906.04721): it passes through
convolutions, ReLU, pooling, concatenation and, with one scale for all of its tensors, a residual
stream. What it changes is how the one scale of an int8 tensor, and of each row of int8 weights, is
spent. Instead of making ranges equal, the scales here minimize the error that the logits are
predicted to have: the activations' noise plus the weights', each weighed by `sensitivity`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from edgecnn.calibration.layer_inputs import LayerInputs
from edgecnn.calibration.statistics import Statistics, TensorStatistics
from edgecnn.quantize import affine, ranges, sensitivity
from edgecnn.quantize.channel_ties import Ties, find_ties
from edgecnn.quantize.equalize_error import Activations, Weights, sixteenth_power
from edgecnn.quantize.passes import PassResult

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from edgecnn.formats.tflite_graph import Graph, Operator

# Scales stay within a factor of 55, and a channel that hardly stirred on the calibration images is
# taken for a tenth of the loudest: on others it may stir.
_LARGEST_LOG_SCALE = 4.0
# Standard deviations: scales are made for what other images may stir in a channel, for each channel
# that passes its share of the range is cut off. (Trained Xception, 8 images: 26.2 dB for what these
# stirred, 27.1 with 2, 29.4 with 4; a trained xception-mini, 100 images: 38.3, 38.5, 37.2.)
_REACH = 3.0
_QUIETEST = 0.1
_ITERATIONS = 12
_DEPTHWISE_RANK = 2


@dataclass(frozen=True)
class Equalization(PassResult):
    """What equalizing did; it counts tensors whose channels are scaled.

    Attributes:
        gain_db: by how much the predicted error fell; 0.0: nothing could be scaled.
        scale: by tensor name, what each of its channels is now multiplied by, (C,).
    """

    gain_db: float = 0.0
    scale: dict[str, NDArray[np.float64]] = field(default_factory=dict)


def apply(
    graph: Graph, statistics: Mapping[str, TensorStatistics], judged: Sequence[str]
) -> Equalization:
    """Equalize in place.

    Args:
        graph: the float graph; its convolutions' weights and constants are rescaled.
        statistics: of its float tensors, by name.
        judged: names of the tensors whose error counts.
    """
    from scipy.optimize import minimize

    ties = find_ties(graph, statistics)
    terms = _terms(graph, statistics, ties, judged)
    bounds = _bounds(ties)

    def objective(theta: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        gradient = np.zeros_like(theta)
        total = sum(term.error(theta, gradient) for term in terms)
        return float(np.log(total)), gradient / total

    unscaled = np.zeros(ties.count)
    noise = sum(term.error(unscaled, np.zeros(ties.count)) for term in terms)
    if noise == 0 or ties.fixed.all():  # no noise: the logits depend on nothing that varies
        return Equalization(0)
    start = min(_starts(terms, ties), key=lambda theta: objective(theta)[0])
    optimum = minimize(objective, start, jac=True, method="L-BFGS-B", bounds=bounds,
                     options={"maxiter": _ITERATIONS})  # fmt: skip
    scale = np.exp(optimum.x)
    _rescale(graph, ties, scale)
    gain_db = float(10 * (objective(unscaled)[0] - optimum.fun) / np.log(10))
    by_tensor = {name: scale[variables] for name, variables in ties.variables.items()}
    changes = sum(bool(np.any(factors != 1)) for factors in by_tensor.values())
    return Equalization(changes, gain_db=gain_db, scale=by_tensor)


def rescaled(graph: Graph, statistics: Statistics, done: Equalization) -> Statistics:
    """What calibration would have found in the equalized graph."""
    if not done.scale:
        return statistics
    tensors = {t: _rescaled_tensor(s, done.scale[t]) for t, s in statistics.tensors.items()}
    makers = graph.by_output()
    layers = {
        output: _rescaled_layer(layer, done.scale[makers[output].source.name])
        for output, layer in statistics.layers.items()
    }
    return replace(statistics, tensors=tensors, layers=layers)


def _rescaled_tensor(old: TensorStatistics, scale: NDArray[np.float64]) -> TensorStatistics:
    if np.all(scale == 1):
        return old
    lows, highs, sample = (
        (values * scale).astype(np.float32) for values in (old.lows, old.highs, old.sample)
    )
    return TensorStatistics(lows, highs, sample)


def _rescaled_layer(old: LayerInputs, scale: NDArray[np.float64]) -> LayerInputs:
    by_input = scale[:, None] if old.mean.ndim == _DEPTHWISE_RANK else np.tile(
        scale, len(old.mean) // len(scale))  # fmt: skip
    covariance = old.covariance
    if covariance is not None:
        single = np.broadcast_to(by_input, old.mean.shape).astype(np.float32)
        covariance = covariance * single[..., :, None] * single[..., None, :]
    return LayerInputs(old.mean * by_input, old.power * np.square(by_input), covariance)


def _starts(terms: list[Activations | Weights], ties: Ties) -> list[NDArray[np.float64]]:
    """Scales to begin the search from: none; weights' and activations' ranges half or fully met.

    Meeting both is the closed form of cross-layer equalization: sqrt(weights' / activations').
    """
    loud = np.full(ties.count, -np.inf)
    wide = np.full(ties.count, -np.inf)
    with np.errstate(divide="ignore"):
        for term in terms:
            if isinstance(term, Weights):
                np.maximum.at(wide, term.variables, np.log(term.widest))
            else:
                np.maximum.at(loud, term.variables, np.log(np.maximum(term.above, term.below)))
    met = np.zeros(ties.count)
    known = np.isfinite(loud) & np.isfinite(wide) & ~ties.fixed
    met[known] = (wide[known] - loud[known]) / 2
    if np.any(met != 0):
        met[met != 0] -= np.median(met[met != 0])
    limit = _LARGEST_LOG_SCALE
    return [np.clip(share * met, -limit, limit) for share in (0.0, 0.5, 1.0)]


def _bounds(ties: Ties) -> list[tuple[float, float]]:
    high = np.where(ties.fixed, 0.0, _LARGEST_LOG_SCALE)
    return list(zip((-high).tolist(), high.tolist(), strict=True))


def _terms(
    graph: Graph,
    statistics: Mapping[str, TensorStatistics],
    ties: Ties,
    judged: Sequence[str],
) -> list[Activations | Weights]:
    h = sensitivity.measure(graph, statistics, judged)
    terms: list[Activations | Weights] = []
    for name, stats in statistics.items():
        if h[name].any():
            low, high = ranges.channels_reached(stats, _REACH)
            variables = ties.variables[name]
            terms.append(Activations(variables, _extent(high), _extent(-low), h[name]))
    for operator in graph.operators:
        if operator.name in {"CONV_2D", "FULLY_CONNECTED"}:
            terms += _weights_term(operator, statistics, ties, h)
    return terms


def _extent(extremes: NDArray[np.float32]) -> NDArray[np.float64]:
    loudest = float(extremes.max())
    if loudest <= 0:
        return np.zeros(len(extremes))
    return np.maximum(extremes, _QUIETEST * loudest).astype(np.float64)


def _weights_term(
    operator: Operator,
    statistics: Mapping[str, TensorStatistics],
    ties: Ties,
    h: sensitivity.Sensitivity,
) -> list[Weights]:
    kernel = affine.weights(operator)
    source, output = operator.source.name, operator.output.name
    known = source in statistics and output in statistics
    if kernel is None or not known or not h[output].any():
        return []
    inputs = statistics[source].channels
    power = statistics[source].power
    # Weights of inputs that never stirred do not widen their row's scale (see `weights`).
    magnitude = np.abs(kernel).reshape(len(kernel), -1, inputs).max(axis=1) * (power > 0)
    largest = np.maximum(magnitude.max(axis=1), np.finfo(np.float32).tiny)
    return [
        Weights(
            ties.variables[source],
            sixteenth_power(magnitude / largest[:, None]),
            largest.astype(np.float64),
            magnitude.max(axis=0).astype(np.float64),
            power * (kernel[0].size // inputs),
            sensitivity.before_activation(operator, h[output], statistics[output]),
        )
    ]


def _rescale(graph: Graph, ties: Ties, scale: NDArray[np.float64]) -> None:
    for operator in graph.operators:
        if not operator.outputs or operator.output.name not in ties.variables:
            continue
        if operator.name in affine.CONVOLUTIONS:
            _rescale_convolution(graph, operator, ties, scale)
        elif operator.name == "ADD":
            _rescale_addend(graph, operator, scale[ties.variables[operator.output.name]])


def _rescale_convolution(
    graph: Graph, operator: Operator, ties: Ties, scale: NDArray[np.float64]
) -> None:
    kernel, source = affine.weights(operator), operator.source.name
    if kernel is None or source not in ties.variables:
        return
    before, after = scale[ties.variables[source]], scale[ties.variables[operator.output.name]]
    values = affine.scale_inputs(kernel, operator.name, 1 / before)
    depthwise = operator.name == "DEPTHWISE_CONV_2D"
    values *= after if depthwise else after.reshape(-1, *[1] * (kernel.ndim - 1))
    affine.set_weights(graph, operator, values)
    old = affine.bias(operator)
    if old is not None:
        affine.set_bias(graph, operator, old * after)


def _rescale_addend(graph: Graph, operator: Operator, after: NDArray[np.float64]) -> None:
    for position, tensor in enumerate(operator.inputs):
        if tensor is None or (values := tensor.data) is None:
            continue
        addend = graph.add_like(tensor, f"addend_{graph.tensors.index(tensor)}_{position}")
        addend.data = (values * after).astype(np.float32)
        operator.inputs[position] = addend
