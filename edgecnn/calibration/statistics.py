"""Activation statistics of a float .tflite: what its tensors look like on real inputs.

Every intermediate tensor is made an output of a copy of the graph, which then runs under XNNPACK
with threads; a fifth of the time a calibrating interpreter takes for the same numbers. Memory does
not grow with the number of runs: of each tensor the extremes are kept for each channel, and a
seeded sample of positions (all channels of a pixel together); of each convolution's input, how its
channels vary together. Extremes and sample are kept by parts of the runs, so that what some of the
runs alone would have told can be read out of one pass over all.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from edgecnn.calibration.arrays import LARGEST
from edgecnn.calibration.layer_inputs import Geometry, LayerAccumulator, LayerInputs
from edgecnn.errors import InputError
from edgecnn.progress import Progress, Silent

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from numpy.typing import NDArray

    from edgecnn.formats.tflite_graph import Graph, Operator, Tensor

    Array = NDArray[Any]

# Values kept of each tensor: enough for a 99.99th percentile, 105 of them are 55 MB (Xception).
_SAMPLED_VALUES = 1 << 17
_FEWEST_POSITIONS = 256
_MOST_POSITIONS = 4096
# Of few pictures more is looked at: ranges then come from some of the runs, and a tail that no
# sample holds is cut off. (8 pictures, SNR of the .tflite on unseen ones: twin of xception-mini
# 29.8 -> 36.6 dB, of xception 27.9 -> 27.0, a trained Xception 31.8 -> 32.9, vgg 33.1 -> 33.1.)
_SAMPLED_OF_FEW, _FEW_RUNS = 1 << 19, 32
_WEIGHTED = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
_LARGEST = float(np.float32(LARGEST))
_ROW = 4096  # values
# Parts that the runs are dealt out to: a fifth of them can be left out, or each in turn.
_MOST_PARTS = 20


@dataclass(frozen=True)
class TensorStatistics:
    """One tensor on the calibration inputs; a scalar has one channel.

    Attributes:
        lows: smallest value of each channel, float32 (parts, C), over every position of every run
            of a part.
        highs: largest likewise.
        sample: float32 (P, C), positions drawn at random, the same number from each run, the runs
            in their order.
    """

    lows: NDArray[np.float32]
    highs: NDArray[np.float32]
    sample: NDArray[np.float32]

    @property
    def low(self) -> NDArray[np.float32]:
        """Smallest value of each channel, (C,)."""
        smallest: NDArray[np.float32] = self.lows.min(axis=0)
        return smallest

    @property
    def high(self) -> NDArray[np.float32]:
        """Largest value of each channel, (C,)."""
        largest: NDArray[np.float32] = self.highs.max(axis=0)
        return largest

    @property
    def minimum(self) -> float:
        """Smallest value of all."""
        return float(self.lows.min())

    @property
    def maximum(self) -> float:
        """Largest value of all."""
        return float(self.highs.max())

    @property
    def is_unbounded(self) -> bool:
        """Whether it reaches what no integer file can hold: a mask's infinity."""
        return max(-self.minimum, self.maximum) >= _LARGEST

    @property
    def channels(self) -> int:
        """Size of the last axis."""
        return int(self.sample.shape[1])

    @property
    def power(self) -> NDArray[np.float64]:
        """Mean square of each channel, (C,)."""
        power: NDArray[np.float64] = np.square(self.sample, dtype=np.float64).mean(axis=0)
        return power

    @property
    def active(self) -> NDArray[np.float64]:
        """Share of positions where a channel is above zero, (C,)."""
        share: NDArray[np.float64] = (self.sample > 0).mean(axis=0)
        return share


