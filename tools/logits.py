"""The logits of any .tflite classifier, float or quantized, and how far two sets are apart.

Softmax squeezes errors out of sight, and in int8 it ties. So the tensor that goes into the last
SOFTMAX is made the graph's output, in the same way for every file, whoever wrote it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgecnn.errors import InputError
from edgecnn.formats.tflite_graph import Graph

if TYPE_CHECKING:
    from numpy.typing import NDArray


def output_logits(data: bytes) -> bytes:
    """Return the file with the input of its last SOFTMAX as its only output.

    Raises:
        InputError: the file has no SOFTMAX.
    """
    graph = Graph.read(data)
    for operator in reversed(graph.operators):
        if operator.name == "SOFTMAX":
            return graph.tapped([operator.source])
    raise InputError("the file has no SOFTMAX", hint="Compare classifiers that end in a softmax.")


def run_logits(data: bytes, images: NDArray[np.float32], threads: int = 2) -> NDArray[np.float32]:
    """Run a classifier on each image and return its logits.

    Args:
        data: a .tflite file that ends in a SOFTMAX.
        images: (samples, height, width, channels), preprocessed.
        threads: of the interpreter.

    Returns:
        (samples, classes) float32, dequantized where the file computes in integers.
    """
    from edgecnn.runtime.litert import LiteRTSession
    from edgecnn.runtime.session import dequantize_output, quantize_input

    session = LiteRTSession(output_logits(data), threads)
    (fed,), (read,) = session.inputs, session.outputs
    outputs = (session.run([quantize_input(image[None], fed)])[0] for image in images)
    return np.concatenate([dequantize_output(output, read) for output in outputs])


@dataclass(frozen=True)
class Fidelity:
    """How far a file's logits are from the float reference's.

    A single number misleads. Pooled SNR weighs an image by the power of its logits: where a few
    images shout, it measures those and no others. Tie-tolerant agreement cannot see answers that
    are lost because int8 logits tie.

    Attributes:
        snr_db: 10 log10 of all logits' power over all errors' power.
        image_snr_db: the median over the images of each image's own SNR.
        top1_agreement: share of images whose best class is the reference's, or ties with it.
        strict_agreement: the same, of a tie only the first class counts, as argmax has it.
        ties: share of images whose best logit belongs to several classes.
        accuracy: share of images whose argmax is their label; None without labels.
    """

    snr_db: float
    image_snr_db: float
    top1_agreement: float
    strict_agreement: float
    ties: float
    accuracy: float | None


def fidelity(
    reference: NDArray[np.float32],
    measured: NDArray[np.float32],
    labels: NDArray[np.uint8] | None = None,
) -> Fidelity:
    """Compare logits, (samples, classes), with the float reference's on the same images."""
    best = measured.max(axis=1)
    reference_class = reference.argmax(axis=1)
    rows = np.arange(len(measured))
    image_snrs = [snr_db(ours, theirs) for ours, theirs in zip(reference, measured, strict=True)]
    return Fidelity(
        snr_db=snr_db(reference, measured),
        image_snr_db=float(np.median(image_snrs)),
        top1_agreement=float((measured[rows, reference_class] >= best).mean()),
        strict_agreement=float((measured.argmax(axis=1) == reference_class).mean()),
        ties=float(((measured == best[:, None]).sum(axis=1) > 1).mean()),
        accuracy=None if labels is None else float((measured.argmax(axis=1) == labels).mean()),
    )


def snr_db(reference: NDArray[np.float32], measured: NDArray[np.float32]) -> float:
    """Return 10 log10 of the reference's power over the error's; infinite where they are equal."""
    signal = float(np.square(reference, dtype=np.float64).sum())
    noise = float(np.square(reference.astype(np.float64) - measured).sum())
    return float("inf") if noise == 0 else float(10 * np.log10(signal / noise))


def power_share(logits: NDArray[np.float32], strongest: float = 0.1) -> float:
    """Return the share of all logits' power that the strongest tenth of the images has."""
    power = np.sort(np.square(logits, dtype=np.float64).sum(axis=1))[::-1]
    return float(power[: max(1, round(len(power) * strongest))].sum() / power.sum())
