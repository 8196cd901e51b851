"""The verb `evaluate`: every file on every sample, on all cores."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecnn import gate, held
from edgecnn.datasets.arrays import ArraySet, open_arrays
from edgecnn.datasets.coco import DetectionSet, open_coco
from edgecnn.datasets.labelled import LabelledSet, existing_folder, open_labelled
from edgecnn.datasets.masks import MaskSet, open_masks
from edgecnn.datasets.pictures import has_classes, open_pictures
from edgecnn.errors import InputError
from edgecnn.evaluating import agreement, classification, detection, segmentation
from edgecnn.evaluating.options import EvaluateOptions
from edgecnn.evaluating.running import Runner
from edgecnn.evaluating.subjects import find_subjects
from edgecnn.progress import Progress, Recorder, Silent

if TYPE_CHECKING:
    from edgecnn.datasets.pictures import PictureSet
    from edgecnn.engines.tasks import Engine
    from edgecnn.evaluating.records import EvaluateReport
    from edgecnn.evaluating.subjects import Subject

    Source = LabelledSet | ArraySet | DetectionSet | MaskSet | PictureSet

_ARRAYS = ".npz"


@gate.guarded("Evaluating")
def evaluate(
    target: Path | str,
    *,
    progress: Progress | None = None,
    **options: Any,  # noqa: ANN401 - the fields of EvaluateOptions
) -> EvaluateReport:
    """Measure how often a network's files answer rightly, and what each recipe costs.

    Args:
        target: an artifact folder, a folder of artifacts (their recipes are compared with
            float32, image by image), a .tflite or .onnx, a .keras or .h5, or a folder of `train`.
        progress: told of each file and sample.
        **options: the fields of `EvaluateOptions`; `data` is the one that is needed.

    Returns:
        For each file its accuracy (classes), mean average precision (boxes) or IoU (masks); on
        data without labels its agreement with the float file. Images are decoded as they are
        needed.

    Raises:
        InputError: the target, the data, or how they fit is not what can be evaluated.
        MissingPartError: a runtime, Pillow, pycocotools or (for a Keras model) TensorFlow is not
            installed.
        CrashedError: a runtime crashed on a file.
    """
    chosen = EvaluateOptions(**options)
    notes = Recorder(progress or Silent())
    subjects = find_subjects(Path(target))
    data = _open(chosen)
    _warn_of_weights(subjects, notes)
    with held.temporary() as folder, _engine(chosen) as engine:
        report = _evaluate(subjects, data, Runner(chosen, folder, notes, engine))
    return replace(report, warnings=tuple(notes.warnings))


def _engine(options: EvaluateOptions) -> contextlib.AbstractContextManager[Engine | None]:
    """The cluster that is asked for, connected to; None for this machine's processes."""
    if options.ray is None:
        return contextlib.nullcontext()
    from edgecnn.engines.on_ray import RayEngine

    return RayEngine(options.ray)


def _evaluate(subjects: tuple[Subject, ...], data: Source, runner: Runner) -> EvaluateReport:
    if isinstance(data, DetectionSet):
        return detection.evaluate(subjects, data, runner)
    if isinstance(data, MaskSet):
        return segmentation.evaluate(subjects, data, runner)
    options = runner.options
    has_labels = isinstance(data, LabelledSet) or (
        isinstance(data, ArraySet) and data.labels is not None
    )
    if options.agreement or not has_labels or options.kind == "detect":
        return agreement.evaluate(subjects, data, runner)
    if isinstance(data, ArraySet) and options.kind == "segment":
        return segmentation.evaluate(subjects, data, runner)
    assert isinstance(data, (LabelledSet, ArraySet))  # noqa: S101 - for the type checker: it has labels
    return classification.evaluate(subjects, data, runner)


def _open(options: EvaluateOptions) -> Source:
    """The samples, with the labels that the task asks for where there are some."""
    path, limit, seed = Path(options.data), options.limit, options.seed
    if path.suffix == _ARRAYS:
        _refuse_labels(options, "arrays")
        return open_arrays(path, limit=limit, seed=seed)
    if _is_labelled(options):
        _refuse_labels(options, options.data)
        return open_labelled(options.data, options.split, limit=limit, seed=seed)
    folder = existing_folder(options.data)
    if options.annotations is not None and not options.agreement:
        return open_coco(folder, Path(options.annotations), limit=limit, seed=seed)
    if options.masks is not None and not options.agreement:
        return open_masks(folder, Path(options.masks), limit=limit, seed=seed)
    return open_pictures(folder, limit=limit, seed=seed)


def _is_labelled(options: EvaluateOptions) -> bool:
    """Whether the data are classes: fashion-mnist, or a folder with images in its folders."""
    path = Path(options.data)
    if not path.is_dir():
        return True  # a data set by name, or an error that says so
    if options.agreement or options.kind != "classify":
        return False
    from edgecnn.calibration import fashion_mnist

    return fashion_mnist.is_complete(path) or has_classes(path) or not _has_pictures(path)


def _has_pictures(folder: Path) -> bool:
    from edgecnn.calibration.folder import list_images

    return len(list_images(folder)) > 0


def _refuse_labels(options: EvaluateOptions, what: str) -> None:
    for option in ("annotations", "masks"):
        if getattr(options, option) is not None:
            raise InputError(
                f"--{option} goes with a folder of pictures, and --data is {what}.",
                hint="Name the folder that holds the images.",
            )


def _warn_of_weights(subjects: tuple[Subject, ...], notes: Recorder) -> None:
    if any(subject.model is not None and subject.model.weights == "random" for subject in subjects):
        notes.warn("The weights are random: the accuracy means nothing.")