@dataclass(frozen=True)
class Statistics:
    """All that calibration knows of a float model.

    Attributes:
        tensors: by tensor name, float32 inputs included, in the order of the file. Tensors without
            elements, and those whose size changes from run to run, have none.
        layers: by the name of a convolution's output.
        answers: by tensor name, what was asked for: the runs one behind the other along the first
            axis, (runs * b, ...); of scalars (runs,).
        parts: the part that each run belongs to, int64 (runs,).
    """

    tensors: dict[str, TensorStatistics]
    layers: dict[str, LayerInputs]
    answers: dict[str, Array]
    parts: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))

    def without(self, left_out: Sequence[int]) -> Statistics:
        """What the runs of the other parts alone tell of the tensors; of the layers, what all do.

        Args:
            left_out: numbers of parts; one at least stays.
        """
        kept = ~np.isin(np.arange(self.parts.max() + 1), left_out)
        runs = kept[self.parts]
        tensors = {name: _of_parts(known, kept, runs) for name, known in self.tensors.items()}
        return replace(self, tensors=tensors)


def views_joined(known: Statistics) -> Statistics:
    """What views tell counted to the parts of their samples; see `parts_of`.

    Args:
        known: as many parts of views as of samples, behind them.
    """
    tensors = {
        name: TensorStatistics(_halves(s.lows).min(axis=0), _halves(s.highs).max(axis=0), s.sample)
        for name, s in known.tensors.items()
    }
    return replace(known, tensors=tensors)


def _halves(extremes: NDArray[np.float32]) -> NDArray[np.float32]:
    return extremes.reshape(2, -1, extremes.shape[1])


def deal(runs: int, seed: int) -> NDArray[np.int64]:
    """The part that each run belongs to: neighbours, often of one kind, come into several."""
    shuffled: NDArray[np.int64] = np.random.default_rng((seed, 2)).permutation(runs)
    return shuffled % _MOST_PARTS


