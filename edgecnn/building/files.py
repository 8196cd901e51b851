"""The user's model and weights files: what they are by name and first bytes, and their hashes."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from edgecnn import files as regular
from edgecnn.building import keras_config, outside
from edgecnn.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

FileKind = Literal["keras-file", "savedmodel", "tflite", "onnx"]

_MODEL_SUFFIXES: dict[str, FileKind] = {
    ".keras": "keras-file",
    ".h5": "keras-file",
    ".hdf5": "keras-file",
    ".tflite": "tflite",
    ".onnx": "onnx",
}
_WEIGHTS_SUFFIXES = (".h5", ".hdf5", ".keras", ".npz")
_ZIP, _HDF5 = b"PK\x03\x04", b"\x89HDF\r\n\x1a\n"
# suffix -> (offset, the bytes every such file has there)
_MAGIC: dict[str, tuple[int, bytes]] = {
    ".keras": (0, _ZIP),
    ".npz": (0, _ZIP),
    ".h5": (0, _HDF5),
    ".hdf5": (0, _HDF5),
    ".tflite": (4, b"TFL3"),
}
_OTHER_FORMATS = {
    ".pt": "Write an .onnx file with torch.onnx.export, where the network's code is at hand.",
    ".pth": "Write an .onnx file with torch.onnx.export, where the network's code is at hand.",
    ".pb": "Give the SavedModel's folder, not the file in it.",
}
_CHUNK_BYTES = 1 << 20


def model_kind(model: str) -> FileKind | None:
    """What kind of model file the name's suffix says; None when it says nothing."""
    return _MODEL_SUFFIXES.get(Path(model).suffix.lower())


def exists(path: str) -> bool:
    """Whether there is such a file or folder; a name no file can have counts as none."""
    try:
        return bool(path) and Path(path).exists()
    except (OSError, ValueError):
        return False


def split_signature(model: str) -> tuple[str, str | None]:
    """FOLDER:NAME into a SavedModel's folder and the signature that is wanted of it."""
    folder, _, name = model.rpartition(":")
    is_one = not exists(model) and name and exists(str(Path(folder) / "saved_model.pb"))
    return (folder, name) if folder and is_one else (model, None)


def require_model(model: str) -> FileKind:
    """Return the kind of a user's model after looking at its first bytes.

    Raises:
        InputError: it is missing, unreadable, no model, or would run code on loading.
    """
    path = Path(model)
    _require(path, model)
    if path.is_dir():
        return _require_saved_model(path)
    kind = model_kind(model)
    if kind is None:
        raise InputError(
            f"{model}: edgecnn cannot build from a file that ends in {path.suffix or 'nothing'!r}.",
            hint=_OTHER_FORMATS.get(
                path.suffix.lower(),
                "Give a .keras, .h5, float .tflite or .onnx file, or a SavedModel.",
            ),
        )
    if path.name.lower().endswith(".weights.h5"):
        raise InputError(
            f"{model} holds weights without a network.",
            hint=f"Name the network: `NAME --weights {shlex.quote(model)}`.",
        )
    _require_magic(path)
    if path.suffix.lower() == ".keras":
        keras_config.check_archive(path)
    return kind


def require_weights(weights: str) -> Path:
    """Return the path of a weights file after looking at its first bytes.

    Raises:
        InputError: it is missing, unreadable, or of no known format.
    """
    path = Path(weights)
    if not exists(weights) and path.suffix.lower() not in _WEIGHTS_SUFFIXES:
        raise InputError(
            f"--weights {weights}: neither a known word nor a file.",
            hint="Use random, none, imagenet, or a .weights.h5, .h5, .keras or .npz file.",
        )
    _require(path, f"--weights {weights}")
    if path.is_dir() or path.suffix.lower() not in _WEIGHTS_SUFFIXES:
        raise InputError(
            f"--weights {weights}: not a weights file.",
            hint="Give a .weights.h5, .h5, .keras or .npz file.",
        )
    _require_magic(path)
    return path


def _require(path: Path, what: str) -> None:
    if not exists(str(path)):
        raise InputError(f"{what}: there is no such file or folder.", hint="Check the path.")


def _require_saved_model(path: Path) -> FileKind:
    if not (path / "saved_model.pb").is_file():
        raise InputError(
            f"{path} is a folder, but no SavedModel: it has no saved_model.pb.",
            hint="Keras writes one with model.export(FOLDER).",
        )
    outside.refuse(path)
    return "savedmodel"


def _require_magic(path: Path) -> None:
    suffix = path.suffix.lower()
    if suffix not in _MAGIC:
        return  # .onnx is protobuf, which begins with nothing of its own
    offset, expected = _MAGIC[suffix]
    with _reading(path), regular.open_binary(path) as file:
        file.seek(offset)
        magic = file.read(len(expected))
    if magic != expected:
        raise InputError(
            f"{path} is no {suffix} file: it does not begin as one.",
            hint="It may be cut off, or a Git LFS pointer, or wrongly named.",
        )


def tree_sha256(path: Path) -> str:
    """Sha256 (hex) of a file's content, or of a folder's relative names and contents.

    Raises:
        InputError: a file cannot be read.
    """
    whole = hashlib.sha256()
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    for file in files:
        if file != path:
            whole.update(file.relative_to(path).as_posix().encode() + b"\0")
        content = hashlib.sha256()
        for chunk in _chunks(file):
            content.update(chunk)
        whole.update(content.digest())
    return whole.hexdigest()


def _chunks(path: Path) -> Iterator[bytes]:
    with _reading(path), regular.open_binary(path) as file:
        while chunk := file.read(_CHUNK_BYTES):
            yield chunk


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from error


def module_sha256(module: str) -> str:
    """Sha256 (hex) of a module's source, found without importing it."""
    spec = importlib.util.find_spec(module)
    assert spec is not None  # noqa: S101 - for the type checker: the table names our own modules
    assert spec.origin is not None  # noqa: S101 - likewise
    return tree_sha256(Path(spec.origin))


def digest(*parts: object) -> str:
    """Sha256 (hex) of JSON-able parts, the same in every process."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
