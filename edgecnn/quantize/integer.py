"""From a float .tflite and calibration to an integer one: int8, or int16 activations.

Equalize, choose what stays float, round the weights with the bias corrected, choose the
activations' ranges, lay the graph out, put our weights in, then make the graph one that XNNPACK
takes whole. Nothing here runs TensorFlow.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from edgecnn.progress import Progress, Silent
from edgecnn.quantize import add_ranges, affine, float_operators, layout, measured, ranges
from edgecnn.quantize.passes import (
    equalize,
    hard_swish_to_product,
    relu6_to_relu,
    relu_to_requantize,
    to_integer_kernels,
)
from edgecnn.quantize.weights import quantize_layers, write_layers

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any, Literal

    from numpy.typing import NDArray

    from edgecnn.calibration.layer_inputs import LayerInputs
    from edgecnn.calibration.statistics import Statistics
    from edgecnn.formats.tflite_graph import Graph, Operator
    from edgecnn.quantize.weights import QuantizedLayer

AUTO = "auto"
_CANDIDATES = ("minmax", "mse")
_INT8_BITS = 8
_LEAST_GAIN_DB = 1.0


@dataclass(frozen=True)
class FloatSource:
    """The float model an integer one was laid out from, scaled as it is, and what is known of it.

    Attributes:
        graph: the same function as the float file's.
        statistics: of that very graph.
    """

    graph: Graph
    statistics: Statistics


@dataclass(frozen=True)
class IntegerModel:
    """A quantized file and how it came about.

    Attributes:
        graph: the quantized graph.
        method: how the ranges were chosen: minmax, percentile or mse.
        compared_db: SNR of what is judged, of the worst of it, on calibration inputs under each
            method that was tried.
        equalization_db: by how much equalization lowered the predicted error; 0.0: not done.
        source: what it was laid out from, where that was asked for.
        float_ops: operators that compute on real numbers, name to count.
        float_notes: which and why, a sentence a reason.
    """

    graph: Graph
    method: str
    compared_db: dict[str, float] = field(default_factory=dict)
    equalization_db: float = 0.0
    source: FloatSource | None = None
    float_ops: dict[str, int] = field(default_factory=dict)
    float_notes: tuple[str, ...] = ()

    @property
    def data(self) -> bytes:
        """The .tflite."""
        return self.graph.write()

    @property
    def integer(self) -> Literal["full", "mixed"]:
        """Whether every operator computes on integers."""
        return "mixed" if self.float_ops else "full"

    @property
    def notes(self) -> tuple[str, ...]:
        """What was compared and chosen, in sentences for the manifest."""
        tried = ", ".join(f"{name} {db:.1f} dB" for name, db in self.compared_db.items())
        compared = f"; logits on calibration images: {tried}" if tried else ""
        equalized = f"; channels equalized ({self.equalization_db:.1f} dB predicted)"
        first = f"ranges by {self.method}{compared}{equalized if self.equalization_db else ''}"
        return (first, *self.float_notes)


def quantize(  # noqa: PLR0913 - all but one have defaults
    graph: Graph,
    statistics: Statistics,
    *,
    judged: Sequence[str],
    activation_bits: int,
    method: str = AUTO,
    trial: Sequence[Sequence[NDArray[Any]]] = (),
    threads: int = 1,
    with_source: bool = False,
    judge: bool = True,
    progress: Progress | None = None,
) -> IntegerModel:
    """Quantize a float model; its ends become int8, or int16 with 16-bit activations.

    Operators without an integer kernel stay float, and the ends they make; so do those that would
    give worthless numbers as integers (`float_operators`).

    Args:
        graph: a float .tflite with one signature, batch 1; left as it is.
        statistics: of that very graph; their answers hold what is judged.
        judged: names of the tensors whose error counts: the outputs, or what enters the softmax
            that an output ends in.
        activation_bits: 8 or 16.
        method: minmax, percentile, mse, or auto, which tries and measures minmax and mse.
        trial: the first calibration inputs, for every run an array for each input, which auto
            measures on.
        threads: for rounding and measuring.
        with_source: keep the float model too, for layers that are to be given back to float.
        judge: False to leave float only what has no integer kernel.
        progress: told of each convolution.

    Raises:
        InputError: the model has loops, branches or a state.
    """
    model, known, gain_db = _equalized(graph, statistics, judged)
    source = FloatSource(model.copy(), known) if with_source else None
    relu6_to_relu.apply(model)  # not earlier: equalization may scale through a RELU, not a RELU6
    in_float = float_operators.choose(model, known.tensors, activation_bits, judge=judge)
    layers = quantize_layers(
        model, _integer_layers(known, in_float), threads=threads, progress=progress or Silent()
    )
    made = {}
    for name in _methods(method, activation_bits):
        chosen = ranges.choose(known.tensors, name)
        chosen |= _end_ranges(model, known, judged)
        add_ranges.widen(model, chosen)
        made[name] = _lay_out(model, chosen, layers, activation_bits, in_float)
    compared = {}
    if len(made) > 1 and trial:
        for name, each in made.items():
            got = measured.answers(each, trial, judged, threads=threads)
            compared[name] = measured.lowest_snr_db(known.answers, got)
    best = max(made, key=lambda name: compared.get(name, 0.0))
    return IntegerModel(
        made[best], best, compared, gain_db, source,
        float_operators.counts(in_float), float_operators.notes(in_float),
    )  # fmt: skip


def _integer_layers(known: Statistics, in_float: Mapping[Operator, str]) -> dict[str, LayerInputs]:
    kept = {tensor.name for operator in in_float for tensor in operator.outputs}
    return {name: layer for name, layer in known.layers.items() if name not in kept}


def _end_ranges(model: Graph, known: Statistics, judged: Sequence[str]) -> dict[str, ranges.Range]:
    """Ranges of what is judged: what is cut off there is the answer."""
    ends = {tensor.name for tensor in model.outputs}
    return {
        name: ranges.of_end(known.tensors[name])
        if name in ends
        else ranges.with_margin(known.tensors[name])
        for name in judged
        if name in known.tensors
    }


def _equalized(
    graph: Graph, statistics: Statistics, judged: Sequence[str]
) -> tuple[Graph, Statistics, float]:
    """The model to quantize, what is known of it, and the gain of equalizing it if that was done.

    A small predicted gain is left alone: it is within what the prediction leaves out (trained vgg:
    0.6 dB predicted, 0.8 lost on unseen images).
    """
    model = _prepared(graph)
    done = equalize.apply(model, statistics.tensors, judged)
    if done.gain_db >= _LEAST_GAIN_DB:
        return model, equalize.rescaled(model, statistics, done), done.gain_db
    return _prepared(graph), statistics, 0.0


def _prepared(graph: Graph) -> Graph:
    model = graph.copy()
    to_integer_kernels.apply(model)
    _give_biases(model)
    return model


def _methods(method: str, activation_bits: int) -> tuple[str, ...]:
    """What is tried: 16 bits have levels to spare, and nothing is worth cutting off."""
    if method != AUTO:
        return (method,)
    return _CANDIDATES if activation_bits == _INT8_BITS else _CANDIDATES[:1]


def _give_biases(graph: Graph) -> None:
    """A zero bias where a convolution has none: correction needs a place to go."""
    for operator in graph.operators:
        if operator.name not in affine.CONVOLUTIONS:
            continue
        if affine.known_weights(operator) is not None and affine.bias(operator) is None:
            affine.set_bias(graph, operator, np.zeros(operator.output.channels))


def _lay_out(
    model: Graph,
    chosen: Mapping[str, ranges.Range],
    layers: Mapping[str, QuantizedLayer],
    activation_bits: int,
    in_float: Mapping[Operator, str],
) -> Graph:
    graph, kept = model.copy(), {operator.output.name for operator in in_float}
    twins = [operator for name, operator in graph.made().items() if name in kept]
    layout.lay_out(graph, chosen, activation_bits, twins)
    relu_to_requantize.apply(graph, chosen)  # it may change scales, which the biases depend on
    hard_swish_to_product.apply(graph)
    write_layers(graph, layers)
    graph.drop_unused()
    return graph
