"""Runs a file on labelled images. Called in child processes: runtimes are native code."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn import parity
from edgecnn.calibration.preprocessing import preprocess
from edgecnn.errors import InputError
from edgecnn.evaluating.scores import hit
from edgecnn.runtime.session import dequantize_output, quantize_input

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edgecnn.datasets.labelled import LabelledSet
    from edgecnn.progress import Progress
    from edgecnn.records import Preprocessing
    from edgecnn.runtime.session import Session

_BATCH = 32
_NICE = 10
_COLOURS = {1, 3}
_IMAGE_RANK = 4
TOP = 5


@dataclass(frozen=True)
class Ends:
    """What a network takes and gives.

    Attributes:
        size: height and width of its input, pixels.
        channels: of its input.
        channels_first: whether they stand before height and width, as PyTorch has them.
        classes: values of its output.
        runtime: that ran it, with its version.
    """

    size: tuple[int, int]
    channels: int
    channels_first: bool
    classes: int
    runtime: str


@dataclass(frozen=True, eq=False)
class Scores:
    """One share of the images.

    Attributes:
        places: which images, int64 (n,).
        top1: how far each answer is right, float32 (n,), 0..1.
        top5: likewise.
        unusable: a sentence for each file that could not be decoded.
    """

    places: NDArray[np.int64]
    top1: NDArray[np.float32]
    top5: NDArray[np.float32]
    unusable: tuple[str, ...]


def look(path: str, name: str) -> Ends:
    """Run a file once, on zeros.

    Args:
        path: a .tflite or .onnx file.
        name: what to call it in messages.

    Raises:
        InputError: it is no network from an image to classes.
        MissingPartError: its runtime is not installed.
    """
    session = parity.open_logits(path, 1)
    size, channels, channels_first = _layout(name, session)
    zeros = np.zeros((1, *size, channels), np.float32)
    answer = session.run([_fed(session, zeros, channels_first=channels_first)[0]])[0]
    if answer.size < 2:  # noqa: PLR2004 - two classes to choose from
        raise InputError(
            f"{name}: its output is one number; one for each class is needed.",
            hint="Give the network a softmax over two classes.",
        )
    return Ends(size, channels, channels_first, int(answer.size), session.runtime)


def _layout(name: str, session: Session) -> tuple[tuple[int, int], int, bool]:
    if len(session.inputs) != 1:
        raise InputError(f"{name} has {len(session.inputs)} inputs; one image is what it can get.")
    shape = session.inputs[0].shape
    if len(shape) != _IMAGE_RANK or shape[0] not in {1, -1} or min(shape[1:]) < 1:
        raise InputError(
            f"{name}: its input is {shape}; (1, height, width, channels) is needed.",
            hint="Convert it again with a fixed height and width, and a batch that is 1 or open.",
        )
    if shape[3] in _COLOURS:
        return (shape[1], shape[2]), shape[3], False
    if shape[1] in _COLOURS:
        return (shape[2], shape[3]), shape[1], True
    raise InputError(f"{name}: its input is {shape}, which has neither 3 channels nor 1.")


def score(
    path: str,
    name: str,
    data: LabelledSet,
    labels: NDArray[np.int64],
    preprocessing: Preprocessing,
    *,
    ends: Ends,
    progress: Progress,
) -> Scores:
    """Answer every image of a set, one after the other, in one thread.

    Args:
        path: a .tflite or .onnx file.
        name: what to call it in messages.
        data: the images.
        labels: of each image, as the network numbers them.
        preprocessing: from pixels to inputs.
        ends: what `look` found.
        progress: advanced by the images done.

    Raises:
        InputError: an answer is not finite, or the runtime fails.
    """
    if hasattr(os, "nice"):  # every core is used: leave whoever sits there a usable machine
        os.nice(max(0, _NICE - os.nice(0)))
    session = parity.open_logits(path, 1)
    unusable: list[str] = []
    places: list[NDArray[np.int64]] = []
    hits: list[NDArray[np.float32]] = []
    for pixels, which in data.placed(
        np.arange(data.count),
        size=ends.size,
        channels=ends.channels,
        batch_size=_BATCH,
        on_unusable=unusable.append,
    ):
        feeds = _fed(session, preprocess(pixels, preprocessing), channels_first=ends.channels_first)
        answers = [_answer(name, session, *pair) for pair in zip(feeds, labels[which], strict=True)]
        hits.append(np.array(answers, np.float32))
        places.append(which)
        progress.advance(len(which))
    if not hits:
        nothing = np.empty(0, np.float32)
        return Scores(np.empty(0, np.int64), nothing, nothing, tuple(unusable))
    found = np.concatenate(hits)
    return Scores(np.concatenate(places), found[:, 0], found[:, 1], tuple(unusable))


def _fed(
    session: Session, values: NDArray[np.float32], *, channels_first: bool
) -> Sequence[NDArray[Any]]:
    """Each image as the input takes it, with its batch of one."""
    if channels_first:
        values = np.ascontiguousarray(values.transpose(0, 3, 1, 2))
    quantized = quantize_input(values, session.inputs[0])
    return np.split(quantized, len(quantized))


def _answer(name: str, session: Session, feed: NDArray[Any], label: int) -> tuple[float, float]:
    logits = dequantize_output(session.run([feed])[0], session.outputs[0]).reshape(-1)
    if not np.isfinite(logits).all():
        raise InputError(f"{name}: an answer is not finite.", hint="Look at the model's weights.")
    return hit(logits, label, 1), hit(logits, label, TOP)
