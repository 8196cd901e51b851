"""Activation ranges of a float ONNX graph, measured in one streaming pass of bounded memory.

onnxruntime's own calibrator keeps every intermediate tensor of every image. Here each image's
tensors are reduced at once: exact extremes, and a histogram of an evenly spaced part of the values.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

import numpy as np

from edgecnn.calibration.arrays import LARGEST
from edgecnn.errors import InputError
from edgecnn.formats.onnx_graph import is_float, name_of, sole_reader, tensors_of, to_proto
from edgecnn.progress import Progress, Silent
from edgecnn.quantize import ranges

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import onnx_ir as ir
    from numpy.typing import NDArray

    Feed: TypeAlias = NDArray[Any] | Sequence[NDArray[Any]]

Method = Literal["minmax", "percentile", "mse"]
Ranges = dict[str, tuple[float, float]]

METHODS: tuple[Method, ...] = ("minmax", "percentile", "mse")
LEVELS = 256
# Half of them lie on the side of a ReLU's values, and doubling the span may leave a quarter in use:
# still four bins for each int8 step.
_BINS = 8192
_VALUES_PER_IMAGE = 1 << 16
_PERCENTILE = 99.99
_CANDIDATES = 160
# What is cut off is large, one-sided and adds up through the layers, rounding is small and averages
# out. SNR of the logits, trained nets on unseen images, for weights 1, 4, 16, 64 and min/max:
# xception-mini 22.3, 27.4, 31.3, 32.6 and 27.5 dB; vgg 46.9, 47.9, 48.9, 49.3 and 49.5 dB.
_CLIPPING_WEIGHT = 32.0
_SHARES = 32  # of a run's tensors, for the threads: many, since some take longer than others
_TIGHTEST = 0.2  # of the measured extreme: tighter ranges never won on any net measured
# What moves, selects or saturates values: whatever it makes of a tensor nobody else reads is all of
# that tensor that matters, so the tensor takes the range of the result. A range of its own would
# clip what a MaxPool then selects, or spend levels on what a ReLU then drops. Not so a Concat: its
# inputs may be far smaller than its result, so each keeps its own range, less what the result drops
# (on a trained xception-mini: 28 dB against 11 with one range for all).
PASSING = {
    "Clip", "Flatten", "Identity", "MaxPool", "Relu", "Reshape", "Slice", "Squeeze", "Transpose",
    "Unsqueeze",
}  # fmt: skip


class Session(Protocol):
    """The part of onnxruntime.InferenceSession that is used here."""

    def run(
        self, names: Sequence[str] | None, feed: dict[str, NDArray[Any]]
    ) -> list[NDArray[np.float32]]:
        """Outputs of one inference."""


class Histogram:
    """Streaming statistics of one tensor: extremes of all values, a histogram of some.

    The histogram spans -limit..limit; when a value lies outside, the limit doubles and pairs of
    bins merge, so nothing is seen twice. Exact zeros, which every quantization represents exactly,
    are left out of the bins.
    """

    def __init__(self) -> None:

        self.lows: list[float] = []
        self.highs: list[float] = []
        self.is_nan = False
        self.is_bounded = True
        self.limit = 0.0
        self.counts = np.zeros(_BINS, dtype=np.int64)

    def add(self, values: NDArray[np.float32]) -> None:
        """Take one image's values of the tensor, any shape."""
        flat = values.reshape(-1)
        low, high = float(flat.min()), float(flat.max())
        if np.isnan(low):  # as any among the values makes it
            self.is_nan = True
        if np.isnan(low) or max(-low, high) >= LARGEST:
            self.is_bounded = False
            return
        self.lows.append(low)
        self.highs.append(high)
        self._reach(max(-low, high))
        stride = -(-flat.size // _VALUES_PER_IMAGE)
        # An odd stride visits every channel and column, whose number is even as a rule.
        some = flat[:: stride | 1].astype(np.float64)
        some = some[some != 0.0]
        if some.size:
            bins = ((some + self.limit) * (_BINS / (2 * self.limit))).astype(np.int64)
            self.counts += np.bincount(np.minimum(bins, _BINS - 1), minlength=_BINS)

    @property
    def low(self) -> float:
        """Smallest value of all; infinite of none."""
        return min(self.lows, default=np.inf)

    @property
    def high(self) -> float:
        """Largest value of all; minus infinity of none."""
        return max(self.highs, default=-np.inf)

    def extremes(self, parts: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Smallest and largest value of each part of the images, (parts,) both.

        Args:
            parts: the part that each belongs to, (images,).
        """
        lows = np.full(int(parts.max()) + 1, np.inf)
        highs = np.full(len(lows), -np.inf)
        np.minimum.at(lows, parts, self.lows)
        np.maximum.at(highs, parts, self.highs)
        kept = np.isfinite(lows)
        return lows[kept], highs[kept]

    def _reach(self, extreme: float) -> None:

        if not self.limit and extreme > 0:
            self.limit = extreme
        while extreme > self.limit:
            half = _BINS // 4
            inner = self.counts.reshape(-1, 2).sum(axis=1)
            self.counts = np.concatenate(
                [np.zeros(half, np.int64), inner, np.zeros(half, np.int64)]
            )
            self.limit *= 2

    @property
    def centers(self) -> NDArray[np.float64]:
        """The middle of each bin."""
        return np.linspace(-self.limit, self.limit, _BINS, endpoint=False) + self.limit / _BINS


def minmax_range(histogram: Histogram) -> tuple[float, float]:
    """The extremes, zero included."""
    return min(histogram.low, 0.0), max(histogram.high, 0.0)


def percentile_range(histogram: Histogram) -> tuple[float, float]:
    """The range that leaves out 0.01% of the values that are not zero, within the extremes."""
    low, high = minmax_range(histogram)
    seen = np.cumsum(histogram.counts)
    if not seen[-1]:
        return low, high
    tail = seen[-1] * (1 - _PERCENTILE / 100) / 2
    below, above = np.searchsorted(seen, [tail, seen[-1] - tail])
    centers = histogram.centers
    return max(low, min(centers[below], 0.0)), min(high, max(centers[above], 0.0))


def mse_range(
    histogram: Histogram, clipping_weight: float = _CLIPPING_WEIGHT
) -> tuple[float, float]:
    """The range whose 256 levels represent the values with the least squared error.

    A value inside costs step^2 / 12 (uniform rounding noise), one outside its distance squared
    times `clipping_weight`. Searched over a grid of shrunken extremes, both ends together.
    """
    low, high = minmax_range(histogram)
    used = np.flatnonzero(histogram.counts)
    if not used.size:
        return low, high
    counts, values = histogram.counts[used].astype(np.float64), histogram.centers[used]
    fractions = np.linspace(_TIGHTEST, 1.0, _CANDIDATES)
    lows = low * fractions if low < 0 else np.zeros(1)
    highs = high * fractions if high > 0 else np.zeros(1)
    cut_low, inside_low = _cost_beyond(-values[::-1], counts[::-1], -lows)
    cut_high, inside_high = _cost_beyond(values, counts, highs)
    inside = inside_low[:, None] + inside_high[None, :] - counts.sum()
    step = (highs[None, :] - lows[:, None]) / (LEVELS - 1)
    cost = clipping_weight * (cut_low[:, None] + cut_high[None, :]) + inside * step**2 / 12
    best_low, best_high = np.unravel_index(int(cost.argmin()), cost.shape)
    return float(lows[best_low]), float(highs[best_high])


def _cost_beyond(
    values: NDArray[np.float64], counts: NDArray[np.float64], limits: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """For each limit: the squared distance of all values above it, and the number not above it."""
    first = np.searchsorted(values, limits, side="right")
    moments = [np.append(np.cumsum((counts * values**k)[::-1])[::-1], 0.0)[first] for k in range(3)]
    above, linear, square = moments
    return square - 2 * limits * linear + limits**2 * above, counts.sum() - above


_CHOICE = {"minmax": minmax_range, "percentile": percentile_range, "mse": mse_range}


def inherit(graph: ir.Graph, ranges: Mapping[str, tuple[float, float]]) -> Ranges:
    """The ranges, and for each tensor that one passing operator alone reads, the result's range."""
    every = dict(ranges)
    for node in reversed(graph):
        result = every.get(name_of(node.outputs[0]))
        if result is None:
            continue
        alone = [name_of(v) for v in node.inputs if v is not None and sole_reader(v) is node]
        if node.op_type in PASSING and name_of(node.inputs[0]) in alone:
            every[name_of(node.inputs[0])] = result
        elif node.op_type == "Concat":
            for name in every.keys() & alone:
                low, high = every[name]
                every[name] = max(low, result[0]), min(high, result[1])
    return every


def choose(
    histogram: Histogram, method: Method, parts: NDArray[np.int64] | None = None
) -> tuple[float, float]:
    """The range that `method` makes of what was seen; low <= 0 <= high.

    Args:
        histogram: of the tensor.
        method: how.
        parts: the part that each image belongs to: the range is stretched as other images may reach
            beyond these (`ranges.stretched`). None: it is not.
    """
    limits = _CHOICE[method](histogram)
    return limits if parts is None else ranges.stretched(limits, *histogram.extremes(parts))


def watched_tensors(graph: ir.Graph) -> list[str]:
    """The tensors whose ranges must be measured: those that inherit none."""
    names = [name_of(value) for value in tensors_of(graph)]
    own = {name: (-float(number), float(number)) for number, name in enumerate(names)}
    inherited = inherit(graph, own)
    return [name for name in names if inherited[name] == own[name]]


class Watcher(Protocol):
    """Takes the values of one tensor, run by run."""

    def add(self, values: NDArray[Any]) -> None:
        """Take one run's values."""


def measure(
    model: ir.Model,
    feeds: Iterable[Feed],
    *,
    method: Method = "mse",
    parts: NDArray[np.int64] | None = None,
    known: Mapping[str, tuple[float, float]] | None = None,
    threads: int = 0,
    progress: Progress | None = None,
    watchers: Mapping[str, Sequence[Watcher]] | None = None,
) -> Ranges:
    """Run the float model on every sample and choose a range for each tensor.

    Args:
        model: float, canonical (shapes inferred).
        feeds: for each run one array for every input, in order, of the input's shape and dtype; an
            array alone stands for the only input. Read once, one at a time.
        method: `minmax`, `percentile` (99.99) or `mse`.
        parts: for ranges that are stretched, the part that each run belongs to.
        known: ranges by tensor name that are not to be measured.
        threads: for onnxruntime and for the statistics; 0 takes all cores.
        progress: advanced by one for each run.
        watchers: by tensor name: are given each run's values as well.

    Returns:
        (low, high) by tensor name, low <= 0 <= high. What reaches a mask's infinity has none.

    Raises:
        InputError: no feeds, a feed that does not fit, or a tensor that is NaN.
    """
    from threadpoolctl import threadpool_limits

    graph = model.graph
    floats = {name_of(value) for value in tensors_of(graph) if is_float(value)}
    own = [name for name in watched_tensors(graph) if name in floats]
    taken = {name: (known or {})[name] for name in own if name in (known or {})}
    histograms = {name: Histogram() for name in own if name not in taken}
    others = {name: some for name, some in (watchers or {}).items() if name in floats}
    inputs = [name_of(value) for value in graph.inputs]
    computed = [n for n in dict.fromkeys((*histograms, *others)) if n not in inputs]
    session = _session(model, computed, threads)
    every = [*histograms.items(), *((name, w) for name, some in others.items() for w in some)]
    runs = 0
    # Each watcher sees the runs in their order, so threads change the time and not the result.
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(threads or None) as pool:
        for feed in feeds:
            values = _named(inputs, feed)
            values.update(zip(computed, _run(session, computed, values), strict=True))
            for done in [pool.submit(_add, values, every[n::_SHARES]) for n in range(_SHARES)]:
                done.result()
            runs += 1
            (progress or Silent()).advance()
    _refuse_unusable(histograms, runs)
    chosen = {
        name: choose(seen, method, parts)
        for name, seen in histograms.items()
        if seen.is_bounded and seen.lows
    }
    return inherit(graph, {**taken, **chosen})


def _add(values: Mapping[str, NDArray[Any]], some: Sequence[tuple[str, Watcher]]) -> None:
    for name, watcher in some:
        if values[name].size:  # an empty past of an attention has nothing to see
            watcher.add(values[name])


def _named(inputs: list[str], feed: Feed) -> dict[str, NDArray[Any]]:
    arrays = [feed] if isinstance(feed, np.ndarray) else list(feed)
    if len(arrays) != len(inputs):
        raise InputError(
            f"A calibration sample has {len(arrays)} arrays; the model has {len(inputs)} inputs:"
            f" {', '.join(inputs)}."
        )
    return dict(zip(inputs, arrays, strict=True))


def _session(model: ir.Model, outputs: list[str], threads: int) -> Session:
    import onnxruntime
    from onnx import TensorProto, helper

    tapped = to_proto(model)
    del tapped.graph.output[:]
    for name in outputs:
        tapped.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    session: Session = onnxruntime.InferenceSession(
        tapped.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return session


def _run(
    session: Session, names: list[str], feed: dict[str, NDArray[Any]]
) -> list[NDArray[np.float32]]:
    from onnxruntime.capi.onnxruntime_pybind11_state import InvalidArgument

    try:
        return session.run(names, feed)
    except InvalidArgument as error:
        shapes = ", ".join(f"{a.shape} {a.dtype}" for a in feed.values())
        raise InputError(
            f"A calibration array of shape {shapes} does not fit the model's input: {error}"
        ) from error


def _refuse_unusable(histograms: dict[str, Histogram], images: int) -> None:

    if not images:
        raise InputError("No calibration images.", hint="Give at least one; 100 is usual.")
    for name, histogram in histograms.items():
        if histogram.is_nan:
            raise InputError(
                f"The activations of '{name}' are not finite on the calibration images.",
                hint="Check the weights for NaN, and that images are scaled as the model expects.",
            )
