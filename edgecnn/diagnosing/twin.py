"""The float file that a quantized one is compared with: named, beside it, or in the cache."""

from __future__ import annotations

import itertools
import math
import shlex
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgecnn import caching, files, gate, layouts, parity
from edgecnn.convert import float_stage, float_tflite
from edgecnn.convert.float_cache import FloatModel
from edgecnn.diagnosing.commands import scaling
from edgecnn.errors import EdgeCnnError, InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edgecnn.diagnosing.ends import Ends
    from edgecnn.records import Manifest, Network
    from edgecnn.reference import Reference

_FILES = {".tflite": "model.tflite", ".onnx": "model.onnx"}
_OTHER = {".tflite": ".onnx", ".onnx": ".tflite"}
_FAITHFUL_DB = 60.0
_CACHE_KINDS = {"tflite": "float-tflite", "onnx": "float-onnx"}
_PROBES = 4
_NOT_ITS_NETWORK = -math.inf


@dataclass(frozen=True)
class Artifact:
    """What lies beside a quantized file that `export` wrote.

    Attributes:
        manifest: of the folder.
        ends: of the network and of the file.
        reference: what the float network gives.
    """

    manifest: Manifest
    ends: Ends
    reference: Reference


def find(file: Path, artifact: Artifact | None, named: Path | None) -> tuple[Path, bytes | Path]:
    """Find the float twin of a quantized file.

    Args:
        file: the quantized .tflite or .onnx; its twin is of the same format.
        artifact: what lies beside it: a twin has to give what its reference holds.
        named: what the user named: a float file, or a folder with one.

    Returns:
        Where it lies, and what to compare with: of a .tflite the bytes (a file of the cache with
        its normalizations folded, as the exported float file has them), of an .onnx the path.

    Raises:
        InputError: there is none; the hint is a command that makes it.
    """
    if named is not None:
        return _named(named, artifact, file.suffix)
    beside = file.parent.parent / "float32" / _FILES[file.suffix]
    about = f"no float file beside it to be compared with ({beside})"
    if beside.is_file() and beside.resolve() != file.resolve():
        data = _compared(beside)
        if artifact is None or _faithful(data, artifact) >= _FAITHFUL_DB:
            return beside, data
        about = f"a float file beside it that is of another network or other weights ({beside})"
    if artifact is not None:
        cached = next(_in_cache(artifact, file.suffix), None)
        if cached is not None:
            return cached
    raise InputError(
        f"{file} has {about}, and none in the cache.", hint=_how_to_make(file, artifact)
    )


def _compared(path: Path) -> bytes | Path:
    """What `find` returns of a file as it is."""
    return path if path.suffix == ".onnx" else files.read_bytes(path)


def _named(named: Path, artifact: Artifact | None, suffix: str) -> tuple[Path, bytes | Path]:
    path = next((place for place in _places(named, suffix) if place.is_file()), named)
    if not path.is_file():
        raise InputError(f"--against: {path} does not exist.", hint=f"Name a float {suffix}.")
    if (path.suffix == ".onnx") != (suffix == ".onnx"):
        raise InputError(
            f"--against: {path} is no {suffix}, and only files of one format are compared.",
            hint=f"Name the float {suffix} that the file was made from.",
        )
    data = _compared(path)
    if artifact is not None and (ratio := _faithful(data, artifact)) < _FAITHFUL_DB:
        how = "cannot run it" if ratio == _NOT_ITS_NETWORK else f"{ratio:.1f} dB SNR"
        raise InputError(
            f"--against: {path} does not give what the float network gave on reference.npz"
            f" ({how}, {_FAITHFUL_DB:.0f} at least): they are not of one network.",
            hint=f"Name the float {suffix} that the artifact was made from.",
        )
    return path, data


def _places(named: Path, suffix: str) -> tuple[Path, ...]:
    """Where the float file may be: what the user named, its folder, or the one above that."""
    return named, named / _FILES[suffix], named / "float32" / _FILES[suffix]


