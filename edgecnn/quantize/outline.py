"""The int8 file that an export would write, as far as its structure goes.

An export decides by three kinds of rules what its file holds: by the graph alone (operators without
an integer kernel, normalizations written out); by what calibration saw of each tensor; and, of a
network that its trained weights leave too inaccurate in integers, by measuring files. Here the
exporter's own passes lay files out under the first kind, under the first two, and under all that
the third may come to. Weights are rounded as they come: their size is right, their numbers are
nobody's.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from edgecnn.calibration.statistics import Statistics
from edgecnn.quantize import affine, assembly, float_operators, kernels, mixing, rounding
from edgecnn.quantize.assembly import RangeSource, Settings
from edgecnn.quantize.passes import io_dtype, round_trips
from edgecnn.quantize.weights import QuantizedLayer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgecnn.formats.tflite_graph import Graph
    from edgecnn.quantize.assembly import Weighed

MEASURED = "integers alone may be too far off"
MOST_MIXED_MACS = 100_000_000
"""Of a network with more, layers are given back to float by --min-snr alone."""
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
    known: Statistics | None,
    judged: Sequence[str],
    *,
    random: bool,
    may_mix: bool,
) -> Outlines:
    """Lay out what an export of a float model may come to.

    Args:
        graph: a float .tflite as recipes start from it; left as it is.
        known: what calibration saw of it; None where nothing can be fed.
        judged: names of the tensors whose error counts.
        random: whether its weights are random: then its probabilities say nothing.
        may_mix: whether layers may be given back to float by measuring.

    Raises:
        InputError: the model has loops, branches or a state.
    """
    nothing = Statistics({}, {}, {})
    plain = _begun(graph, nothing)
    seen = plain if known is None else _begun(graph, known)
    coarse = () if random else _coarse(graph, known)
    by_shape = _outline(plain, _alike(plain), ())
    expected = by_shape
    if known is not None:
        ranges = assembly.activation_ranges(seen, Settings(), RangeSource.of(known), judged)
        expected = _outline(seen, ranges, coarse)
    return Outlines(
        by_shape,
        expected,
        _outline(seen, _parted(seen), coarse),
        _outline(_all_float(plain), _alike(plain), ()) if may_mix else None,
    )


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


def _coarse(graph: Graph, known: Statistics | None) -> tuple[str, ...]:
    if known is None:
        return ()
    return mixing.Judge(graph, known.tensors, _BITS).coarse_probabilities()


def _alike(weighed: Weighed) -> dict[str, tuple[float, float]]:
    """One range for all tensors: nothing is brought from one scale to another."""
    return {tensor.name: (0.0, 1.0) for tensor in weighed.model.tensors if tensor.is_float}


def _parted(weighed: Weighed) -> dict[str, tuple[float, float]]:
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


def _outline(
    weighed: Weighed, ranges: dict[str, tuple[float, float]], coarse: Sequence[str]
) -> Outline:
    """A file with these ranges; `coarse` outputs leave as float32."""
    graph = assembly.lay_out(weighed, ranges)
    integers = {tensor.name for tensor in graph.outputs if not tensor.is_float}
    io_dtype.apply(graph, "int8", ends={n: "float32" for n in coarse if n in integers})
    round_trips.apply(graph)
    reasons = float_operators.notes(weighed.in_float)
    if leaving := len(integers.intersection(coarse)):
        reasons = (*reasons, PROBABILITIES.format(count=leaving))
    return Outline(graph, float_operators.in_graph(graph), reasons)
