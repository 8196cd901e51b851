"""One integer file out of a float one, under settings that somebody chose.

Weights cost most of the time and depend on some settings only, so they are made once (`weigh`) and
laid out under as many ranges as are wanted (`assemble`).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from edgecnn.progress import Progress, Silent
from edgecnn.quantize import add_ranges, affine, float_operators, kernels, layout, ranges
from edgecnn.quantize.passes import (
    equalize,
    hard_swish_to_product,
    relu6_to_relu,
    relu_to_requantize,
    to_integer_kernels,
)
from edgecnn.quantize.weights import quantize_layers, write_layers

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from concurrent.futures import Executor, Future

    from numpy.typing import NDArray

    from edgecnn.calibration.layer_inputs import LayerInputs
    from edgecnn.calibration.statistics import Statistics
    from edgecnn.formats.tflite_graph import Graph, Operator
    from edgecnn.quantize.weights import QuantizedLayer

_RELU6 = 3  # schema.fbs: ActivationFunctionType
_SIX = 6.0
_SOFTMAXES = {"SOFTMAX", "LOG_SOFTMAX"}


@dataclass(frozen=True)
class Settings:
    """How a file is quantized. The defaults are what loses least where nothing can be measured.

    Attributes:
        method: how ranges are chosen: minmax, percentile or mse.
        equalized: channels scaled against each other (`equalize`).
        wide: ranges stretched as other images may reach beyond the calibration's.
        views: ranges taken from views of few pictures as well, where there are any.
        ends: what the ranges of what is judged are multiplied by.
        adaptive: weights rounded together (`rounding`), not each to the nearest.
        tails: what has one number a channel, such as an average over a map, has a range as wide as
            its spread over the runs allows (`ranges.of_vector`).
    """

    method: str = "mse"
    equalized: bool = False
    wide: bool = False
    views: bool = True
    ends: float = 1.0
    adaptive: bool = True
    tails: bool = False

    @property
    def text(self) -> str:
        """In a few words."""
        words = [f"{self.method} ranges"]
        words += ["stretched"] if self.wide else []
        words += [] if self.views else ["without views"]
        words += [f"of the ends {self.ends:g} times as wide"] if self.ends > 1 else []
        words += ["averages with their tails"] if self.tails else []
        words += ["equalized"] if self.equalized else []
        words += [] if self.adaptive else ["rounded to nearest"]
        return ", ".join(words)


@dataclass(frozen=True)
class Prepared:
    """A float graph that is to be quantized, equalized or as it was.

    Attributes:
        graph: the same function as the float file's.
        known: statistics of that very graph.
        gain_db: what equalizing is predicted to gain; 0.0: not done, or nothing to scale.
        scale: by tensor name, what its channels were multiplied by, (C,).
    """

    graph: Graph
    known: Statistics
    gain_db: float = 0.0
    scale: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)


@dataclass(frozen=True)
class Weighed:
    """A graph whose weights are decided, and whose ranges are not.

    Attributes:
        model: float, as it is laid out.
        known: its statistics.
        layers: the integer weights, by the name of a convolution's output.
        in_float: operators that keep computing on real numbers, and why.
        largest: tensors with an upper end that no image passes, by name.
        bits: of an activation.
    """

    model: Graph
    known: Statistics
    layers: Mapping[str, QuantizedLayer]
    in_float: Mapping[Operator, str]
    largest: Mapping[str, float]
    bits: int


@dataclass(frozen=True)
class Decided:
    """What the numbers of a file were decided to be, whatever format writes them down.

    Attributes:
        weighed: the float graph, scaled as it is, and its weights.
        ranges: (low, high) of its tensors by name.
        scale: by name of the float file's tensors, what channels were multiplied by, (C,).
    """

    weighed: Weighed
    ranges: Mapping[str, ranges.Range]
    scale: Mapping[str, NDArray[np.float64]]


def prepare(graph: Graph, known: Statistics) -> Prepared:
    """Copy a float graph into the form that is quantized."""
    model = graph.copy()
    to_integer_kernels.apply(model)
    _give_biases(model)
    return Prepared(model, known)


def equalized(prepared: Prepared, statistics: Statistics, judged: Sequence[str]) -> Prepared:
    """The same with its channels scaled against each other.

    Args:
        prepared: left as it is.
        statistics: what the scales come from: all that is known, or a part.
        judged: names of the tensors whose error counts.
    """
    model = prepared.graph.copy()
    done = equalize.apply(model, statistics.tensors, judged)
    known = equalize.rescaled(model, prepared.known, done)
    return Prepared(model, known, done.gain_db, done.scale)


def _give_biases(graph: Graph) -> None:
    """A zero bias where a convolution has none: correction needs a place to go."""
    for operator in graph.operators:
        if operator.name not in affine.CONVOLUTIONS:
            continue
        if affine.known_weights(operator) is not None and affine.bias(operator) is None:
            affine.set_bias(graph, operator, np.zeros(operator.output.channels))


@dataclass(frozen=True)
class Weighing:
    """A `Weighed` whose weights are being rounded.

    Attributes:
        begun: what is known already; without layers.
        layers: by the name of a convolution's output.
    """

    begun: Weighed
    layers: Mapping[str, Future[QuantizedLayer]]

    def result(self, progress: Progress | None = None) -> Weighed:
        """Wait for it; `progress` is told of each layer."""
        watcher, layers = progress or Silent(), {}
        for name, layer in self.layers.items():
            layers[name] = layer.result()
            watcher.advance()
        return replace(self.begun, layers=layers)


def weigh(
    prepared: Prepared,
    bits: int,
    pool: Executor,
    *,
    adaptive: bool = True,
    judge: bool = True,
) -> Weighing:
    """Decide what stays float, and begin with the weights of the rest.

    Args:
        prepared: left as it is.
        bits: of an activation, 8 or 16.
        pool: see `weights.workers`.
        adaptive: as `Settings` has it.
        judge: False to leave float only what has no integer kernel.
    """
    begun = begin(prepared, bits, judge=judge)
    selected = _integer_layers(begun.known, begun.in_float)
    if not adaptive:
        selected = {name: replace(layer, covariance=None) for name, layer in selected.items()}
    return Weighing(begun, quantize_layers(begun.model, selected, pool))


def begin(prepared: Prepared, bits: int, *, judge: bool = True) -> Weighed:
    """Decide what stays float; without weights. The arguments are those of `weigh`."""
    model, known = prepared.graph.copy(), prepared.known
    largest = {o.output.name: _SIX for o in model.operators if _is_relu6(o)}
    relu6_to_relu.apply(model)  # not earlier: equalization may scale through a RELU, not a RELU6
    in_float = float_operators.choose(model, known.tensors, bits, judge=judge)
    return Weighed(model, known, {}, in_float, largest, bits)


def _is_relu6(operator: Operator) -> bool:
    return operator.name == "RELU6" or affine.fused_activation(operator) == _RELU6


def _integer_layers(known: Statistics, in_float: Mapping[Operator, str]) -> dict[str, LayerInputs]:
    kept = {tensor.name for operator in in_float for tensor in operator.outputs}
    return {name: layer for name, layer in known.layers.items() if name not in kept}


@dataclass(frozen=True)
class RangeSource:
    """What the ranges of a file come from.

    Attributes:
        known: statistics of all runs, or of some.
        ranges: out of these very statistics.
    """

    known: Statistics
    ranges: ranges.Chooser

    @classmethod
    def of(cls, known: Statistics) -> RangeSource:
        """Statistics nobody has made ranges of yet."""
        return cls(known, ranges.Chooser(known.tensors))


def activation_ranges(
    weighed: Weighed, settings: Settings, source: RangeSource, judged: Sequence[str]
) -> dict[str, ranges.Range]:
    """(low, high) of every tensor by name; the arguments are those of `assemble`."""
    chosen = source.ranges.choose(settings.method, wide=settings.wide, largest=weighed.largest)
    if settings.tails:
        chosen |= _vector_ranges(weighed, source.known, chosen)
    ends = _end_ranges(weighed.model, source.known, judged)
    chosen |= {
        name: (low * settings.ends, high * settings.ends) for name, (low, high) in ends.items()
    }
    peaks = _peak_ranges(weighed.model, source.known, chosen, ends)
    chosen |= peaks
    _widen_before_moves(weighed.model, chosen, [*ends, *peaks])
    for name in [name for name in chosen if _is_unbounded(source.known, name)]:
        del chosen[name]  # what makes it and what reads it are float
    add_ranges.widen(weighed.model, chosen, weighed.in_float)
    return chosen


def _vector_ranges(
    weighed: Weighed, known: Statistics, chosen: Mapping[str, ranges.Range]
) -> dict[str, ranges.Range]:
    """Wider ranges of what has one number a channel; what has a largest value keeps its own."""
    vectors = [tensor for tensor in weighed.model.tensors if tensor.elements == tensor.channels]
    return {
        tensor.name: ranges.of_vector(chosen[tensor.name], known.tensors[tensor.name].sample)
        for tensor in vectors
        if tensor.name in chosen and tensor.name not in weighed.largest
    }


def _peak_ranges(
    model: Graph, known: Statistics, chosen: Mapping[str, ranges.Range], ends: Collection[str]
) -> dict[str, ranges.Range]:
    """Ranges of what a softmax within the network reads: of its largest nothing may be cut off.

    All its answers depend on by how much the largest is larger, such as the place of a heatmap's
    peak.
    """
    sources = {op.source.name for op in model.operators if op.name in _SOFTMAXES}
    return {
        name: (chosen[name][0], max(chosen[name][1], ranges.with_margin(known.tensors[name])[1]))
        for name in sorted(sources - set(ends))
        if name in chosen and name in known.tensors
    }


def _widen_before_moves(
    model: Graph, chosen: dict[str, ranges.Range], ends: Collection[str]
) -> None:
    """Give what becomes an end by moving alone the end's range: its kernel takes no other scale."""
    makers = model.by_output()
    for name in ends:
        moved, maker = name, makers.get(name)
        while maker is not None and _takes_its_scale(maker):
            source = kernels.data_inputs(maker)[0]
            if source.name not in chosen:
                break
            low, high = chosen[moved]
            own_low, own_high = chosen[source.name]
            chosen[source.name] = min(low, own_low), max(high, own_high)
            moved, maker = source.name, makers.get(source.name)


