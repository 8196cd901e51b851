"""Opens the files that are evaluated, and runs them on all samples."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecnn import gate
from edgecnn.datasets.arrays import ArraySet
from edgecnn.errors import InputError
from edgecnn.evaluating import keras_float, pool, sharding
from edgecnn.evaluating.network import takes_pixels
from edgecnn.evaluating.worker import Job

if TYPE_CHECKING:
    from edgecnn.engines.tasks import Engine
    from edgecnn.evaluating.judging import Judge
    from edgecnn.evaluating.options import EvaluateOptions
    from edgecnn.evaluating.pool import Answers
    from edgecnn.evaluating.signature import Signature
    from edgecnn.evaluating.subjects import Subject
    from edgecnn.evaluating.worker import Data
    from edgecnn.progress import Recorder
    from edgecnn.records import Preprocessing

_NAMED = 3


@dataclass(frozen=True, eq=False)
class Opened:
    """A file that can be run.

    Attributes:
        subject: what was named.
        job: how it is fed.
        signature: what it takes and gives.
        started: when it was opened, monotonic seconds.
    """

    subject: Subject
    job: Job
    signature: Signature
    started: float


class Runner:
    """Opens files and runs them, for one call of `evaluate`.

    Args:
        options: what was asked for.
        folder: for files made on the way; somebody else removes it.
        notes: told of stages, steps and warnings.
        engine: runs shards of the samples; None for this machine's processes.
    """

    def __init__(
        self, options: EvaluateOptions, folder: Path, notes: Recorder, engine: Engine | None = None
    ) -> None:
        self.options = options
        self.notes = notes
        self._engine = engine
        self._folder = folder

    def open(self, subject: Subject, data: Data) -> Opened:
        """Look at a file, and hold that the data fit its inputs.

        Raises:
            InputError: they do not, or the file cannot be run.
            MissingPartError: a runtime, or (for a Keras model) TensorFlow, is not installed.
        """
        started = time.monotonic()
        scaling = self._scaling(subject)
        path = subject.path
        if subject.format == "keras":
            if not isinstance(data, ArraySet) and scaling is None:
                raise _unscaled(subject)
            into = Path(tempfile.mkdtemp(dir=self._folder))
            path = keras_float.write_float(subject.path, into, scaling, self.notes)
        self.notes.stage(f"loading {subject.file}")
        signature: Signature = gate.run(
            "edgecnn.evaluating.worker:look",
            str(path),
            subject.file,
            subject.signature,
            source=path,
            work=gate.RUN,
            what=f"running {subject.file}",
        )
        if isinstance(data, ArraySet):
            _check_arrays(subject.file, signature, data)
        elif not takes_pixels(signature.image(subject.file)) and scaling is None:
            raise _unscaled(subject)
        job = Job(str(path), subject.file, subject.signature, scaling, self.options.fitted)
        return Opened(subject, job, signature, started)

    def run(self, opened: Opened, data: Data, judge: Judge) -> Answers:
        """Answer every sample.

        Raises:
            InputError: an answer cannot be judged, or not one sample can be used.
            CrashedError: the runtime crashed.
        """
        self.notes.stage(f"evaluating {opened.subject.file}", data.count)
        options, job = self.options, opened.job
        if self._engine is None:
            answers = pool.run(job, data, judge, options.threads, self.notes)
        else:
            answers = sharding.run(self._engine, job, data, judge, options.shards, self.notes)
        self._warn_of_unusable(answers, data)
        return answers

    def _scaling(self, subject: Subject) -> Preprocessing | None:
        known, override = subject.preprocessing, self.options.preprocessing
        if override is not None and known is not None and override != known:
            self.notes.warn(
                f"{subject.file}: the preprocessing on the command line is used, not the one that"
                " the network was exported or trained with."
            )
        return override or known

    def _warn_of_unusable(self, answers: Answers, data: Data) -> None:
        bad = answers.unusable
        if not bad:
            return
        more = f" and {len(bad) - _NAMED} more" if len(bad) > _NAMED else ""
        named = ", ".join(bad[:_NAMED]) + more
        if not answers.count:
            raise InputError(f"{data.source}: not one image can be used: {named}.")
        self.notes.warn(f"{len(bad)} of {data.count} images could not be used: {named}.")


def of_run(opened: Opened, data: Data, answers: Answers) -> dict[str, Any]:
    """The fields of a `FileRun`."""
    return {
        "file": opened.subject.file,
        "recipe": opened.subject.recipe,
        "format": opened.subject.format,
        "data": data.source,
        "split": data.split,
        "images": answers.count,
        "unusable": len(answers.unusable),
        "runtime": opened.signature.runtime,
        "processes": answers.processes,
        "seconds": time.monotonic() - opened.started,
    }


def input_size(opened: Opened, data: Data) -> tuple[int, int]:
    """Height and width of the image input; of several inputs, that of the one image.

    Raises:
        InputError: there is no such input, or several.
    """
    images = [end for end in opened.signature.inputs if end.is_image]
    if isinstance(data, ArraySet) and len(images) == 1:
        return images[0].size
    return opened.signature.image(opened.subject.file).size


def _unscaled(subject: Subject) -> InputError:
    return InputError(
        f"{subject.file}: how its input is scaled is not known.",
        hint="Say it: --input-range 0,1 (or -1,1, or 0,255), or --mean and --std.",
    )


def _check_arrays(file: str, signature: Signature, data: ArraySet) -> None:
    needed = ", ".join(
        f"{end.name} {end.dtype} (N, {_tail(end.shape)})" for end in signature.inputs
    )
    recipe = f"numpy.savez(FILE, **{{NAME: array}}, labels=classes) with {needed}"
    for end in signature.inputs:
        values = data.of(end.name, len(signature.inputs))
        if values is None:
            raise InputError(
                f"{data.source}: no array for the input {end.name!r} of {file}; it holds"
                f" {', '.join(map(repr, data.arrays))}.",
                hint=recipe,
            )
        shape = _source_shape(end.shape, end.layout, end.file_layout)
        if values.shape[1:] != shape[1:]:
            raise InputError(
                f"{data.source}: the array {end.name!r} is {values.shape}, and {file} takes"
                f" (N, {_tail(shape)}).",
                hint=recipe,
            )
        is_float = end.dtype.startswith("float")
        if (values.dtype.kind == "f") != is_float or values.dtype.kind not in "fiub":
            raise InputError(
                f"{data.source}: the array {end.name!r} is {values.dtype}, and {file} takes"
                f" {end.dtype}; it is fed as it is.",
                hint="Scale it as the network expects, and save it in that dtype.",
            )


def _source_shape(shape: tuple[int, ...], layout: str, file_layout: str) -> tuple[int, ...]:
    """The shape that a sample has in the source model's layout."""
    if layout == file_layout or sorted(layout) != sorted(file_layout):
        return shape
    return tuple(shape[file_layout.index(axis)] for axis in layout)


def _tail(shape: tuple[int, ...]) -> str:
    return ", ".join(map(str, shape[1:]))
