"""Runs a quantized file and its float twin on the same samples, and says what it saw.

Every tensor with a counterpart is made an output of a copy of its file (as calibration does); both
run sample by sample, and of each tensor only sums for each channel are kept. Native code runs the
user's files: call `observe` in a child process.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn import files, layouts, parity
from edgecnn.calibration import statistics
from edgecnn.diagnosing import observed
from edgecnn.diagnosing.matching import Pair, match
from edgecnn.diagnosing.record import Observations, ObservedOutput
from edgecnn.diagnosing.sums import LayerSums
from edgecnn.errors import InputError
from edgecnn.formats import tflite_logits
from edgecnn.formats.tflite_graph import Graph
from edgecnn.quantize import affine, contributions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from edgecnn.calibration.sampleset import SampleSet
    from edgecnn.calibration.statistics import Statistics
    from edgecnn.diagnosing.ends import Ends
    from edgecnn.progress import Progress
    from edgecnn.records import Endpoint, Preprocessing

_RELU6 = 3  # schema.fbs: ActivationFunctionType
# Rounding, even with one scale for a whole tensor, moves weights by less; equalizing by more.
_ROUNDING_AT_MOST = 0.2
_OTHER_NETWORK = "Name the float file it was made from: --against FILE."


@dataclass(frozen=True)
class Files:
    """Both files, unpacked, and how their tensors pair up."""

    quantized_data: bytes
    real_data: bytes
    quantized: Graph
    real: Graph
    pairs: list[Pair]
    skipped: int


def observe(
    quantized: str,
    real: bytes,
    samples: SampleSet,
    ends: Ends,
    preprocessing: Preprocessing,
    *,
    threads: int,
    progress: Progress,
) -> Observations:
    """Compare the two files layer by layer.

    Args:
        quantized: path of the quantized .tflite.
        real: the float .tflite.
        samples: to run them on.
        ends: of the network and of both files.
        preprocessing: how pixels become inputs.
        threads: of one inference.
        progress: told of each run.

    Raises:
        InputError: the runtime refuses a file, the two take different inputs or give different
            outputs, or no tensor has a counterpart.
    """
    files = _read(quantized, real)
    judged = [files.real.tensors[end.tensor].name for end in tflite_logits.find(real)]
    progress.stage("float statistics", samples.samples)
    known = statistics.collect(
        files.real,
        ends.feeds(samples, preprocessing),
        answers=[*dict.fromkeys([*judged, *(tensor.name for tensor in files.real.outputs)])],
        runs=samples.samples,
        threads=threads,
        progress=progress,
    )
    pairs = [pair for pair in files.pairs if pair.real.name in known.tensors]
    progress.stage("comparing layers", samples.samples)
    sums = _compare(files, pairs, ends.feeds(samples, preprocessing), threads, progress)
    progress.stage("comparing outputs", samples.samples)
    measured = parity.answers(
        files.quantized_data,
        samples.feeds(ends.inputs, preprocessing),
        inputs=ends.inputs,
        outputs=ends.outputs,
        file_layouts=ends.layouts,
        threads=threads,
        progress=progress,
    )
    equalized = scales_channels(files)
    graphs = files.quantized, files.real
    comparison = observed.Comparison(*graphs, pairs, sums, known, equalized, tuple(judged))
    return Observations(
        outputs=_outputs(_float_answers(files, known, ends, samples.samples), measured, ends),
        equalized=equalized,
        layers=observed.layers(comparison),
        skipped=files.skipped + len(files.pairs) - len(pairs),
        inputs=observed.inputs(comparison),
        per_tensor=observed.per_tensor(files.quantized),
        adds=observed.adds(comparison),
    )


def _read(quantized: str, real: bytes) -> Files:
    data = files.read_bytes(quantized)
    graphs = Graph.read(data), Graph.read(real)
    ours, theirs = ([tensor.shape for tensor in graph.inputs] for graph in graphs)
    counts = [len(graph.outputs) for graph in graphs]
    if ours != theirs or counts[0] != counts[1]:
        raise InputError(
            f"{quantized} takes {_listed(ours)} and gives {counts[0]} outputs, its float file"
            f" takes {_listed(theirs)} and gives {counts[1]}.",
            hint=_OTHER_NETWORK,
        )
    pairs, skipped = match(*graphs)
    if len(pairs) <= skipped:
        raise InputError(
            f"Most tensors of {quantized} have no counterpart in the float file"
            f" ({skipped} of {len(pairs) + skipped}): they are not of one network.",
            hint=_OTHER_NETWORK,
        )
    return Files(data, real, *graphs, pairs, skipped)


def _listed(shapes: list[tuple[int, ...]]) -> str:
    return " and ".join(map(str, shapes))


def _float_answers(files: Files, known: Statistics, ends: Ends, runs: int) -> parity.Answers:
    """What the float file gave while its statistics were collected, in the source's layouts."""
    outputs = tuple(
        layouts.convert(known.answers[tensor.name], there, end.layout)
        for tensor, there, end in zip(
            files.real.outputs, ends.layouts.outputs, ends.outputs, strict=True
        )
    )
    logits = tuple(
        known.answers[files.real.tensors[end.tensor].name] if end.has_softmax else None
        for end in tflite_logits.find(files.real_data)
    )
    return parity.Answers(outputs, logits, runs)