def _takes_its_scale(operator: Operator) -> bool:
    kernel = kernels.kernel_of(operator, 8)
    return kernel is not None and kernel.scale == "input"


def _is_unbounded(known: Statistics, name: str) -> bool:
    return name in known.tensors and known.tensors[name].is_unbounded


def assemble(
    weighed: Weighed, settings: Settings, source: RangeSource, judged: Sequence[str]
) -> Graph:
    """Lay a file out; its ends are integers where they can be.

    Args:
        weighed: left as it is.
        settings: of them those of the ranges; the others are in the weights already.
        source: what the ranges come from: of `weighed.known` all, or a part.
        judged: names of the tensors whose error counts.
    """
    return lay_out(weighed, activation_ranges(weighed, settings, source, judged))


def lay_out(weighed: Weighed, chosen: Mapping[str, ranges.Range]) -> Graph:
    """Likewise, with the ranges that are given: (low, high) of every tensor by name."""
    graph = weighed.model.copy()
    kept = {operator.output.name for operator in weighed.in_float}
    twins = [operator for name, operator in graph.by_output().items() if name in kept]
    layout.lay_out(graph, chosen, weighed.bits, twins, weighed.layers)
    relu_to_requantize.apply(graph, chosen)  # it may change scales, which the biases depend on
    hard_swish_to_product.apply(graph)
    write_layers(graph, weighed.layers)
    graph.drop_unused()
    return graph


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
