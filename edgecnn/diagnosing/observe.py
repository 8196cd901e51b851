"""Runs a quantized file and its float twin on the same images, and says what it saw.

Every tensor with a counterpart is made an output of a copy of its file (as calibration does); both
run image by image, and of each tensor only sums for each channel are kept. Native code runs the
user's files: call `observe` in a child process.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edgecnn import parity
from edgecnn.calibration import statistics
from edgecnn.diagnosing import seen
from edgecnn.diagnosing.matching import Pair, match
from edgecnn.diagnosing.record import Observations
from edgecnn.diagnosing.sums import LayerSums
from edgecnn.errors import InputError
from edgecnn.formats import tflite_logits
from edgecnn.formats.tflite_graph import Graph
from edgecnn.quantize import affine, contributions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from edgecnn.calibration.sampleset import ImageSet
    from edgecnn.progress import Progress
    from edgecnn.records import Preprocessing

_RELU6 = 3  # schema.fbs: ActivationFunctionType
# Rounding, even with one scale for a whole tensor, moves weights by less; equalizing by more.
_ROUNDING_AT_MOST = 0.2


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
    images: ImageSet,
    preprocessing: Preprocessing,
    *,
    threads: int,
    progress: Progress,
) -> Observations:
    """Compare the two files layer by layer.

    Args:
        quantized: path of the quantized .tflite.
        real: the float .tflite.
        images: to run them on.
        preprocessing: how pixels become inputs.
        threads: of one inference.
        progress: told of each image.

    Raises:
        InputError: the runtime refuses a file, the two take different inputs or give different
            outputs, or no tensor has a counterpart.
    """
    files = _read(quantized, real)

    def feeds() -> Iterator[NDArray[np.float32]]:
        return images.feed(preprocessing)

    progress.stage("float statistics", images.samples)
    logits = files.real.tensors[tflite_logits.find(real).tensor].name
    known = statistics.collect(
        files.real,
        ([feed] for feed in feeds()),
        answers=[logits],
        runs=images.samples,
        threads=threads,
        progress=progress,
    )
    wanted = known.answers[logits].reshape(images.samples, -1)
    progress.stage("comparing layers", images.samples)
    sums = _compare(files, feeds(), threads, progress)
    progress.stage("comparing logits", images.samples)
    found = parity.logits(files.quantized_data, feeds(), threads=threads, progress=progress)
    if found.shape != wanted.shape:
        raise InputError(
            f"The two files give {found.shape[1]} and {wanted.shape[1]} values for an image:"
            " they are not of one network.",
            hint="Name the float file it was made from: --against FILE.",
        )
    equalized = scales_channels(files)
    sight = seen.Sight(files.quantized, files.real, files.pairs, sums, known, equalized, (logits,))
    return Observations(
        logits_snr_db=parity.snr_db(wanted, found),
        equalized=equalized,
        layers=seen.layers(sight),
        skipped=files.skipped,
        input=seen.input_of(sight),
        per_tensor=seen.per_tensor(files.quantized),
        adds=seen.adds(sight),
    )


def _read(quantized: str, real: bytes) -> Files:
    data = Path(quantized).read_bytes()
    graphs = Graph.read(data), Graph.read(real)
    shapes = []
    for graph in graphs:
        if len(graph.inputs) != 1:
            raise InputError(f"{quantized}: it or its float file has {len(graph.inputs)} inputs.")
        shapes.append(graph.inputs[0].shape)
    if shapes[0] != shapes[1]:
        raise InputError(
            f"{quantized} takes {shapes[0]}, its float file {shapes[1]}.",
            hint="Name the float file it was made from: --against FILE.",
        )
    pairs, skipped = match(*graphs)
    if len(pairs) <= skipped:
        raise InputError(
            f"Most tensors of {quantized} have no counterpart in the float file"
            f" ({skipped} of {len(pairs) + skipped}): they are not of one network.",
            hint="Name the float file it was made from: --against FILE.",
        )
    return Files(data, real, *graphs, pairs, skipped)


def _compare(
    files: Files, feeds: Iterator[NDArray[np.float32]], threads: int, progress: Progress
) -> list[LayerSums]:
    from edgecnn.runtime.litert import LiteRTSession
    from edgecnn.runtime.session import quantize_input

    sums = [_sums(pair) for pair in files.pairs]
    ours = LiteRTSession(files.quantized.tapped([p.quantized for p in files.pairs]), threads)
    theirs = LiteRTSession(files.real.tapped([p.real for p in files.pairs]), threads)
    for feed in feeds:
        found = ours.run_in_place([quantize_input(feed, ours.inputs[0])])
        wanted = theirs.run_in_place([feed])
        for each, one, other in zip(sums, found, wanted, strict=True):
            each.add(one, other)
        del found, wanted, one, other  # no view may outlive its inference
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
        found = contributions.real_values(pair.made_by.inputs[1])
        wanted = contributions.real_values(pair.twin.inputs[1])
        if found is None or wanted is None or found.shape != wanted.shape:
            continue
        if np.linalg.norm(found - wanted) > _ROUNDING_AT_MOST * np.linalg.norm(wanted):
            return True
    return False