def parts_of(origin: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """As `deal`, where runs behind the first are views of them.

    The views of the samples of part p are part p + P, with P parts of samples: they can be left out
    with their samples, or all of them alone.

    Args:
        origin: of each run, the sample that it is, or is a view of; the samples come first.
        seed: of the parts.
    """
    samples = int(origin.max(initial=-1)) + 1
    dealt = deal(samples, seed)
    views = np.arange(len(origin)) >= samples
    return dealt[origin] + views * (int(dealt.max(initial=-1)) + 1)


def _of_parts(
    statistics: TensorStatistics, parts: NDArray[np.bool_], runs: NDArray[np.bool_]
) -> TensorStatistics:
    by_run = statistics.sample.reshape(len(runs), -1, statistics.channels)
    sample = by_run[runs].reshape(-1, statistics.channels)
    return TensorStatistics(statistics.lows[parts], statistics.highs[parts], sample)


def _reduced(function: np.ufunc, rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Smallest or largest of each channel, (C,), of (positions, C).

    numpy goes along one row at a time, and rows of a few channels are mostly overhead: several
    positions are taken for one long row first, for half the time (a tenth with 3 channels).
    """
    positions, channels = rows.shape
    together = min(max(1, _ROW // channels), positions)
    whole = positions // together * together
    wide = function.reduce(rows[:whole].reshape(-1, together * channels), axis=0)
    values = wide.reshape(together, channels)
    result: NDArray[np.float32] = function.reduce(values, axis=0)
    if whole < positions:
        function(result, function.reduce(rows[whole:], axis=0), out=result)
    return result


class Taps(Protocol):
    """A graph that gives chosen tensors."""

    def run_in_place(self, inputs: Sequence[Array]) -> list[Array]:
        """Run once; no view of what it gives may outlive the next run."""


@dataclass(frozen=True)
class Means:
    """How a graph is run.

    Attributes:
        tap: loads it so that it gives these tensors, with so many threads.
        geometry: where an operator's kernel looks; None where the file does not say.
    """

    tap: Callable[[Sequence[Tensor], int], Taps]
    geometry: Callable[[Operator], Geometry | None] = Geometry.of


def _litert(graph: Graph, tensors: Sequence[Tensor], threads: int) -> Taps:
    from edgecnn.runtime.litert import LiteRTSession

    return LiteRTSession(graph.tapped(tensors), threads=threads)


class _TensorAccumulator:
    def __init__(self, tensor: Tensor, parts: NDArray[np.int64], seed: tuple[int, int]) -> None:
        runs, extremes = len(parts), (int(parts.max(initial=0)) + 1, tensor.channels)
        self.parts, self.run = parts, 0
        self.random = np.random.default_rng(seed)
        self.channels, self.elements = tensor.channels, tensor.elements
        self.positions = self.elements // self.channels
        values = _SAMPLED_OF_FEW if runs <= _FEW_RUNS else _SAMPLED_VALUES
        positions = np.clip(values // self.channels, _FEWEST_POSITIONS, _MOST_POSITIONS)
        self.per_run = min(self.positions, -(-int(positions) // runs))
        self.lows = np.full(extremes, np.inf, np.float32)
        self.highs = np.full(extremes, -np.inf, np.float32)
        self.sample = np.empty((self.per_run * runs, self.channels), np.float32)
        self.changes_size = False

    def add(self, values: NDArray[np.float32]) -> None:
        if values.size != self.elements:
            self.changes_size = True
        if self.changes_size:
            return
        rows = values.reshape(self.positions, self.channels)
        low, high = self.lows[self.parts[self.run]], self.highs[self.parts[self.run]]
        np.minimum(low, _reduced(np.minimum, rows), out=low)
        np.maximum(high, _reduced(np.maximum, rows), out=high)
        picked = self.random.choice(self.positions, self.per_run, replace=False, shuffle=False)
        self.sample[self.run * self.per_run : (self.run + 1) * self.per_run] = rows[picked]
        self.run += 1

    def result(self) -> TensorStatistics:
        """What was seen; beyond `LARGEST` it is cut off, so that squares stay finite."""
        sample = self.sample[: self.run * self.per_run]
        low, high = -_LARGEST, _LARGEST
        for values in (self.lows, self.highs, sample):
            np.clip(values, low, high, out=values)
        return TensorStatistics(self.lows, self.highs, sample)


def collect(  # noqa: PLR0913 - one call does it all
    graph: Graph,
    feeds: Iterable[Sequence[Array]],
    *,
    answers: Sequence[str],
    runs: int,
    threads: int,
    seed: int = 0,
    origin: NDArray[np.int64] | None = None,
    progress: Progress | None = None,
    means: Means | None = None,
) -> Statistics:
    """Run the float model on every feed and describe each of its float32 tensors.

    Args:
        graph: a float .tflite; left as it is.
        feeds: `runs` of them, each with an array for every input, of its shape and dtype.
        answers: names of the tensors, of any dtype, whose values are kept for every run.
        runs: how many there are.
        threads: for the interpreter.
        seed: of the positions that are sampled.
        origin: of each run, the run it is a view of, or its own number. Views have parts of their
            own, see `parts_of`.
        progress: advanced by one for each run.
        means: how the graph is run, where it is no .tflite that LiteRT runs.

    Raises:
        InputError: a tensor is NaN, so no range can be told; or an end reaches what no integer
            file can hold. Inside the network that may be (`TensorStatistics.is_unbounded`).
    """
    from threadpoolctl import threadpool_limits

    how = means or Means(partial(_litert, graph))
    places = {tensor: place for place, tensor in enumerate(graph.tensors)}
    computed = {tensor for operator in graph.operators for tensor in operator.outputs}
    watched = [tensor for tensor in graph.tensors if tensor in computed and _is_described(tensor)]
    entries = [tensor for tensor in graph.inputs if _is_described(tensor)]
    ends = [graph[name] for name in dict.fromkeys(answers)]
    unwatched = computed.difference(watched)
    tapped = [*watched, *(tensor for tensor in ends if tensor in unwatched)]
    constants = {tensor: tensor.data for tensor in ends if tensor.data is not None}
    session = how.tap(tapped, threads)
    parts = deal(runs, seed) if origin is None else parts_of(origin, seed)
    tensors = {t: _TensorAccumulator(t, parts, (seed, places[t])) for t in (*entries, *watched)}
    layers = _layer_accumulators(graph, tensors, runs, seed, places, how.geometry)
    kept: dict[str, list[Array]] = {tensor.name: [] for tensor in ends}
    # Between two products OpenBLAS's own threads wait spinning, which costs XNNPACK a third of its
    # speed; the pool keeps all cores busy without them.
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(threads) as pool:
        for feed in feeds:
            values = dict(zip(graph.inputs, feed, strict=True))
            values.update(zip(tapped, session.run_in_place(feed), strict=True))
            values.update(constants)
            for tensor in ends:
                kept[tensor.name].append(np.array(values[tensor]))
            _add_run(values, tensors, layers, pool)
            del values  # no view may outlive its inference
            (progress or Silent()).advance()
    result = {t.name: a.result() for t, a in tensors.items() if not a.changes_size}
    _refuse_unusable(result, {tensor.name for tensor in (*graph.inputs, *graph.outputs)})
    known = {out.name: layer.result() for out, (_, layer) in layers.items() if not layer.is_empty}
    joint = {name: joined(arrays) for name, arrays in kept.items()}
    return Statistics(result, known, joint, parts)


def _is_described(tensor: Tensor) -> bool:
    return tensor.is_float and tensor.elements > 0


def joined(arrays: Sequence[Array]) -> Array:
    """What a tensor gave in several runs, one behind the other along the first axis."""
    return np.concatenate(arrays) if arrays[0].ndim else np.stack(arrays)


def _add_run(
    values: dict[Tensor, Array],
    tensors: dict[Tensor, _TensorAccumulator],
    layers: dict[Tensor, tuple[Tensor, LayerAccumulator]],
    pool: ThreadPoolExecutor,
) -> None:
    """Take in one run.

    numpy lets go of the interpreter lock in all of this, and every accumulator draws from a
    generator of its own, so threads change the time and not the result.
    """
    work = [
        *(pool.submit(_take, a.add, [values[t]]) for t, a in tensors.items()),
        *(
            pool.submit(_take, a.add, [values[t]])
            for t, a in layers.values()
            if values[t].size == t.elements
        ),
    ]
    for done in work:
        done.result()


def _take(add: Callable[[Array], None], holder: list[Array]) -> None:
    """Hand over the one array of a list, so that the pool is not left holding it.

    A worker lets go of its task's arguments only some time after the result is there; LiteRT
    refuses to run on while an array still looks into its memory.
    """
    add(holder.pop())


def _layer_accumulators(
    graph: Graph,
    tensors: dict[Tensor, _TensorAccumulator],
    runs: int,
    seed: int,
    places: dict[Tensor, int],
    geometry_of: Callable[[Operator], Geometry | None],
) -> dict[Tensor, tuple[Tensor, LayerAccumulator]]:
    """By output tensor: the tensor a convolution reads, and what gathers its inputs."""
    accumulators = {}
    for operator in graph.operators:
        if operator.name not in _WEIGHTED or operator.source not in tensors:
            continue
        geometry = geometry_of(operator)
        if geometry is not None:
            depthwise = operator.name == "DEPTHWISE_CONV_2D"
            accumulators[operator.output] = (
                operator.source,
                LayerAccumulator(
                    geometry,
                    _features(operator),
                    depthwise=depthwise,
                    images=runs,
                    seed=(seed, 1, places[operator.source]),
                ),
            )
    return accumulators


def _features(operator: Operator) -> int:
    read = operator.input(1) if operator.name == "FULLY_CONNECTED" else operator.source
    return operator.source.channels if read is None else read.channels


def _refuse_unusable(result: dict[str, TensorStatistics], ends: Collection[str]) -> None:
    for name, statistics in result.items():
        problem = ""
        if not (np.isfinite(statistics.lows).all() and np.isfinite(statistics.highs).all()):
            problem = "are not finite on the calibration inputs"
        elif statistics.is_unbounded and name in ends:
            problem = f"reach {LARGEST:.0e} or more, which no integer file can hold"
        if problem:
            raise InputError(
                f"The values of '{name}' {problem}.",
                hint="Check the weights for NaN, and that the inputs are scaled as the model"
                " expects; --float32 can be had.",
            )
