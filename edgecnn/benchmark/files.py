"""What a bench measures: model files, with what their manifest knows of them and feeds them."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecnn import digests, gate
from edgecnn import manifest as manifests
from edgecnn.errors import InputError
from edgecnn.inspection import inspect
from edgecnn.inspection.shapes import InputSizes, leaves_open, resolve

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from edgecnn.records import FileInfo, Manifest, ParityInfo

FORMATS = ("tflite", "onnx")
_REFERENCE_RUNS = 4  # enough to tell a wrong answer, and small enough to send anywhere


@dataclass(frozen=True)
class BenchFile:
    """One model file.

    Attributes:
        path: where it is.
        name: as the user named it, or within the folder the user named.
        format: "tflite" or "onnx".
        sha256: of its bytes.
        size_bytes: how many they are.
        model: the network's name, "" without a manifest.
        recipe: likewise.
        parity: as the manifest recorded it; None without one.
        inputs: an array for each input, the runs one behind the other along axis 0, in the file's
            layout: real numbers as the float network is fed, or integers; None for seeded inputs.
        shapes: a fixed shape for each input, where the user said what the file leaves open.
        mixed: whether some of its operators are integer and some float, by its manifest.
        macs: of one inference, likewise; None without one.
    """

    path: Path
    name: str
    format: str
    sha256: str
    size_bytes: int
    model: str = ""
    recipe: str = ""
    parity: ParityInfo | None = None
    inputs: tuple[NDArray[Any], ...] | None = field(default=None, compare=False, repr=False)
    shapes: tuple[tuple[int, ...], ...] | None = None
    mixed: bool = False
    macs: int | None = None


@gate.guarded("Reading")
def collect(
    paths: Iterable[Path | str],
    formats: Sequence[str] = ("tflite",),
    shapes: InputSizes | None = None,
) -> tuple[BenchFile, ...]:
    """The files that are meant, each once, in the order they are named.

    Args:
        paths: artifact folders, their manifest.json, or model files. A model file in an artifact
            folder gets what the manifest knows, as long as its bytes are the manifest's.
        formats: which files of a folder.
        shapes: sizes that the files leave open; they hold for every file.

    Raises:
        InputError: one does not exist, is no model, or cannot have these sizes; or a folder is not
            what its manifest says.
    """
    files: dict[Path, BenchFile] = {}
    for path in map(Path, paths):
        for file in _files_of(path, formats):
            files.setdefault(file.path.resolve(), file)
    if not files:
        raise InputError("No file is named.", hint="Name an artifact folder, or a model file.")
    return shaped(tuple(files.values()), shapes or InputSizes())


def shaped(files: Sequence[BenchFile], shapes: InputSizes) -> tuple[BenchFile, ...]:
    """The files with what they leave open said; beside such a file, fixed ones stay as they are.

    Raises:
        InputError: a file cannot have these sizes, or all fix theirs.
    """
    if not shapes:
        return tuple(files)
    inputs = [inspect(file.path, delegate=False).inputs for file in files]
    some_open = any(map(leaves_open, inputs))
    return tuple(
        replace(file, shapes=resolve(own, shapes, file.format, file.name))
        if leaves_open(own) or not some_open
        else file
        for file, own in zip(files, inputs, strict=True)
    )


def _files_of(path: Path, formats: Sequence[str]) -> list[BenchFile]:
    if path.name == manifests.NAME:
        path = path.parent
    if path.is_dir():
        return _artifact(path, formats)
    if path.suffix.removeprefix(".") not in FORMATS:
        raise InputError(
            f"{path} is neither an artifact folder nor a .tflite or .onnx file.",
            hint="`edgecnn export MODEL` makes them.",
        )
    return [_single(path)]


def _artifact(folder: Path, formats: Sequence[str]) -> list[BenchFile]:
    if not (folder / manifests.NAME).exists():
        raise InputError(f"{folder} holds no {manifests.NAME}.", hint=_which_folder(folder))
    manifest = manifests.load(folder / manifests.NAME)
    infos = [info for info in manifest.files if info.format in formats]
    if not infos:
        there = " and ".join(info.format for info in manifest.files) or "nothing"
        raise InputError(
            f"{folder} has no {' or '.join(formats)} file, but {there}.",
            hint="Choose with --format, or export again.",
        )
    return [_described(folder, info, manifest) for info in infos]


def _which_folder(folder: Path) -> str:
    inside = sorted(manifest.parent.name for manifest in folder.glob(f"*/{manifests.NAME}"))
    if inside:
        return f"Its folders {', '.join(inside)} do: name one, or several."
    return "Name a folder that `edgecnn export` wrote, or a model file."


def _described(folder: Path, info: FileInfo, manifest: Manifest) -> BenchFile:
    from edgecnn.verifying import check_bytes

    path = folder / info.path
    if problems := check_bytes(path, info, folder):
        raise InputError(
            f"{folder}: {problems[0]}.",
            hint=f"Export again, or see `edgecnn verify {shlex.quote(str(folder))}`.",
        )
    return _known(path, info, manifest)


def _known(path: Path, info: FileInfo, manifest: Manifest) -> BenchFile:
    return BenchFile(
        path=path,
        name=str(path),
        format=info.format,
        sha256=info.sha256,
        size_bytes=info.bytes,
        model=manifest.model.name,
        recipe=manifest.recipe,
        macs=manifest.model.macs,
        parity=info.parity,
        inputs=_reference_inputs(path.parent, info, manifest),
        mixed=info.integer == "mixed",
    )


def _reference_inputs(folder: Path, info: FileInfo, manifest: Manifest) -> tuple[NDArray[Any], ...]:
    """What the file is fed in its first runs, in its own layout."""
    from edgecnn import layouts, reference
    from edgecnn.calibration.sampleset import fed

    runs = reference.read(folder, manifest).inputs.first(_REFERENCE_RUNS, manifest.inputs)
    return tuple(
        layouts.convert(fed(values, endpoint, manifest.preprocessing), endpoint.layout, layout)
        for values, endpoint, layout in zip(
            runs.arrays, manifest.inputs, info.layouts.inputs, strict=True
        )
    )


def _single(path: Path) -> BenchFile:
    """A file the user named, with its manifest's knowledge where that is about these bytes."""
    sha256, size_bytes = _digest(path)
    beside = path.parent / manifests.NAME
    if beside.is_file():
        manifest = manifests.load(beside)
        for info in manifest.files:
            if (info.path, info.sha256) == (path.name, sha256):
                return _known(path, info, manifest)
    return BenchFile(path, str(path), path.suffix.removeprefix("."), sha256, size_bytes)


def _digest(path: Path) -> tuple[str, int]:
    try:
        return digests.of_file(path), path.stat().st_size
    except OSError as error:
        raise InputError(
            f"{path} cannot be read: {error.strerror}.", hint="Check the path."
        ) from error
