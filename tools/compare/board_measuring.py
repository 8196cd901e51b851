"""How far a quantized file is from the float network, whoever made it: the board's one measure.

SNR as `edgecnn.parity` has it: about the mean over the pictures, of logits where an output ends in
a softmax; of several outputs the worst counts. `measure` is called in a child process.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import permutations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn import inspection, manifest, parity
from edgecnn.errors import EdgeCnnError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgecnn.parity import Answers
    from edgecnn.records import EndLayouts, Manifest

_THREADS = 1  # two wait for each other where others compute
# What identical outputs count as when outputs are matched, dB.
_IDENTICAL = 200.0
_WHOLE = 0.995


@dataclass(frozen=True)
class Measured:
    """What is known of one tool's file; `error` says why there is nothing.

    Attributes:
        snr_db: of the worst output; None for identical ones.
        worst_group_db: of that output's worst group of channels; None where there is one group.
        top1_agreement: of class scores, share of pictures with the same best class; a tie counts
            as one over the number of tied classes. None without class scores.
        outputs: name, SNR and worst group's SNR of each, and what was compared.
        integer_share: of the multiply-accumulates, those in integers.
        size_bytes: of the file.
        error: "" or the last lines of what failed.
    """

    snr_db: float | None = None
    worst_group_db: float | None = None
    top1_agreement: float | None = None
    outputs: tuple[dict[str, Any], ...] = ()
    integer_share: float | None = None
    size_bytes: int = 0
    error: str = ""


@dataclass(frozen=True)
class ToolFile:
    """A file that a tool made; `layouts` are those of its ends, None for the network's own."""

    tool: str
    path: Path
    layouts: EndLayouts | None


def measure(folder: str, images: str, files: Sequence[ToolFile]) -> dict[str, Measured]:
    """Compare files with edgecnn's float32 .tflite.

    Args:
        folder: of the float32 artifact.
        images: .npz with the pictures, in the network's own layout.
        files: the files.
    """
    known = manifest.load(Path(folder) / manifest.NAME)
    with np.load(images) as archive:
        feeds = [[image[None]] for image in archive["images"]]
    plain = Path(folder) / "model.tflite"
    reference = _answers(plain, feeds, known, known_layouts(known, "tflite"))
    return {file.tool: _tried(file, feeds, known, reference) for file in files}


def _tried(
    file: ToolFile, feeds: Sequence[Sequence[Any]], known: Manifest, reference: Answers
) -> Measured:
    """What is known of a file, or of one that does not run or gives no numbers, why."""
    try:
        return _measured(file, feeds, known, reference)
    except EdgeCnnError as error:
        return Measured(error=str(error))


def known_layouts(known: Manifest, file_format: str) -> EndLayouts | None:
    """Layouts of the ends of an artifact's file; None where it has no such file."""
    return next((f.layouts for f in known.files if f.format == file_format), None)


def _measured(
    file: ToolFile, feeds: Sequence[Sequence[Any]], known: Manifest, reference: Answers
) -> Measured:
    answers = in_order(reference, _answers(file.path, feeds, known, file.layouts))
    parities = parity.compare(reference, answers, known.outputs)
    worst = parity.worst(parities)
    agreements = [p.top1_agreement for p in parities if p.top1_agreement is not None]
    return Measured(
        snr_db=worst.snr_db,
        worst_group_db=worst.worst_group_db,
        top1_agreement=min(agreements, default=None),
        outputs=tuple(
            {"name": p.output, "snr_db": p.snr_db, "worst_group_db": p.worst_group_db,
             "measured_on": p.measured_on}
            for p in parities
        ),
        integer_share=integer_share(file.path),
        size_bytes=file.path.stat().st_size,
    )  # fmt: skip


def _answers(
    path: Path, feeds: Sequence[Sequence[Any]], known: Manifest, layouts: EndLayouts | None
) -> Answers:
    model = path if path.suffix == ".onnx" else path.read_bytes()
    return parity.answers(
        model,
        feeds,
        inputs=known.inputs,
        outputs=known.outputs,
        file_layouts=layouts,
        threads=_THREADS,
    )


def in_order(reference: Answers, measured: Answers) -> Answers:
    """Put a file's outputs into the reference's order: TFLiteConverter gives them in its own.

    Of all orders in which the shapes fit, the one that is closest to the reference, which favours
    the file. Where no order fits they stay as they are.
    """
    count = len(reference.outputs)
    fitting = [
        order
        for order in permutations(range(count))
        if all(
            measured.outputs[k].shape == output.shape
            for k, output in zip(order, reference.outputs, strict=True)
        )
    ]
    best = max(fitting, key=lambda order: _closeness(reference, measured, order), default=None)
    if best is None:
        return measured
    return replace(
        measured,
        outputs=tuple(measured.outputs[k] for k in best),
        logits=tuple(measured.logits[k] for k in best),
    )


def _closeness(reference: Answers, measured: Answers, order: Sequence[int]) -> float:
    ratios = [
        parity.snr_db(output, measured.outputs[k])
        for k, output in zip(order, reference.outputs, strict=True)
    ]
    return sum(_IDENTICAL if ratio is None else ratio for ratio in ratios)


def integer_share(path: Path) -> float | None:
    """Of a file's multiply-accumulates, the share in integers; None where it has none."""
    operators = inspection.inspect(path, delegate=False).operators
    macs = sum(operator.macs for operator in operators)
    whole = sum(o.macs for o in operators if o.compute_dtype.startswith(("int", "uint")))
    return whole / macs if macs else None


def is_whole(share: float | None) -> bool:
    """Whether a file of that share computes in integers but for a rest."""
    return share is None or share >= _WHOLE


def ratio(measured: Measured) -> float:
    """Its SNR as a number to compute with: infinite for identical, minus infinite for none."""
    if measured.error:
        return -math.inf
    return math.inf if measured.snr_db is None else measured.snr_db
