"""Runs a file on a share of the samples. Called in child processes: runtimes are native code."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn.datasets.arrays import ArraySet
from edgecnn.errors import InputError
from edgecnn.evaluating.judging import UnusableError
from edgecnn.evaluating.network import Network
from edgecnn.progress import Silent
from edgecnn.tasks.outputs import TaskError
from edgecnn.tasks.placing import Placement, place

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from edgecnn.datasets.labelled import LabelledSet
    from edgecnn.datasets.pictures import PictureSet
    from edgecnn.evaluating.judging import Judge
    from edgecnn.evaluating.signature import Signature
    from edgecnn.evaluating.subjects import KnownSignature
    from edgecnn.progress import Progress
    from edgecnn.records import Preprocessing
    from edgecnn.tasks.outputs import Output

    Array = NDArray[Any]
    Data = ArraySet | LabelledSet | PictureSet

_BATCH = 32
_NICE = 10


@dataclass(frozen=True, eq=False)
class Job:
    """A file, and how it is fed.

    Attributes:
        path: of the file that is run.
        name: of it, for messages.
        known: what its manifest says of its signature.
        preprocessing: from pixels to inputs; None where no pixels are scaled.
        fit: how pictures are brought to the input's size.
    """

    path: str
    name: str
    known: KnownSignature | None
    preprocessing: Preprocessing | None
    fit: str


@dataclass(frozen=True, eq=False)
class Share:
    """What came of one share of the samples.

    Attributes:
        places: which samples of the share.
        results: what the judge returned for each.
        unusable: a sentence for each sample that could not be used.
    """

    places: list[int]
    results: list[Any]
    unusable: list[str]


def look(path: str, name: str, known: KnownSignature | None) -> Signature:
    """Run a file once, on zeros.

    Args:
        path: a .tflite or .onnx file.
        name: what to call it in messages.
        known: what its manifest says of its signature.

    Raises:
        InputError: it cannot be run, or is not what its manifest says.
        MissingPartError: its runtime is not installed.
    """
    return Network(path, name, known).signature


def answer(job: Job, data: Data, judge: Judge, *, progress: Progress) -> Share:
    """Run every sample of a share, in one thread, and judge its outputs.

    Raises:
        InputError: an answer cannot be judged, or the runtime fails.
    """
    if hasattr(os, "nice"):  # every core is used: leave whoever sits there a usable machine
        os.nice(max(0, _NICE - os.nice(0)))
    network = Network(job.path, job.name, job.known)
    share = Share([], [], [])
    for arrays, places, placements in _samples(job, network, data, share.unusable):
        answers = network.answers(arrays)
        for at, outputs, placement in zip(places, answers, placements, strict=True):
            result = _judged(job, judge, at, outputs, placement)
            if isinstance(result, UnusableError):
                share.unusable.append(f"{_name(data, at)} ({result})")
            else:
                share.places.append(at)
                share.results.append(result)
        progress.advance(len(places))
    return share


def answer_quietly(job: Job, data: Data, judge: Judge) -> Share:
    """The same where nobody watches: on a node of a cluster."""
    return answer(job, data, judge, progress=Silent())


def _judged(
    job: Job, judge: Judge, at: int, outputs: list[Output], placement: Placement | None
) -> Any:  # noqa: ANN401 - whatever the judge returns; an UnusableError of the sample
    try:
        return judge.judge(at, outputs, placement)
    except UnusableError as error:
        return error
    except (TaskError, InputError) as error:
        raise InputError(f"{job.name}: {error.message}", hint=error.hint) from error


def _samples(
    job: Job, network: Network, data: Data, unusable: list[str]
) -> Iterator[tuple[list[Array], list[int], list[Placement | None]]]:
    """What the inputs are fed, of which samples it is, and where their pictures lie."""
    for start in range(0, data.count, _BATCH):
        places = np.arange(start, min(start + _BATCH, data.count))
        if isinstance(data, ArraySet):
            yield _rows(data, network, places), places.tolist(), [None] * len(places)
            continue
        end = network.signature.inputs[0]
        read = data.images.read(places, end.size, end.channels, job.fit)
        unusable += read.unusable
        if len(read.places):
            pixels = network.pixels(read.pixels, job.preprocessing)
            placements = [_placed(picture, end.size, job.fit) for picture in read.pictures]
            yield [pixels], places[read.places].tolist(), [*placements]


def _rows(data: ArraySet, network: Network, places: NDArray[np.int64]) -> list[Array]:
    """What each input is fed; that there is an array for it was seen when the file was opened."""
    inputs = network.signature.inputs
    arrays = [data.of(end.name, len(inputs)) for end in inputs]
    return [values[places] for values in arrays if values is not None]


def _placed(picture: NDArray[np.int64], size: tuple[int, int], fit: str) -> Placement:
    return place((int(picture[0]), int(picture[1])), size, fit)


def _name(data: Data, at: int) -> str:
    names = getattr(getattr(data, "images", None), "names", ())
    return str(names[at]) if names else f"sample {at}"
