"""The verb `verify`: whether an artifact folder is still what its manifest says.

Needs the base install only: hashes, LiteRT, and the reference that lies in the folder.
"""

from __future__ import annotations

import hashlib
import math
import os
import struct
import zipfile
import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from edgecnn import isolation, parity
from edgecnn import manifest as manifests
from edgecnn.errors import InputError, MissingPartError
from edgecnn.progress import Progress, Silent

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from edgecnn.records import FileInfo, Manifest, ParityInfo

REFERENCE = "reference.npz"
# Kernels of another machine round a little differently: so much may be lost against the record,
# and above so many dB nothing is left to tell.
_TOLERANCE_DB = 1.0
_BEYOND_DOUBT_DB = 60.0
_CHUNK_BYTES = 1 << 20
_LONGEST_NAME = 255  # bytes, on every usual file system
# All that numpy and zipfile raise on a damaged file.
_UNREADABLE = (
    OSError, ValueError, KeyError, EOFError, AttributeError, MemoryError, NotImplementedError,
    OverflowError, RuntimeError, TypeError, struct.error, zipfile.BadZipFile, zlib.error,
)  # fmt: skip


@dataclass(frozen=True)
class VerifiedFile:
    """One file of a folder, held against its manifest.

    Attributes:
        path: relative to the folder.
        ok: whether nothing is wrong.
        problems: what is wrong, one sentence each.
        parity: recomputed here; None when the file could not be run.
        recorded: as the manifest has it.
        note: what was not checked, and why; "" when all was.
    """

    path: str
    ok: bool
    problems: tuple[str, ...]
    parity: ParityInfo | None
    note: str = ""
    recorded: ParityInfo | None = None


@dataclass(frozen=True)
class VerifyResult:
    """A folder, file by file."""

    folder: Path
    recipe: str
    files: tuple[VerifiedFile, ...]

    @property
    def ok(self) -> bool:
        """Whether every file is what the manifest says."""
        return all(file.ok for file in self.files)


def verify(
    path: Path | str, *, threads: int | None = None, progress: Progress | None = None
) -> VerifyResult:
    """Recompute hashes and parity of an artifact.

    Args:
        path: an artifact folder, its manifest.json, or one of its model files.
        threads: of one inference; None for one.
        progress: told of each file and image.

    Returns:
        What was found; a file whose runtime is not installed is hashed only, and says so.

    Raises:
        InputError: there is no manifest or reference, or they are damaged.
        MissingPartError: no file could be run, since no runtime for any is installed.
    """
    folder, only = _locate(Path(path))
    manifest = manifests.load(folder / manifests.NAME)
    meant = [file for file in manifest.files if only in {None, file.path}]
    if not meant:
        names = ", ".join(file.path for file in manifest.files) or "none"
        raise InputError(
            f"{path} is not among the files of its manifest.", hint=f"Those are: {names}."
        )
    inputs, logits = read_reference(folder / REFERENCE)
    watcher = progress or Silent()
    files = tuple(
        replace(
            _verify_file(folder, file, manifest, inputs, logits, threads or 1, watcher),
            recorded=file.parity,
        )
        for file in meant
    )
    if all(file.note for file in files):
        raise MissingPartError(
            f"{folder}: {files[0].note}", hint="pip install edgecnn 'edgecnn[onnx]'"
        )
    return VerifyResult(folder, manifest.recipe, files)


def _locate(path: Path) -> tuple[Path, str | None]:
    """The folder, and the one file of it that is meant, if it is one."""
    if path.is_dir():
        return path, None
    if not path.exists():
        raise InputError(f"{path} does not exist.", hint="Name a folder `edgecnn export` wrote.")
    return path.parent, None if path.name == manifests.NAME else path.name


def read_reference(path: Path) -> tuple[NDArray[np.generic], NDArray[np.float32]]:
    """Read a reference.npz.

    Returns:
        Inputs (N, H, W, C), uint8 pixels before preprocessing or float32 as they are fed, and
        the float network's logits (N, classes).

    Raises:
        InputError: it is not there, or damaged.
    """
    import numpy as np

    try:
        with np.load(path, allow_pickle=False) as arrays:
            inputs, logits = arrays["inputs"], arrays["logits"]
            _check_reference(inputs, logits)
    except _UNREADABLE as error:
        raise InputError(
            f"{path} cannot be read: {error}", hint="Export again; the folder is not whole."
        ) from error
    return inputs, logits


