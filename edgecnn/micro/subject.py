"""The file that is meant, and what it is fed to be compared."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgecnn import files, gate, layouts
from edgecnn import manifest as manifests
from edgecnn.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from edgecnn.inspection import Inspection
    from edgecnn.inspection.tflite_graph import Model
    from edgecnn.records import FileInfo, Manifest, TensorInfo

    Arrays = tuple[NDArray[Any], ...]

DEFAULT = "edgecnn.runtime.session:infer"
REFERENCE = "edgecnn.runtime.litert:run_reference"
_RUNS = 4
_MOST_ELEMENTS = 16 << 20
_MOST_MODEL_BYTES = 1 << 30


@dataclass(frozen=True, eq=False)
class Subject:
    """One .tflite file.

    Attributes:
        path: of it.
        name: of the network, as whoever made it called it.
        data: its bytes.
        model: what they hold.
        inspection: likewise, counted.
        runs: arrays for every input, of its own dtype and shape, run after run.
        are_reference: whether those are an artifact's reference inputs; else they are random.
    """

    path: Path
    name: str
    data: bytes
    model: Model
    inspection: Inspection
    runs: tuple[Arrays, ...]
    are_reference: bool


def read(path: Path) -> Subject:
    """Read a .tflite file, or that of an artifact folder.

    Raises:
        InputError: there is none, it is damaged, or the folder is not what its manifest says.
    """
    from edgecnn.inspection import flatbuffer, inspect

    folder, described = _located(path)
    model_path, name = path, path.stem
    if described is not None:
        model_path, name = folder / described[0].path, described[1].model.name
    try:
        data = files.read_bytes(model_path, _MOST_MODEL_BYTES)
    except OSError as error:
        raise InputError(
            f"{model_path} cannot be read: {error.strerror}.", hint="Check the path."
        ) from error
    model = flatbuffer.parse(data, str(model_path))
    inspection = inspect(model_path, delegate=False)
    runs = (
        _random(inspection.inputs)
        if described is None
        else _reference(folder, *described, inspection.inputs)
    )
    return Subject(model_path, name, data, model, inspection, runs, described is not None)


def _located(path: Path) -> tuple[Path, tuple[FileInfo, Manifest] | None]:
    """The folder; and the .tflite that is meant with its manifest, None for a bare file."""
    if path.name == manifests.NAME:
        path = path.parent
    if not path.exists():
        raise InputError(
            f"{path} does not exist.", hint="Name a .tflite file, or an artifact folder."
        )
    folder = path if path.is_dir() else path.parent
    if not (folder / manifests.NAME).is_file():
        if path.is_dir():
            raise InputError(f"{path} holds no {manifests.NAME}.", hint=_which_folder(path))
        return folder, None
    manifest = manifests.load(folder / manifests.NAME)
    for file in manifest.files:
        if file.format == "tflite" and path in {folder, folder / file.path}:
            _check(folder, file)
            return folder, (file, manifest)
    if path.is_dir():
        raise InputError(
            f"{path} holds no .tflite file.", hint="Export with --format tflite or both."
        )
    return folder, None


def _which_folder(path: Path) -> str:
    inside = sorted(manifest.parent.name for manifest in path.glob(f"*/{manifests.NAME}"))
    return f"Its folder {inside[0]} does: name that." if inside else "`edgecnn export` makes one."


def _check(folder: Path, file: FileInfo) -> None:
    from edgecnn.verifying import check_bytes

    if problems := check_bytes(folder / file.path, file, folder):
        raise InputError(f"{folder}: {problems[0]}.", hint="Export again.")


def _reference(
    folder: Path, file: FileInfo, manifest: Manifest, inputs: Sequence[TensorInfo]
) -> tuple[Arrays, ...]:
    from edgecnn import reference
    from edgecnn.runtime.session import quantize_input

    stored = reference.read(folder, manifest)
    first = stored.inputs.first(_RUNS, manifest.inputs)
    ends = list(zip(manifest.inputs, file.layouts.inputs, inputs, strict=True))
    return tuple(
        tuple(
            quantize_input(layouts.convert(values, end.layout, layout), info)
            for values, (end, layout, info) in zip(feed, ends, strict=True)
        )
        for feed in first.feeds(manifest.inputs, manifest.preprocessing)
    )


def _random(inputs: Sequence[TensorInfo]) -> tuple[Arrays, ...]:
    """Seeded inputs over the whole range of the dtype; floats in 0..1."""
    import numpy as np

    draw = np.random.default_rng(0)
    most = max((math.prod(abs(size) for size in info.shape) for info in inputs), default=0)
    if most > _MOST_ELEMENTS:
        raise InputError(
            f"An input has {most:,} elements: no microcontroller holds it.",
            hint="Export it with a smaller --input-size.",
        )

    def values(info: TensorInfo) -> NDArray[Any]:
        shape = tuple(abs(size) for size in info.shape)
        if info.dtype.startswith("float"):
            return draw.random(shape).astype(info.dtype)
        if info.dtype not in {"int8", "uint8", "int16"}:
            return np.zeros(shape, info.dtype)  # an index, a length, a mask
        limits = np.iinfo(info.dtype)
        return draw.integers(limits.min, limits.max, shape, info.dtype, endpoint=True)

    return tuple(tuple(values(info) for info in inputs) for _ in range(_RUNS))


def litert_outputs(subject: Subject, function: str) -> list[list[NDArray[Any]]]:
    """What LiteRT computes, run by run, an array for every output.

    Args:
        subject: the file and its inputs.
        function: `DEFAULT` for LiteRT as it runs, `REFERENCE` for its reference kernels.

    Raises:
        InputError: LiteRT refuses the file.
        CrashedError: it crashed on it.
    """
    outputs: list[list[NDArray[Any]]] = gate.run(
        function,
        subject.path,
        subject.runs,
        source=subject.path,
        work=gate.RUN,
        what=f"running {subject.path}",
    )
    return outputs