def _outputs(
    reference: parity.Answers, measured: parity.Answers, ends: Ends
) -> tuple[ObservedOutput, ...]:
    return tuple(_output(reference, measured, place, end) for place, end in enumerate(ends.outputs))


def _output(
    reference: parity.Answers, measured: parity.Answers, place: int, end: Endpoint
) -> ObservedOutput:
    real, actual, on_logits = parity.comparable(reference, measured, place)
    if real.shape != actual.shape:
        raise InputError(
            f"The two files give {actual.shape} and {real.shape} for the output {end.name}: they"
            " are not of one network.",
            hint=_OTHER_NETWORK,
        )
    ratio_db = parity.snr_db(real, actual)
    return ObservedOutput(end.name, ratio_db, "logits" if on_logits else "values")


def _compare(
    files: Files,
    pairs: list[Pair],
    feeds: Iterator[tuple[NDArray[Any], ...]],
    threads: int,
    progress: Progress,
) -> list[LayerSums]:
    from edgecnn.runtime.litert import LiteRTSession
    from edgecnn.runtime.session import quantize_input

    sums = [_sums(pair) for pair in pairs]
    ours = LiteRTSession(files.quantized.tapped([p.quantized for p in pairs]), threads)
    theirs = LiteRTSession(files.real.tapped([p.real for p in pairs]), threads)
    for feed in feeds:
        taken = [quantize_input(v, info) for v, info in zip(feed, ours.inputs, strict=True)]
        values = ours.run_in_place(taken)
        references = theirs.run_in_place(feed)
        for layer_sums, value, reference in zip(sums, values, references, strict=True):
            layer_sums.add(value, reference)
        del values, references, value, reference  # no view may outlive its inference
        progress.advance()
    return sums


def _sums(pair: Pair) -> LayerSums:
    tensor = pair.quantized
    quantization = tensor.quantization
    if quantization is None or tensor.is_float:
        return LayerSums(tensor.channels, None, 0, saturates_low=False, saturates_high=False)
    scale, zero_point = float(quantization.scale[0]), int(quantization.zero_point[0])
    begins = zero_point == np.iinfo(tensor.numpy_dtype).min
    fused = affine.fused_activation(pair.made_by)
    tops_out = fused == _RELU6 or pair.operator in {"RELU6", "SOFTMAX"}
    return LayerSums(
        tensor.channels, scale, zero_point, saturates_low=not begins, saturates_high=not tops_out
    )


def scales_channels(files: Files) -> bool:
    """Whether the quantized file's weights are other than rounding makes them: it was equalized."""
    for pair in files.pairs:
        if pair.operator not in affine.CONVOLUTIONS or pair.twin.name != pair.operator:
            continue
        scaled = contributions.real_values(pair.made_by.inputs[1])
        unscaled = contributions.real_values(pair.twin.inputs[1])
        if scaled is None or unscaled is None or scaled.shape != unscaled.shape:
            continue
        if np.linalg.norm(scaled - unscaled) > _ROUNDING_AT_MOST * np.linalg.norm(unscaled):
            return True
    return False