def origin(twin: Path, ends: Ends, manifest: Manifest | None) -> Path:
    """What an export starts from that is fed arrays in the source model's layouts.

    The float file where it has those itself; else that of the other format that was made with it,
    or the user's model by its name.
    """
    if ends.are_the_files or manifest is None:
        return twin
    other = _FILES[_OTHER[twin.suffix]]
    if (twin.parent / other).is_file():
        return twin.parent / other
    entry = caching.find(_CACHE_KINDS[_OTHER[twin.suffix][1:]], twin.parent.name)
    return Path(manifest.model.weights) if entry is None else entry / other


def _how_to_make(file: Path, artifact: Artifact | None) -> str:
    if artifact is None:
        return f"Name the float file it was made from: --against FLOAT{file.suffix}"
    manifest = artifact.manifest
    out = shlex.quote(str(file.parent.parent))
    image = manifest.inputs[0] if layouts.is_image(manifest.inputs[0]) else None
    if manifest.model.weights in {"random", "imagenet"}:
        model = f"{shlex.quote(manifest.model.name)} --weights {manifest.model.weights}"
        model += f" --seed {manifest.seed} --classes {manifest.model.classes}"
        if image is not None:
            model += f" --input-size {layouts.image_size(image)[0][0]}"
    else:
        model = shlex.quote(manifest.model.weights)
        model += "" if image is None else f" {scaling(manifest.preprocessing)}"
    return (
        f"edgecnn export {model} --float32 --format {file.suffix[1:]} --out {out}  (with --width,"
        " and the path of your own model, if it has them); or name a float file: --against"
        f" FLOAT{file.suffix}"
    )


def _in_cache(artifact: Artifact, suffix: str) -> Iterator[tuple[Path, bytes | Path]]:
    """The float stages of the same ends whose answers on the reference are the same."""
    file_format = suffix.removeprefix(".")
    folder = caching.cache_folder() / _CACHE_KINDS[file_format]
    for info in sorted(folder.glob(f"*/{float_stage.INFO}")):
        model = _of_cache(info.parent, artifact.manifest, file_format)
        if model is None:
            continue
        path = model.path(file_format)
        if _faithful(path if suffix == ".onnx" else _read(path), artifact) >= _FAITHFUL_DB:
            yield path, path if suffix == ".onnx" else float_tflite.read(model).data


def _of_cache(folder: Path, manifest: Manifest, file_format: str) -> FloatModel | None:
    """What a folder of the cache holds; None where that is another network."""
    import cattrs

    try:
        info = float_stage.read_info(folder)
    except (OSError, ValueError, KeyError, TypeError, cattrs.BaseValidationError):
        return None  # another version's, or being removed
    if not _is_of(info.network, manifest) or caching.problem_of(folder):
        return None
    return FloatModel(info.network, {file_format: folder}, info.layouts)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # being removed
        return b""


def _is_of(network: Network, manifest: Manifest) -> bool:
    outputs = [astuple(output)[:-1] for output in manifest.outputs]  # without what export added
    return (
        network.inputs == manifest.inputs
        and [astuple(end) for end in network.outputs] == outputs
        and network.parameters == manifest.model.parameters
    )


def _faithful(data: bytes | Path, artifact: Artifact) -> float:
    """How close a float file is to an artifact's reference on some of its samples, in dB."""
    manifest, ends = artifact.manifest, artifact.ends
    samples = artifact.reference.inputs.first(_PROBES, ends.inputs)
    feeds = samples.feeds(ends.inputs, manifest.preprocessing)
    try:
        measured: parity.Answers = gate.run(
            "edgecnn.parity:answers",
            data,
            list(itertools.islice(feeds, _PROBES)),
            source=data,
            work=gate.RUN,
            what="running the float file",
            inputs=ends.inputs,
            outputs=ends.outputs,
            file_layouts=ends.layouts,
        )
    except EdgeCnnError:  # damaged, or of another network
        return _NOT_ITS_NETWORK
    return min(
        _ratio(artifact.reference.answers, measured, place) for place in range(len(ends.outputs))
    )


def _ratio(reference: parity.Answers, measured: parity.Answers, place: int) -> float:
    expected, actual, _ = parity.comparable(reference, measured, place)
    expected = expected[: len(actual)]
    if expected.shape != actual.shape:
        return _NOT_ITS_NETWORK
    ratio = parity.snr_db(expected, actual)
    return math.inf if ratio is None else ratio