def _check_reference(inputs: NDArray[np.generic], logits: NDArray[np.float32]) -> None:
    """Hold two arrays to what `export` writes: N images, and N finite logits of each class."""
    import numpy as np

    if inputs.dtype.name not in {"uint8", "float32"} or logits.dtype.name != "float32":
        raise ValueError(f"its arrays are {inputs.dtype} and {logits.dtype}")
    if (inputs.ndim, logits.ndim) != (4, 2):
        raise ValueError(f"its arrays have shapes {inputs.shape} and {logits.shape}")
    if len(inputs) != len(logits) or not logits.size:
        raise ValueError(f"it holds {len(inputs)} inputs and {len(logits)} outputs")
    if not np.isfinite(logits).all():
        raise ValueError("its logits are not finite")


def _verify_file(
    folder: Path,
    file: FileInfo,
    manifest: Manifest,
    inputs: NDArray[np.generic],
    logits: NDArray[np.float32],
    threads: int,
    progress: Progress,
) -> VerifiedFile:
    path = folder / file.path
    problems = check_bytes(path, file, folder)
    if problems:
        return VerifiedFile(file.path, ok=False, problems=tuple(problems), parity=None)
    progress.stage(f"running {file.path}", len(inputs))
    try:
        found = isolation.run(
            "edgecnn.verifying:run_logits",
            str(path),
            inputs,
            manifest.preprocessing,
            threads=threads,
            what=f"running {path}",
            progress=progress,
        )
        measured = parity.compare(logits, found)
    except MissingPartError as error:
        note = f"hash matches; parity not run: {error.message} ({error.hint})"
        return VerifiedFile(file.path, ok=True, problems=(), parity=None, note=note)
    except (InputError, isolation.CrashedError) as error:
        return VerifiedFile(file.path, ok=False, problems=(error.message,), parity=None)
    problems = _check_parity(file.parity, measured)
    return VerifiedFile(file.path, ok=not problems, problems=tuple(problems), parity=measured)


def run_logits(
    path: str,
    inputs: NDArray[np.generic],
    preprocessing: object,
    *,
    threads: int,
    progress: Progress,
) -> NDArray[np.float32]:
    """Run a file on the reference inputs; called in a child process."""
    from edgecnn.calibration.preprocessing import preprocess

    feeds = (
        preprocess(inputs[i : i + 1], preprocessing)  # type: ignore[arg-type] # uint8 pixels
        if inputs.dtype.name == "uint8"
        else inputs[i : i + 1]
        for i in range(len(inputs))
    )
    return parity.logits(path, feeds, threads=threads, progress=progress)  # type: ignore[arg-type] # float32


def check_bytes(path: Path, file: FileInfo, folder: Path) -> list[str]:
    """What is wrong with a file's bytes, against its manifest; nothing runs it."""
    if not _can_be_a_path(file.path):
        return [f"{file.path!r} is no file's name; the manifest was tampered with"]
    if not path.resolve().is_relative_to(folder.resolve()):
        return [f"{file.path} lies outside the folder; the manifest was tampered with"]
    if not path.is_file():
        return [f"{file.path} is missing"]
    if path.stat().st_size != file.bytes:
        return [f"{file.path} has {path.stat().st_size} bytes, not {file.bytes}"]
    found = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            found.update(chunk)
    if found.hexdigest() != file.sha256:
        return [f"{file.path} was changed: its sha256 is {found.hexdigest()}, not {file.sha256}"]
    return []


def _can_be_a_path(text: str) -> bool:
    try:
        names = os.fsencode(text).split(b"/")
    except UnicodeEncodeError:  # half a surrogate pair
        return False
    return "\0" not in text and max(map(len, names)) <= _LONGEST_NAME


def _check_parity(recorded: ParityInfo, measured: ParityInfo) -> list[str]:
    wanted = math.inf if recorded.snr_db is None else recorded.snr_db
    got = math.inf if measured.snr_db is None else measured.snr_db
    if got < min(wanted, _BEYOND_DOUBT_DB) - _TOLERANCE_DB:
        return [f"its logits are {got:.1f} dB SNR from the reference here, {wanted:.1f} recorded"]
    return []
