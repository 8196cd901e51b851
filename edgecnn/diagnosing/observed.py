"""From sums and statistics to what a diagnosis rests on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from edgecnn.diagnosing.factors import of_channels
from edgecnn.diagnosing.matching import shown
from edgecnn.diagnosing.record import Layer, ObservedAdd, ObservedInput, ObservedWeights
from edgecnn.quantize import affine, contributions, noise_flow

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edgecnn.calibration.statistics import Statistics
    from edgecnn.diagnosing.matching import Pair
    from edgecnn.diagnosing.sums import LayerSums
    from edgecnn.formats.tflite_graph import Graph, Tensor

    Floats = NDArray[np.float64]

_INPUTS_OF_SUM = 2


@dataclass(frozen=True)
class Comparison:
    """Both files and what was measured of them."""

    quantized: Graph
    real: Graph
    pairs: list[Pair]
    sums: list[LayerSums]
    known: Statistics
    equalized: bool
    judged: tuple[str, ...]

    @cached_property
    def factors(self) -> dict[str, Floats]:
        """By float tensor: what its channels in the quantized file are multiplied by."""
        if self.equalized:
            both = list(zip(self.pairs, self.sums, strict=True))
            return of_channels(self.real, both, self.known, self.judged)
        return {t: np.ones(statistics.channels) for t, statistics in self.known.tensors.items()}

    def taken_out(self, tensor: str) -> Floats | None:
        """The factors of a tensor; None where the file does not scale channels."""
        return self.factors[tensor] if self.equalized else None


def layers(comparison: Comparison) -> tuple[Layer, ...]:
    """Every pair as a record, with its share in the error of what is judged."""
    tensors = {
        pair.real.name: _tensor_noise(pair, sums, comparison)
        for pair, sums in zip(comparison.pairs, comparison.sums, strict=True)
    }
    parts = noise_flow.contributions_of(
        comparison.real, comparison.known, comparison.judged, tensors
    )
    errors = [_error(pair, parts) for pair in comparison.pairs]
    total = sum(errors) or 1.0
    return tuple(
        _layer(pair, sums, comparison, error / total)
        for pair, sums, error in zip(comparison.pairs, comparison.sums, errors, strict=True)
    )


def _error(pair: Pair, parts: dict[str, noise_flow.Contribution]) -> float:
    if pair.real.name not in parts:
        return 0.0
    contribution = parts[pair.real.name]
    rounds = pair.operator not in noise_flow.KEEPS_STEPS
    return contribution.weights + (contribution.rounding if rounds else 0.0)


def _limits(sums: LayerSums, dtype: str) -> tuple[float, float]:
    """The real numbers that the lowest and the highest step stand for."""
    assert sums.scale is not None  # noqa: S101 - the caller asked
    info = np.iinfo(dtype)
    return (info.min - sums.zero_point) * sums.scale, (info.max - sums.zero_point) * sums.scale


def _dtype(pair: Pair) -> str:
    return pair.quantized.numpy_dtype.name


def _tensor_noise(pair: Pair, sums: LayerSums, comparison: Comparison) -> noise_flow.TensorNoise:
    factor = comparison.factors[pair.real.name]
    step = limits = None
    if sums.scale is not None:
        low, high = _limits(sums, _dtype(pair))
        step, limits = sums.scale * factor, np.stack([low * factor, high * factor])
    # Factors are known to a few per cent, weights' rounding is finer: it cannot be told from them.
    errors = None
    if not comparison.equalized:
        errors = noise_flow.weights_error(pair.made_by, pair.twin)
    kernel, bias = errors or (None, None)
    noise = sums.error(comparison.taken_out(pair.real.name)) / max(sums.values / sums.channels, 1)
    return noise_flow.TensorNoise(noise, step, limits, kernel, bias)


def _layer(pair: Pair, sums: LayerSums, comparison: Comparison, share: float) -> Layer:
    factor = comparison.factors[pair.real.name]
    sample = comparison.known.tensors[pair.real.name]
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = np.where(factor > 0, 1 / factor, 1.0)
    limits: tuple[float, float] | None = None
    clipped, clipping_db, saturated = 0.0, None, 0.0
    if sums.scale is not None:
        limits = _limits(sums, _dtype(pair))
        clipped, clipping_db = _clipping(sample.sample * scale, limits, sums.scale)
        saturated = sums.saturated / max(sums.values, 1)
        saturated = max(saturated - _belonging(sample.sample * scale, limits, sums), 0.0)
    return Layer(
        index=pair.index,
        layer=pair.name,
        operator=shown(pair.made_by),
        snr_db=sums.snr_db(comparison.taken_out(pair.real.name)),
        share=share,
        matched_by=pair.matched_by,
        channels=sums.channels,
        low=float((sample.low * scale).min()),
        high=float((sample.high * scale).max()),
        range_low=None if limits is None else limits[0],
        range_high=None if limits is None else limits[1],
        step=sums.scale,
        values=sample.sample.size,
        clipped_share=clipped,
        clipping_db=clipping_db,
        saturated_share=saturated,
        lost_channels=sums.lost,
        silent_channels=sums.silent,
        lost_share=sums.lost_share,
    )


def _belonging(values: NDArray[np.floating], limits: tuple[float, float], sums: LayerSums) -> float:
    """Share of float values that rightly stand on a last step, as what a ReLU made equal may."""
    assert sums.scale is not None  # noqa: S101 - the caller asked
    sides = zip(limits, (sums.saturates_low, sums.saturates_high), strict=True)
    return sum(
        float((np.abs(values - limit) <= sums.scale / 2).mean())
        for limit, counts in sides
        if counts
    )


def _clipping(
    values: NDArray[np.floating], limits: tuple[float, float], step: float
) -> tuple[float, float | None]:
    """Share of values half a step or more beyond the range, and the power cut off in dB."""
    beyond = np.abs(values - np.clip(values, *limits))
    signal, cut = float(np.square(values).sum()), float(np.square(beyond).sum())
    return float((beyond > step / 2).mean()), 10 * float(np.log10(signal / cut)) if cut else None


def inputs(comparison: Comparison) -> tuple[ObservedInput, ...]:
    """The float network's float inputs, as the file takes them and as they were fed."""
    both = zip(comparison.quantized.inputs, comparison.real.inputs, strict=True)
    return tuple(
        _input(comparison, entry, real)
        for entry, real in both
        if real.name in comparison.known.tensors
    )


