"""Runs a quantized file and its float twin on the same samples, and says what it saw.

Every tensor with a counterpart is made an output of a copy of its file (as calibration does); both
run sample by sample, and of each tensor only sums for each channel are kept. Native code runs the
user's files: call `observe` in a child process.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn import parity
from edgecnn.calibration import statistics
from edgecnn.diagnosing import factors, observed
from edgecnn.diagnosing.record import Observations, ObservedOutput
from edgecnn.diagnosing.sides import OTHER_NETWORK, open_sides
from edgecnn.diagnosing.sums import LayerSums
from edgecnn.errors import InputError
from edgecnn.quantize import affine, contributions

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from edgecnn.calibration.layer_inputs import LayerInputs
    from edgecnn.calibration.sampleset import SampleSet
    from edgecnn.diagnosing.ends import Ends
    from edgecnn.diagnosing.matching import Pair
    from edgecnn.diagnosing.sides import Sides
    from edgecnn.progress import Progress
    from edgecnn.records import Endpoint, Preprocessing

_RELU6 = 3  # schema.fbs: ActivationFunctionType
# Rounding, even with one scale for a whole tensor, moves weights by less; equalizing by more.
_ROUNDING_AT_MOST = 0.2


def observe(
    quantized: str,
    real: bytes | Path,
    samples: SampleSet,
    ends: Ends,
    preprocessing: Preprocessing,
    *,
    threads: int,
    progress: Progress,
) -> Observations:
    """Compare the two files layer by layer.

    Args:
        quantized: path of the quantized file.
        real: the float .tflite's bytes, or the float .onnx's path.
        samples: to run them on.
        ends: of the network and of both files.
        preprocessing: how pixels become inputs.
        threads: of one inference.
        progress: told of each run.

    Raises:
        InputError: the runtime refuses a file, the two take different inputs or give different
            outputs, or no tensor has a counterpart.
    """
    sides = open_sides(quantized, real, ends)
    progress.stage("float statistics", samples.samples)
    known = _of_floats(sides, _feeds(sides, ends, samples, preprocessing), samples.samples,
                       threads, progress)  # fmt: skip
    pairs = [pair for pair in sides.pairs if pair.real.name in known.tensors]
    progress.stage("comparing layers", samples.samples)
    feeds = _feeds(sides, ends, samples, preprocessing)
    sums = _compare(sides, pairs, feeds, threads, progress)
    progress.stage("comparing outputs", samples.samples)
    measured = parity.answers(
        quantized,
        samples.feeds(ends.inputs, preprocessing),
        inputs=ends.inputs,
        outputs=ends.outputs,
        file_layouts=ends.layouts,
        threads=threads,
        progress=progress,
    )
    equalized = scales_channels(pairs, known.layers)
    graphs = sides.quantized, sides.real
    comparison = observed.Comparison(*graphs, pairs, sums, known, equalized, sides.judged)
    expected = sides.answers(known, samples, preprocessing, threads)
    return Observations(
        outputs=_outputs(expected, measured, ends),
        equalized=equalized,
        layers=observed.layers(comparison),
        skipped=sides.skipped + len(sides.pairs) - len(pairs),
        inputs=observed.inputs(comparison),
        per_tensor=observed.per_tensor(sides.quantized),
        adds=observed.adds(comparison),
    )


def _of_floats(
    sides: Sides, feeds: Iterable[Sequence[NDArray[Any]]], runs: int, threads: int, told: Progress
) -> statistics.Statistics:
    return statistics.collect(
        sides.real,
        feeds,
        answers=[*dict.fromkeys([*sides.judged, *(tensor.name for tensor in sides.real.outputs)])],
        runs=runs,
        threads=threads,
        progress=told,
        means=sides.real_means,
    )


def _feeds(
    sides: Sides, ends: Ends, samples: SampleSet, preprocessing: Preprocessing
) -> Iterator[tuple[NDArray[Any], ...]]:
    """What each run feeds, as the graphs have it."""
    return map(sides.fed, ends.feeds(samples, preprocessing))


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
            hint=OTHER_NETWORK,
        )
    ratio_db = parity.snr_db(real, actual)
    return ObservedOutput(end.name, ratio_db, "logits" if on_logits else "values")


def _compare(
    sides: Sides,
    pairs: list[Pair],
    feeds: Iterable[tuple[NDArray[Any], ...]],
    threads: int,
    progress: Progress,
) -> list[LayerSums]:
    sums = [_sums(pair) for pair in pairs]
    ours = sides.quantized_means.tap([pair.quantized for pair in pairs], threads)
    theirs = sides.real_means.tap([pair.real for pair in pairs], threads)
    for feed in feeds:
        values = ours.run_in_place(feed)
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


def scales_channels(pairs: Sequence[Pair], layers: Mapping[str, LayerInputs]) -> bool:
    """Whether the quantized file's weights are other than rounding makes them: it was equalized.

    Weights of inputs that never stir do not count: rounding that makes up for errors leaves them
    where they fell.

    Args:
        pairs: of both files.
        layers: what the float network's convolutions see, by name of what they make.
    """
    for pair in pairs:
        if pair.operator not in affine.CONVOLUTIONS or pair.twin.name != pair.operator:
            continue
        scaled = contributions.real_values(pair.made_by.inputs[1])
        unscaled = contributions.real_values(pair.twin.inputs[1])
        if scaled is None or unscaled is None or scaled.shape != unscaled.shape:
            continue
        rows, real = (factors.rows_of(kernel, pair.operator) for kernel in (scaled, unscaled))
        weight = np.sqrt(factors.powers(_fitting(layers.get(pair.real.name), rows), len(rows)))
        if np.linalg.norm((rows - real) * weight) > _ROUNDING_AT_MOST * np.linalg.norm(
            real * weight
        ):
            return True
    return False


def _fitting(layer: LayerInputs | None, rows: NDArray[Any]) -> LayerInputs | None:
    """What a convolution sees; None of a grouped one, whose rows see a part of it."""
    return layer if layer is not None and layer.power.shape[-1] == rows.shape[-1] else None
