"""The two files of a diagnosis, as everything behind sees them: graphs, pairs, and how they run.

What differs between formats ends here. A graph has a .tflite's words and its channels last; `feeds`
are what the files take, in their layouts; the values that taps give are as the graphs have them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from edgecnn import files, layouts, parity
from edgecnn.calibration.statistics import Means
from edgecnn.diagnosing.matching import match
from edgecnn.errors import InputError
from edgecnn.formats import tflite_logits
from edgecnn.formats.tflite_graph import Graph

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from edgecnn.calibration.sampleset import SampleSet
    from edgecnn.calibration.statistics import Statistics
    from edgecnn.diagnosing.ends import Ends
    from edgecnn.diagnosing.matching import Pair
    from edgecnn.formats.tflite_graph import Tensor
    from edgecnn.records import Preprocessing

    Array = NDArray[Any]

OTHER_NETWORK = "Name the float file it was made from: --against FILE."


class Sides(Protocol):
    """Both files.

    Attributes:
        quantized: the quantized file's graph.
        real: the float file's.
        pairs: how their tensors pair up.
        skipped: how many operators have no counterpart.
        judged: names of the float tensors whose error counts: logits, else outputs.
        quantized_means: how the quantized file is run; its taps are fed real numbers, and give
            tensors as they are stored.
        real_means: how the float file is run.
    """

    quantized: Graph
    real: Graph
    pairs: list[Pair]
    skipped: int
    judged: tuple[str, ...]
    quantized_means: Means
    real_means: Means

    def fed(self, feed: Sequence[Array]) -> tuple[Array, ...]:
        """What the files take, as the graphs' inputs are laid out."""

    def answers(
        self, known: Statistics, samples: SampleSet, preprocessing: Preprocessing, threads: int
    ) -> parity.Answers:
        """What the float file gives, in the source's layouts."""


class TfliteSides:
    """Two .tflite files.

    Args:
        quantized: path of the quantized one.
        real: the float one's bytes.
        ends: of both.

    Raises:
        InputError: they are not of one network.
    """

    def __init__(self, quantized: str, real: bytes, ends: Ends) -> None:
        self._real_data, self._ends = real, ends
        self.quantized, self.real = Graph.read(files.read_bytes(quantized)), Graph.read(real)
        check_ends(quantized, Counts.of(self.quantized), Counts.of(self.real))
        self.pairs, self.skipped = match(self.quantized, self.real)
        check_pairs(quantized, len(self.pairs), self.skipped)
        self.judged = tuple(self.real.tensors[end.tensor].name for end in tflite_logits.find(real))
        self.quantized_means, self.real_means = (
            Means(partial(_Quantizing, graph)) for graph in (self.quantized, self.real)
        )

    def fed(self, feed: Sequence[Array]) -> tuple[Array, ...]:
        """The same."""
        return tuple(feed)

    def answers(
        self, known: Statistics, samples: SampleSet, _scaling: Preprocessing, _threads: int
    ) -> parity.Answers:
        """What it gave while its statistics were collected."""
        ends = self._ends
        outputs = tuple(
            layouts.convert(known.answers[tensor.name], there, end.layout)
            for tensor, there, end in zip(
                self.real.outputs, ends.layouts.outputs, ends.outputs, strict=True
            )
        )
        logits = tuple(
            known.answers[self.real.tensors[end.tensor].name] if end.has_softmax else None
            for end in tflite_logits.find(self._real_data)
        )
        return parity.Answers(outputs, logits, samples.samples)


class _Quantizing:
    """A .tflite that gives chosen tensors, and is fed real numbers."""

    def __init__(self, graph: Graph, tensors: Sequence[Tensor], threads: int) -> None:
        from edgecnn.runtime.litert import LiteRTSession

        self._session = LiteRTSession(graph.tapped(tensors), threads)

    def run_in_place(self, inputs: Sequence[Array]) -> list[Array]:
        """Run once; views of the interpreter's memory."""
        from edgecnn.runtime.session import quantize_input

        pairs = zip(inputs, self._session.inputs, strict=True)
        return self._session.run_in_place([quantize_input(values, info) for values, info in pairs])


def open_sides(quantized: str, real: bytes | Path, ends: Ends) -> Sides:
    """Both files: an .onnx where the float one is named by its path, else .tflite.

    Raises:
        InputError: a file is damaged, or they are not of one network.
    """
    if isinstance(real, bytes):
        return TfliteSides(quantized, real, ends)
    from edgecnn.diagnosing.onnx_sides import OnnxSides

    return OnnxSides(quantized, real, ends)


@dataclass(frozen=True)
class Counts:
    """What a file takes, and how much it gives."""

    shapes: tuple[tuple[int, ...], ...]
    outputs: int

    @classmethod
    def of(cls, graph: Graph) -> Counts:
        """Of a .tflite."""
        return cls(tuple(tensor.shape for tensor in graph.inputs), len(graph.outputs))


def check_ends(quantized: str, ours: Counts, theirs: Counts) -> None:
    """Refuse files that take or give different things.

    Raises:
        InputError: they do.
    """
    if ours != theirs:
        raise InputError(
            f"{quantized} takes {_listed(ours.shapes)} and gives {ours.outputs} outputs, its float"
            f" file takes {_listed(theirs.shapes)} and gives {theirs.outputs}.",
            hint=OTHER_NETWORK,
        )


def check_pairs(quantized: str, pairs: int, skipped: int) -> None:
    """Refuse files of which most tensors do not pair up.

    Raises:
        InputError: they do not.
    """
    if pairs <= skipped:
        raise InputError(
            f"Most tensors of {quantized} have no counterpart in the float file"
            f" ({skipped} of {pairs + skipped}): they are not of one network.",
            hint=OTHER_NETWORK,
        )


def _listed(shapes: Sequence[tuple[int, ...]]) -> str:
    return " and ".join(map(str, shapes))