def _input(comparison: Comparison, taken: Tensor, real: Tensor) -> ObservedInput:
    entry = _first_quantized(comparison.quantized, taken)
    low = high = None
    steps = 0
    if entry.quantization is not None and not entry.is_float:
        info = np.iinfo(entry.numpy_dtype)
        steps = int(info.max) - int(info.min)
        scale, zero_point = (
            float(entry.quantization.scale[0]),
            int(entry.quantization.zero_point[0]),
        )
        low, high = (info.min - zero_point) * scale, (info.max - zero_point) * scale
    fed = comparison.known.tensors[real.name]
    first, stirring = _stirring(comparison, real)
    return ObservedInput(taken.name, low, high, steps, fed.minimum, fed.maximum, first, stirring)


def _first_quantized(graph: Graph, entry: Tensor) -> Tensor:
    """The input, or what a QUANTIZE right behind it makes of it."""
    readers = graph.consumers(entry)
    quantizes = len(readers) == 1 and readers[0].name == "QUANTIZE"
    return readers[0].output if quantizes else entry


def _stirring(comparison: Comparison, entry: Tensor) -> tuple[str, float | None]:
    """How far the first convolution behind an input varies, and its name."""
    behind = {entry}
    for operator in comparison.real.operators:
        if not behind & set(operator.read):
            continue
        behind.update(operator.outputs)
        name = operator.output.name
        if operator.name not in affine.CONVOLUTIONS or name not in comparison.known.tensors:
            continue
        sample = comparison.known.tensors[name].sample.astype(np.float64)
        alive = np.abs(sample).max(axis=0) > 0
        if not alive.any() or len(sample) < _INPUTS_OF_SUM:
            return name, None
        varies = sample.std(axis=0)[alive]
        size = np.sqrt(np.square(sample).mean(axis=0))[alive]
        return name, float(np.median(varies / size))
    return "", None


def per_tensor(graph: Graph) -> tuple[ObservedWeights, ...]:
    """Convolutions whose weights have one scale for several output channels."""
    convolutions = []
    for operator in graph.operators:
        if operator.name not in affine.CONVOLUTIONS:
            continue
        tensor = operator.inputs[1]
        values = contributions.real_values(tensor)
        if tensor is None or values is None or tensor.quantization is None:
            continue
        axis = values.ndim - 1 if operator.name == "DEPTHWISE_CONV_2D" else 0
        channels = values.shape[axis]
        is_one_scale = len(tensor.quantization.scale) == 1 < channels
        if tensor.dtype not in {"INT8", "UINT8"} or not is_one_scale:
            continue
        largest = np.abs(np.moveaxis(values, axis, 0).reshape(channels, -1)).max(axis=1)
        alive = largest[largest > 0]
        spread = float(largest.max() / np.median(alive)) if len(alive) else 1.0
        convolutions.append(
            ObservedWeights(operator.output.name, shown(operator), channels, spread)
        )
    return tuple(convolutions)


def adds(comparison: Comparison) -> tuple[ObservedAdd, ...]:
    """Sums of two tensors that vary, both with statistics, whose sum is quantized."""
    additions = []
    for pair, sums in zip(comparison.pairs, comparison.sums, strict=True):
        terms = [comparison.known.tensors.get(tensor.name) for tensor in pair.twin.read]
        if pair.operator != "ADD" or sums.scale is None or len(terms) != _INPUTS_OF_SUM:
            continue
        first, other = terms
        if first is not None and other is not None:
            widths = (first.maximum - first.minimum, other.maximum - other.minimum)
            typical = float(np.median(comparison.factors[pair.real.name]))
            additions.append(ObservedAdd(pair.name, widths, sums.scale * typical))
    return tuple(additions)
