"""What `evaluate` is asked about: an artifact, a folder of them, a file, or a Keras model."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgecnn import files
from edgecnn import manifest as manifests
from edgecnn.errors import InputError
from edgecnn.inspection import inspect
from edgecnn.recipes import RECIPES
from edgecnn.records import Preprocessing  # noqa: TC001 - cattrs reads the annotation
from edgecnn.strict import strict_converter
from edgecnn.verifying import check_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from edgecnn.records import Endpoint, FileInfo, Manifest, ModelInfo, OutputInfo

_FORMATS = (".tflite", ".onnx")
_KERAS = (".keras", ".h5", ".hdf5")
# What `edgecnn train` writes.
_TRAINED, _TRAINING = "model.keras", "training.json"
FLOAT = "float32"
_COMPUTED_IN = {"int16": "int16x8"}


@dataclass(frozen=True)
class KnownSignature:
    """What a manifest says of a network's inputs and outputs, and how a file's differ.

    Attributes:
        inputs: of the source model.
        outputs: likewise.
        input_layouts: of the file, in the same order; "" where it is not known.
        output_layouts: likewise.
    """

    inputs: tuple[Endpoint, ...]
    outputs: tuple[OutputInfo, ...]
    input_layouts: tuple[str, ...]
    output_layouts: tuple[str, ...]


@dataclass(frozen=True)
class Subject:
    """One file to be evaluated.

    Attributes:
        file: how it is called in the report.
        path: where it lies.
        recipe: as `Evaluation.recipe`.
        format: likewise.
        preprocessing: as its manifest or training record has it; None where neither is there.
        model: of its manifest; None without one.
        classes: names of its outputs, where a training record has them.
        signature: inputs and outputs as its manifest has them; None without one.
    """

    file: str
    path: Path
    recipe: str
    format: str
    preprocessing: Preprocessing | None = None
    model: ModelInfo | None = None
    classes: tuple[str, ...] = ()
    signature: KnownSignature | None = None


@dataclass(frozen=True)
class _Training:
    """The part of training.json that is needed here."""

    classes: tuple[str, ...]
    preprocessing: Preprocessing


def find_subjects(target: Path) -> tuple[Subject, ...]:
    """Every model file of what the user named.

    Args:
        target: an artifact folder or its manifest.json, a folder of artifacts, a .tflite or .onnx,
            a .keras or .h5, or a folder that `edgecnn train` wrote.

    Raises:
        InputError: there is nothing to evaluate, or a file is not what its manifest says.
    """
    if target.name == manifests.NAME:
        target = target.parent
    if target.is_dir():
        return _in_folder(target)
    if not target.exists():
        raise InputError(
            f"{target} does not exist.",
            hint="Name a folder that `edgecnn export` or `edgecnn train` wrote, or a model file.",
        )
    if target.suffix.lower() in _KERAS:
        return (_of_keras(target, str(target)),)
    if target.suffix in _FORMATS:
        return (_of_file(target),)
    raise InputError(
        f"{target} is no model that can be evaluated.",
        hint=f"Name an artifact's folder, or one of {' '.join(_FORMATS + _KERAS)}.",
    )


def _in_folder(folder: Path) -> tuple[Subject, ...]:
    paths = [folder / manifests.NAME, *sorted(folder.glob(f"*/{manifests.NAME}"))]
    listings = (_of_manifest(path, folder) for path in paths if path.is_file())
    subjects = [subject for listing in listings for subject in listing]
    if subjects:
        order = list(RECIPES)
        return tuple(sorted(subjects, key=lambda subject: order.index(subject.recipe)))
    if (folder / _TRAINED).is_file():
        return (_of_keras(folder / _TRAINED, _TRAINED),)
    raise InputError(
        f"{folder} has no {manifests.NAME} in it or in a folder of it, and no {_TRAINED}.",
        hint="Name a folder that `edgecnn export` or `edgecnn train` wrote.",
    )


def _of_manifest(path: Path, named: Path) -> list[Subject]:
    manifest = manifests.load(path)
    if manifest.recipe not in RECIPES:
        raise InputError(f"{path} has no known recipe: {manifest.recipe!r}.", hint="Export again.")
    if not manifest.inputs or not manifest.outputs:
        raise InputError(
            f"{path} was written by an older edgecnn: it lists no inputs and outputs.",
            hint="Export again.",
        )
    subjects = []
    for info in manifest.files:
        file = path.parent / info.path
        if problems := check_bytes(file, info, path.parent):
            raise InputError(
                f"{path.parent}: {problems[0]}.",
                hint=f"Export again; edgecnn verify {shlex.quote(str(path.parent))}",
            )
        subjects.append(
            Subject(
                file=str(file.relative_to(named)),
                path=file,
                recipe=manifest.recipe,
                format=info.format,
                preprocessing=manifest.preprocessing,
                model=manifest.model,
                signature=_signature(manifest, info),
            )
        )
    return subjects


def _signature(manifest: Manifest, info: FileInfo) -> KnownSignature:
    return KnownSignature(
        manifest.inputs,
        manifest.outputs,
        tuple(tensor.layout for tensor in info.inputs),
        tuple(tensor.layout for tensor in info.outputs),
    )


def float_beside(subject: Subject) -> Subject | None:
    """The float32 file of the same network in a folder beside a subject's, in its format.

    `edgecnn export` writes NETWORK/int8 and NETWORK/float32.
    """
    if subject.model is None:
        return None
    folder = subject.path.parent.parent / FLOAT
    if not (folder / manifests.NAME).is_file():
        return None
    subjects = [
        file
        for file in _of_manifest(folder / manifests.NAME, folder.parent)
        if file.recipe == FLOAT and file.model == subject.model
    ]
    same = [file for file in subjects if file.format == subject.format]
    return next(iter(same or subjects), None)


def _of_file(path: Path) -> Subject:
    """A file alone, or one that a manifest beside it lists."""
    beside = path.parent / manifests.NAME
    if beside.is_file():
        for subject in _of_manifest(beside, path.parent):
            if subject.path == path:
                return Subject(**{**vars(subject), "file": str(path)})
    inspection = inspect(path, delegate=False)
    return Subject(str(path), path, _recipe(inspection.graph.macs_by_dtype), inspection.format)


def _recipe(macs: Mapping[str, int]) -> str:
    dtype = max(macs, key=macs.__getitem__, default="float32")
    return _COMPUTED_IN.get(dtype, dtype)


def _of_keras(path: Path, file: str) -> Subject:
    training = _read_training(path.parent / _TRAINING) if path.name == _TRAINED else None
    return Subject(
        file=file,
        path=path,
        recipe=FLOAT,
        format="keras",
        preprocessing=training.preprocessing if training else None,
        classes=training.classes if training else (),
    )


def _read_training(path: Path) -> _Training | None:
    if not path.is_file():
        return None
    import cattrs

    try:
        content = json.loads(files.read_text(path))
        training: _Training = strict_converter().structure(content, _Training)
    except (OSError, ValueError, RecursionError, cattrs.BaseValidationError) as error:
        raise InputError(
            f"{path} is damaged: {error}.", hint="Train again, or name the model file alone."
        ) from error
    return training
