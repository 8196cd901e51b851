"""The int8 file that an export would write, as far as its structure goes.

An export decides by three kinds of rules what its file holds: by the graph alone (operators without
an integer kernel, normalizations written out); by what calibration saw of each tensor; and, of a
small network whose trained weights integers leave too inaccurate, by measuring files. Here the
exporter's own passes lay files out: by the first kind alone, by all three on the samples at hand,
and with all in float that the third may come to. Weights are rounded as they come: their size is
right, their numbers are nobody's.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from edgecnn.calibration.statistics import Statistics
from edgecnn.quantize import (
    affine,
    assembly,
    float_operators,
    kernels,
    measured,
    mixed,
    mixing,
    rounding,
)
from edgecnn.quantize.assembly import Decided, RangeSource, Settings
from edgecnn.quantize.choosing import Choice
from edgecnn.quantize.integer import FloatSource, IntegerModel
from edgecnn.quantize.mixed import Mixture
from edgecnn.quantize.passes import io_dtype, round_trips
from edgecnn.quantize.weights import QuantizedLayer, workers

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from numpy.typing import NDArray

    from edgecnn.formats.tflite_graph import Graph
    from edgecnn.quantize.assembly import Weighed
    from edgecnn.quantize.ranges import Range

    Ranges = dict[str, Range]

MEASURED = "integers alone may be too far off"
GIVEN_BACK = "int8 alone has {before_db:.1f} dB SNR on the samples: {layers} layers back to float32"
PROBABILITIES = "{count} SOFTMAX in float32: steps of 1/256 leave too little of its probabilities"
_BITS = 8
_APART, _STEPS = 4.0, 6  # ranges of joins, each so many times the one before; then again


@dataclass(frozen=True)
class Outline:
    """One file that an export may write.

    Attributes:
        graph: int8 where it can be; its weights are rounded as they come.
        float_ops: operators that compute on real numbers, name to count.
        reasons: which and why, a sentence a reason.
    """

    graph: Graph
    float_ops: dict[str, int]
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True)
class Samples:
    """What is known of a float file from samples.

    Attributes:
        known: what calibration saw, with the answers that are judged.
        feeds: the first of them, for every run an array for each input.
        threads: of one inference.
    """

    known: Statistics
    feeds: Sequence[Sequence[NDArray[Any]]]
    threads: int


@dataclass(frozen=True)
class Outlines:
    """The files that an export may write.

    Attributes:
        by_shape: float only what the graph alone decides, and no scale that calibration may part.
        expected: what calibration's numbers decide too; `by_shape` where there are none.
        apart: likewise, every scale that calibration may part from others parted.
        in_float: every layer in float; None where no export does that unasked.
    """

    by_shape: Outline
    expected: Outline
    apart: Outline
    in_float: Outline | None

    @property
    def every(self) -> tuple[Outline, ...]:
        """All of them."""
        possible = (self.by_shape, self.expected, self.apart, self.in_float)
        return tuple(outline for outline in possible if outline is not None)


def outlines(
    graph: Graph,
    samples: Samples | None,
    judged: Sequence[str],
    *,
    random: bool,
    may_mix: bool,
) -> Outlines:
    """Lay out what an export of a float model may come to.

    Args:
        graph: a float .tflite as recipes start from it; left as it is.
        samples: what calibration saw of it; None where nothing can be fed.
        judged: names of the tensors whose error counts.
        random: whether its weights are random: then its probabilities say nothing.
        may_mix: whether layers may be given back to float by measuring.

    Raises:
        InputError: the model has loops, branches or a state.
    """
    plain = _begun(graph, Statistics({}, {}, {}))
    by_shape = _outline(plain, _alike(plain), ())
    in_float = _outline(_all_float(plain), _alike(plain), ()) if may_mix else None
    if samples is None:
        return Outlines(by_shape, by_shape, _outline(plain, _parted(plain), ()), in_float)
    seen, coarse = _begun(graph, samples.known), () if random else _coarse(graph, samples.known)
    source = RangeSource.of(samples.known)
    ranges = assembly.activation_ranges(seen, Settings(), source, judged)
    expected = _outline(seen, ranges, coarse)
    if may_mix:
        expected = _given_back(graph, samples, (seen, ranges, coarse)) or expected
    return Outlines(by_shape, expected, _outline(seen, _parted(seen), coarse), in_float)


def _given_back(
    graph: Graph, samples: Samples, parts: tuple[Weighed, Ranges, Sequence[str]]
) -> Outline | None:
    """The file with layers in float whose integers are too far off; None where they are not.

    Found as `exporting.rescue` does, on samples that calibration saw: an export asks others too.
    """
    seen, ranges, coarse = parts
    known, real = samples.known, assembly.prepare(graph, samples.known)
    with workers(samples.threads) as pool:
        weighed = assembly.weigh(real, _BITS, pool).result()
    integers = assembly.lay_out(weighed, ranges)
    before_db = _snr_db(integers, samples, coarse)
    if before_db >= mixed.LEAST_DB:
        return None

    def finish(built: Graph) -> None:
        _finish(built, coarse)

    model = IntegerModel(
        integers,
        Choice(Settings()),
        Decided(weighed, ranges, {}),
        FloatSource(real.graph, known),
    )
    mixture = Mixture(
        model, samples.feeds, known.answers, float_ends=False, by_groups=True,
        threads=samples.threads, finish=finish,
    )  # fmt: skip
    best_db = mixture.snr_db(mixture.everything())
    wanted_db = min(mixed.WANTED_DB, best_db - mixed.WORTH_DB / 2)
    layers = mixture.cheapest(wanted_db) if best_db >= before_db + mixed.WORTH_DB else None
    if not layers:
        return None
    built = mixture.build(layers)
    finish(built)
    reason = GIVEN_BACK.format(before_db=before_db, layers=len(layers))
    reasons = (*float_operators.notes(seen.in_float), reason)
    return Outline(built, float_operators.in_graph(built), reasons)


def _snr_db(integers: Graph, samples: Samples, coarse: Sequence[str]) -> float:
    """Of the worst group of what is judged."""
    whole, reference = integers.copy(), samples.known.answers
    _finish(whole, coarse)
    answers = measured.answers(whole, samples.feeds, list(reference), threads=samples.threads)
    return measured.lowest_snr_db(reference, answers, by_groups=True)


def _begun(graph: Graph, known: Statistics) -> Weighed:
    """What stays float, and the weights of the rest rounded as they come."""
    weighed = assembly.begin(assembly.prepare(graph, replace(known, layers={})), _BITS)
    rounded: dict[str, QuantizedLayer] = {}
    for operator in weighed.model.operators:
        if operator.name in affine.CONVOLUTIONS and operator not in weighed.in_float:
            weights, bias = affine.known_weights(operator), affine.bias(operator)
            if weights is None or bias is None:
                continue
            axis = kernels.WEIGHTED[operator.name].axis
            integers, scale = rounding.nearest_along(weights, axis)
            rounded[operator.output.name] = QuantizedLayer(
                integers, scale, bias.astype(np.float64), axis
            )
    return replace(weighed, layers=rounded)


def _coarse(graph: Graph, known: Statistics) -> tuple[str, ...]:
    return mixing.Judge(graph, known.tensors, _BITS).coarse_probabilities()


def _alike(weighed: Weighed) -> Ranges:
    """One range for all tensors: nothing is brought from one scale to another."""
    return {tensor.name: (0.0, 1.0) for tensor in weighed.model.tensors if tensor.is_float}


def _parted(weighed: Weighed) -> Ranges:
    """Ranges so far apart where tensors are joined that no two joins share one."""
    ranges = _alike(weighed)
    joins = [
        operator
        for operator in weighed.model.operators
        if (kernel := kernels.kernel_of(operator, _BITS)) is not None and kernel.scale == "output"
    ]
    for place, operator in enumerate(joins):
        ranges[operator.output.name] = (0.0, _APART ** (1 + place % _STEPS))
    return ranges


def _all_float(weighed: Weighed) -> Weighed:
    layers = {
        operator: MEASURED
        for operator in weighed.model.operators
        if kernels.has_floats(operator) and operator.name not in kernels.CONVERSIONS
    }
    return replace(weighed, in_float=layers, layers={})


def _outline(weighed: Weighed, ranges: Ranges, coarse: Sequence[str]) -> Outline:
    """A file with these ranges; `coarse` outputs leave as float32."""
    graph = assembly.lay_out(weighed, ranges)
    leaving = _finish(graph, coarse)
    reasons = float_operators.notes(weighed.in_float)
    if leaving:
        reasons = (*reasons, PROBABILITIES.format(count=leaving))
    return Outline(graph, float_operators.in_graph(graph), reasons)


def _finish(graph: Graph, coarse: Sequence[str]) -> int:
    """Give it int8 ends, float32 ones to those that are `coarse`; returns how many of these."""
    leaving = [t.name for t in graph.outputs if not t.is_float and t.name in coarse]
    io_dtype.apply(graph, "int8", ends=dict.fromkeys(leaving, "float32"))
    round_trips.apply(graph)
    return len(leaving)
