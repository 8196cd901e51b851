"""From a float .tflite and calibration to an integer one: int8, or int16 activations.

Choose what stays float, round the weights with the bias corrected, choose the activations' ranges,
lay the graph out, put our weights in, then make the graph one that XNNPACK takes whole
(`assembly`); which of several ways that is done in is decided by measuring (`choosing`). Nothing
here runs TensorFlow.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from edgecnn.progress import Progress, Silent
from edgecnn.quantize import assembly, float_operators
from edgecnn.quantize.assembly import Decided, RangeSource, Settings
from edgecnn.quantize.choosing import MOST_IMAGES, Choice, Search, Trial
from edgecnn.quantize.weights import workers

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any, Literal

    from numpy.typing import NDArray

    from edgecnn.calibration.statistics import Statistics
    from edgecnn.formats.tflite_graph import Graph
    from edgecnn.quantize.assembly import Prepared, Weighed

AUTO = "auto"
_CANDIDATES = ("mse", "minmax")
_INT8_BITS = 8
_LEAST_PREDICTED_DB = 1.0


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
        choice: how it was quantized, and what else was tried.
        decided: its numbers, for another format of the same network.
        source: what it was laid out from, where that was asked for.
        float_ops: operators that compute on real numbers, name to count.
        float_notes: which and why, a sentence a reason.
    """

    graph: Graph
    choice: Choice
    decided: Decided
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
        return (*self.choice.notes, *self.float_notes)


def quantize(  # noqa: PLR0913 - all but one have defaults
    graph: Graph,
    statistics: Statistics,
    *,
    judged: Sequence[str],
    activation_bits: int,
    method: str = AUTO,
    trial: Iterable[Sequence[NDArray[Any]]] = (),
    samples: int | None = None,
    images: int = MOST_IMAGES,
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
        method: minmax, percentile, mse, or auto, which measures minmax and mse.
        trial: every input that the statistics saw, in their order, for every run an array for each
            input of the graph; with them 8-bit settings are chosen by measuring. None: nothing is.
        samples: the first so many of them are samples, those behind are views of samples, on which
            nothing is measured: they are harder than what will come.
        images: of the samples so many at most are measured on.
        threads: for rounding and measuring.
        with_source: keep the float model too, for layers that are to be given back to float.
        judge: False to leave float only what has no integer kernel.
        progress: told of each convolution.

    Raises:
        InputError: the model has loops, branches or a state.
    """
    with workers(threads) as pool:
        plain = assembly.prepare(graph, statistics)
        watcher = progress or Silent()
        if activation_bits == _INT8_BITS:
            measuring = Trial(
                statistics, trial, judged, threads=threads, samples=samples, most=images
            )
            search = Search(plain, measuring, judged, judge=judge, pool=pool, progress=watcher)
            prepared, weighed, choice = _by_measuring(search, measuring, method)
        else:
            prepared = _as_predicted(plain, judged)
            weighed = assembly.weigh(prepared, activation_bits, pool, judge=judge).result(watcher)
            # 16 bits have levels to spare, and nothing is worth cutting off.
            ranges = "minmax" if method == AUTO else method
            choice = Choice(Settings(ranges, equalized=prepared is not plain))
        return _assembled(prepared, weighed, choice, judged, with_source=with_source)


def _by_measuring(search: Search, trial: Trial, method: str) -> tuple[Prepared, Weighed, Choice]:
    choice = search.run(_CANDIDATES if method == AUTO else (method,))
    weighed = search.weighed(choice.settings)
    weighed = replace(weighed, known=trial.whole(weighed.known, choice.settings))
    return search.prepared(choice.settings), weighed, choice


def _as_predicted(plain: Prepared, judged: Sequence[str]) -> Prepared:
    """Equalized where that is predicted to gain.

    With 16-bit activations: their kernels are too slow to try them on images.
    """
    scaled = assembly.equalized(plain, plain.known, judged)
    return scaled if scaled.gain_db >= _LEAST_PREDICTED_DB else plain


def _assembled(
    prepared: Prepared,
    weighed: Weighed,
    choice: Choice,
    judged: Sequence[str],
    *,
    with_source: bool,
) -> IntegerModel:
    source = FloatSource(prepared.graph, prepared.known) if with_source else None
    range_source = RangeSource.of(weighed.known)
    ranges = assembly.activation_ranges(weighed, choice.settings, range_source, judged)
    return IntegerModel(
        assembly.assemble(weighed, choice.settings, range_source, judged),
        choice,
        Decided(weighed, ranges, prepared.scale),
        source,
        float_operators.counts(weighed.in_float),
        float_operators.notes(weighed.in_float),
    )
