"""From a float .tflite and calibration to a full-integer one: int8, or int16 activations.

Equalize, round the weights with the bias corrected, choose the activations' ranges, let
litert-quantizer lay the graph out, put our weights in, then make the graph one that XNNPACK takes
whole. Nothing here runs TensorFlow.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from edgecnn import parity
from edgecnn.formats import tflite_file as tfl
from edgecnn.progress import Progress, Silent
from edgecnn.quantize import add_ranges, litert, ranges
from edgecnn.quantize.passes import affine, equalize, relu6_to_relu, relu_to_requantize
from edgecnn.quantize.weights import quantize_layers, write_layers

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from edgecnn.calibration.statistics import Statistics
    from edgecnn.quantize.weights import QuantizedLayer

AUTO = "auto"
_CANDIDATES = ("minmax", "mse")
_INT8_BITS = 8
_LEAST_GAIN_DB = 1.0


@dataclass(frozen=True)
class FloatSource:
    """The float model an integer one was laid out from, scaled as it is, and what is known of it.

    Attributes:
        data: the .tflite; the same function as the float file's.
        statistics: of that very model.
    """

    data: bytes
    statistics: Statistics


@dataclass(frozen=True)
class IntegerModel:
    """A quantized file and how it came about.

    Attributes:
        data: the .tflite.
        method: how the ranges were chosen: minmax, percentile or mse.
        compared_db: SNR of the logits on calibration images under each method that was tried.
        equalization_db: by how much equalization lowered the predicted error; 0.0: not done.
        source: what it was laid out from, where that was asked for.
        notes: sentences for the manifest.
    """

    data: bytes
    method: str
    compared_db: dict[str, float] = field(default_factory=dict)
    equalization_db: float = 0.0
    source: FloatSource | None = None

    @property
    def notes(self) -> tuple[str, ...]:
        """What was compared and chosen, in sentences for the manifest."""
        tried = ", ".join(f"{name} {db:.1f} dB" for name, db in self.compared_db.items())
        compared = f"; logits on calibration images: {tried}" if tried else ""
        equalized = f"; channels equalized ({self.equalization_db:.1f} dB predicted)"
        return (f"ranges by {self.method}{compared}{equalized if self.equalization_db else ''}",)


def quantize(  # noqa: PLR0913 - all but one have defaults
    float_model: bytes,
    statistics: Statistics,
    *,
    logits: int,
    activation_bits: int,
    method: str = AUTO,
    trial: Sequence[NDArray[np.float32]] = (),
    threads: int = 1,
    with_source: bool = False,
    progress: Progress | None = None,
) -> IntegerModel:
    """Quantize a float model; its ends become int8, or int16 with 16-bit activations.

    Args:
        float_model: a float .tflite with one signature, batch 1.
        statistics: of that very model.
        logits: index of the tensor whose error counts.
        activation_bits: 8 or 16.
        method: minmax, percentile, mse, or auto, which tries and measures minmax and mse.
        trial: the first calibration images (1, H, W, C) float32, which auto measures on.
        threads: for rounding and measuring.
        with_source: keep the float model too, for layers that are to be given back to float.
        progress: told of each convolution.
    """
    model, known, gain_db = _equalized(float_model, statistics, logits)
    source = FloatSource(tfl.write(model), known) if with_source else None
    relu6_to_relu.apply(model)  # not earlier: equalization may scale through a RELU, not a RELU6
    layers = quantize_layers(model, known.layers, threads=threads, progress=progress or Silent())
    equalized = tfl.write(model)
    made = {}
    for name in _methods(method, activation_bits):
        chosen = ranges.choose(known.tensors, name)
        chosen[logits] = ranges.with_margin(known.tensors[logits])
        add_ranges.widen(model, chosen)
        made[name] = _lay_out(equalized, chosen, layers, activation_bits)
    compared = {}
    if len(made) > 1 and trial:
        compared = {n: _snr_db(data, trial, known.logits, threads) for n, data in made.items()}
    best = max(made, key=lambda name: compared.get(name, 0.0))
    return IntegerModel(made[best], best, compared, gain_db, source)


def _equalized(
    float_model: bytes, statistics: Statistics, logits: int
) -> tuple[tfl.ModelT, Statistics, float]:
    """The model to quantize, what is known of it, and the gain of equalizing it if that was done.

    A small predicted gain is left alone: it is within what the prediction leaves out (trained vgg:
    0.6 dB predicted, 0.8 lost on unseen images).
    """
    model = _prepared(float_model)
    done = equalize.apply(model, statistics.tensors, logits)
    if done.gain_db >= _LEAST_GAIN_DB:
        return model, equalize.rescaled(model, statistics, done), done.gain_db
    untouched = _prepared(float_model)
    return untouched, statistics, 0.0


def _prepared(float_model: bytes) -> tfl.ModelT:
    model = tfl.read(float_model)
    _give_biases(model)
    return model


def _methods(method: str, activation_bits: int) -> tuple[str, ...]:
    """What is tried: 16 bits have levels to spare, and nothing is worth cutting off."""
    if method != AUTO:
        return (method,)
    return _CANDIDATES if activation_bits == _INT8_BITS else _CANDIDATES[:1]


def _snr_db(
    data: bytes,
    trial: Sequence[NDArray[np.float32]],
    logits: NDArray[np.float32],
    threads: int,
) -> float:
    """SNR of a file's logits on the trial images against what the float model gave."""
    found = parity.snr_db(logits[: len(trial)], parity.logits(data, trial, threads=threads))
    return math.inf if found is None else found


def _give_biases(model: tfl.ModelT) -> None:
    """A zero bias where a convolution has none: correction needs a place to go."""
    graph = tfl.main_graph(model)
    for operator in graph.operators:
        if tfl.operator_name(model, operator) not in affine.CONVOLUTIONS:
            continue
        kernel = affine.weights(model, graph, operator)
        if kernel is not None and affine.bias(model, graph, operator) is None:
            outputs = int(graph.tensors[int(operator.outputs[0])].shape[-1])
            affine.set_bias(model, graph, operator, np.zeros(outputs))


def _lay_out(
    equalized: bytes,
    chosen: Mapping[int, ranges.Range],
    layers: Mapping[str, QuantizedLayer],
    activation_bits: int,
) -> bytes:
    model = tfl.read(litert.static(equalized, chosen, activation_bits))
    graph = tfl.main_graph(tfl.read(equalized))
    named = {tfl.tensor_name(graph.tensors[t]): limits for t, limits in chosen.items()}
    relu_to_requantize.apply(model, named)  # it may change scales, which the biases depend on
    write_layers(model, layers)
    tfl.drop_unused(model)
    return tfl.write(model)
