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

_FILE, _ONNX = "model.tflite", "model.onnx"
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


def find(file: Path, artifact: Artifact | None, named: Path | None) -> tuple[Path, bytes]:
    """Find the float twin of a quantized file.

    Args:
        file: the quantized .tflite.
        artifact: what lies beside it: a twin has to give what its reference holds.
        named: what the user named: a float .tflite, or a folder with one.

    Returns:
        Where it lies, and the bytes to compare with (a file of the cache with its normalizations
        folded, as the exported float file has them).

    Raises:
        InputError: there is none; the hint is a command that makes it.
    """
    if named is not None:
        return _named(named, artifact)
    beside = file.parent.parent / "float32" / _FILE
    about = f"no float file beside it to be compared with ({beside})"
    if beside.is_file() and beside.resolve() != file.resolve():
        data = files.read_bytes(beside)
        if artifact is None or _faithful(data, artifact) >= _FAITHFUL_DB:
            return beside, data
        about = f"a float file beside it that is of another network or other weights ({beside})"
    if artifact is not None:
        cached = next(_in_cache(artifact), None)
        if cached is not None:
            return cached
    raise InputError(
        f"{file} has {about}, and none in the cache.", hint=_how_to_make(file, artifact)
    )


def _named(named: Path, artifact: Artifact | None) -> tuple[Path, bytes]:
    path = next((place for place in _places(named) if place.is_file()), named)
    if not path.is_file():
        raise InputError(f"--against: {path} does not exist.", hint="Name a float .tflite.")
    data = files.read_bytes(path)
    if artifact is not None and (ratio := _faithful(data, artifact)) < _FAITHFUL_DB:
        how = "cannot run it" if ratio == _NOT_ITS_NETWORK else f"{ratio:.1f} dB SNR"
        raise InputError(
            f"--against: {path} does not give what the float network gave on reference.npz"
            f" ({how}, {_FAITHFUL_DB:.0f} at least): they are not of one network.",
            hint="Name the float .tflite that the artifact was made from.",
        )
    return path, data


def _places(named: Path) -> tuple[Path, ...]:
    """Where the float file may be: what the user named, its folder, or the one above that."""
    return named, named / _FILE, named / "float32" / _FILE


def origin(twin: Path, ends: Ends, manifest: Manifest | None) -> Path:
    """What an export starts from that is fed arrays in the source model's layouts.

    The float .tflite where it has those itself; else the float .onnx that was made with it, or the
    user's model by its name.
    """
    if ends.are_the_files or manifest is None:
        return twin
    if (twin.parent / _ONNX).is_file():
        return twin.parent / _ONNX
    entry = caching.find(_CACHE_KINDS["onnx"], twin.parent.name)
    return Path(manifest.model.weights) if entry is None else entry / _ONNX


def _how_to_make(file: Path, artifact: Artifact | None) -> str:
    if artifact is None:
        return "Name the float file it was made from: --against FLOAT.tflite"
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
        f"edgecnn export {model} --float32 --format tflite --out {out}  (with --width, and the"
        " path of your own model, if it has them); or name a float file: --against FLOAT.tflite"
    )


def _in_cache(artifact: Artifact) -> Iterator[tuple[Path, bytes]]:
    """The float stages of the same ends whose answers on the reference are the same."""
    folder = caching.cache_folder() / _CACHE_KINDS["tflite"]
    for info in sorted(folder.glob(f"*/{float_stage.INFO}")):
        model = _of_cache(info.parent, artifact.manifest)
        if model is not None and _faithful(_read(model), artifact) >= _FAITHFUL_DB:
            yield model.path("tflite"), float_tflite.read(model).data


def _of_cache(folder: Path, manifest: Manifest) -> FloatModel | None:
    """What a folder of the cache holds; None where that is another network."""
    import cattrs

    try:
        info = float_stage.read_info(folder)
    except (OSError, ValueError, KeyError, TypeError, cattrs.BaseValidationError):
        return None  # another version's, or being removed
    if not _is_of(info.network, manifest) or caching.problem_of(folder):
        return None
    return FloatModel(info.network, {"tflite": folder}, info.layouts)


def _read(model: FloatModel) -> bytes:
    try:
        return model.path("tflite").read_bytes()
    except OSError:  # being removed
        return b""


def _is_of(network: Network, manifest: Manifest) -> bool:
    outputs = [astuple(output)[:-1] for output in manifest.outputs]  # without what export added
    return (
        network.inputs == manifest.inputs
        and [astuple(end) for end in network.outputs] == outputs
        and network.parameters == manifest.model.parameters
    )


def _faithful(data: bytes, artifact: Artifact) -> float:
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
