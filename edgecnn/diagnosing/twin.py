"""The float file that a quantized one is compared with: named, beside it, or in the cache."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING

from edgecnn import isolation, store
from edgecnn.convert import float_stage, float_tflite
from edgecnn.errors import EdgeCnnError, InputError
from edgecnn.formats.tflite_graph import Graph

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from edgecnn.records import Manifest

_FILE = "model.tflite"
_FAITHFUL_DB = 60.0
_CACHE_KIND = "float-tflite"


def find(
    file: Path,
    manifest: Manifest | None,
    named: Path | None,
    probe: tuple[NDArray[np.float32], NDArray[np.float32]] | None,
) -> tuple[Path, bytes]:
    """Find the float twin of a quantized file.

    Args:
        file: the quantized .tflite.
        manifest: that lies beside it.
        named: what the user named: a float .tflite, or a folder with one.
        probe: one input (1, H, W, C) and the float logits (1, classes) it gives, from the
            artifact's reference: a file of the cache is taken only if it answers the same.

    Returns:
        Where it lies, and the bytes to compare with (a file of the cache with its normalizations
        folded, as the exported float file has them).

    Raises:
        InputError: there is none; the hint is a command that makes it.
    """
    if named is not None:
        path = next((place for place in _places(named) if place.is_file()), named)
        if not path.is_file():
            raise InputError(f"--against: {path} does not exist.", hint="Name a float .tflite.")
        return path, path.read_bytes()
    beside = file.parent.parent / "float32" / _FILE
    if beside.is_file() and beside.resolve() != file.resolve():
        return beside, beside.read_bytes()
    if manifest is not None and probe is not None:
        cached = _in_cache(manifest, *probe)
        if cached is not None:
            return cached, _folded(cached.read_bytes())
    raise InputError(
        f"{file} has no float file beside it to be compared with ({beside}), and none in the"
        " cache.",
        hint=_how_to_make(file, manifest),
    )


def _folded(data: bytes) -> bytes:
    graph = Graph.read(data)
    float_tflite.fold(graph)
    return graph.write()


def _places(named: Path) -> tuple[Path, ...]:
    """Where the float file may be: what the user named, its folder, or the one above that."""
    return named, named / _FILE, named / "float32" / _FILE


def _how_to_make(file: Path, manifest: Manifest | None) -> str:
    if manifest is None:
        return "Name the float file it was made from: --against FLOAT.tflite"
    out = shlex.quote(str(file.parent.parent))
    if manifest.model.weights in {"random", "imagenet"}:
        model = f"{shlex.quote(manifest.model.name)} --weights {manifest.model.weights}"
        model += f" --seed {manifest.seed} --classes {manifest.model.classes}"
        model += f" --input-size {manifest.model.input_shape[1]}"
    else:
        model = shlex.quote(manifest.model.weights)
    return (
        f"edgecnn export {model} --float32 --format tflite --out {out}  (with --width, and the"
        " path of your own model, if it has them); or name a float file: --against FLOAT.tflite"
    )


def _in_cache(
    manifest: Manifest, image: NDArray[np.float32], logits: NDArray[np.float32]
) -> Path | None:
    """A float stage of the same sizes whose logits on the probe are the reference's."""
    for info in sorted((store.cache_folder() / _CACHE_KIND).glob(f"*/{float_stage.INFO}")):
        path = info.parent / float_stage.TFLITE
        if _has_same_sizes(info, manifest) and path.is_file() and _answers(path, image, logits):
            return path
    return None


def _has_same_sizes(info: Path, manifest: Manifest) -> bool:
    try:
        found = json.loads(info.read_text(encoding="utf-8"))
        sizes = tuple(found["input_shape"]), found["classes"], found["parameters"]
    except (OSError, ValueError, KeyError, TypeError):  # another program's, or being removed
        return False
    model = manifest.model
    return sizes == (model.input_shape, model.classes, model.parameters)


def _answers(path: Path, image: NDArray[np.float32], logits: NDArray[np.float32]) -> bool:
    from edgecnn import parity

    try:
        found = isolation.run("edgecnn.parity:logits", str(path), [image], what=f"running {path}")
    except EdgeCnnError:  # damaged, or of another network: not the one that is looked for
        return False
    if found.shape != logits.shape:
        return False
    ratio = parity.snr_db(logits, found)
    return ratio is None or ratio >= _FAITHFUL_DB
