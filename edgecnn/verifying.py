"""The verb `verify`: whether an artifact folder is still what its manifest says.

Needs the base install only: hashes, LiteRT, and the reference that lies in the folder.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from edgecnn import digests, gate, isolation, parity, reference
from edgecnn import manifest as manifests
from edgecnn.errors import InputError, MissingPartError
from edgecnn.progress import Progress, Silent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgecnn.calibration.sampleset import SampleSet
    from edgecnn.records import FileInfo, Manifest, ParityInfo
    from edgecnn.reference import Reference

# Kernels of another machine round a little differently: so much may be lost against the record,
# and above so many dB nothing is left to tell.
_TOLERANCE_DB = 1.0
_BEYOND_DOUBT_DB = 60.0
_LONGEST_NAME = 255  # bytes, on every usual file system


@dataclass(frozen=True)
class VerifiedFile:
    """One file of a folder, held against its manifest.

    Attributes:
        path: relative to the folder.
        ok: whether nothing is wrong.
        problems: what is wrong, one sentence each.
        parity: of the worst output, recomputed here; None when the file could not be run.
        note: what was not checked, and why; "" when all was.
        recorded: of the worst output, as the manifest has it.
        parities: of every output, recomputed here; () when the file could not be run.
    """

    path: str
    ok: bool
    problems: tuple[str, ...]
    parity: ParityInfo | None = None
    note: str = ""
    recorded: ParityInfo | None = None
    parities: tuple[ParityInfo, ...] = ()


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


@gate.guarded("Verifying")
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
    selected = [file for file in manifest.files if only in {None, file.path}]
    if not selected:
        names = ", ".join(file.path for file in manifest.files) or "none"
        raise InputError(
            f"{path} is not among the files of its manifest.", hint=f"Those are: {names}."
        )
    expected = reference.read(folder, manifest)
    watcher = progress or Silent()
    files = tuple(
        replace(
            _verify_file(folder, file, manifest, expected, threads or 1, watcher),
            recorded=file.parity,
        )
        for file in selected
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


def _verify_file(
    folder: Path,
    file: FileInfo,
    manifest: Manifest,
    expected: Reference,
    threads: int,
    progress: Progress,
) -> VerifiedFile:
    path = folder / file.path
    problems = check_bytes(path, file, folder)
    if problems:
        return VerifiedFile(file.path, ok=False, problems=tuple(problems))
    progress.stage(f"running {file.path}", expected.inputs.samples)
    try:
        measured = gate.run(
            "edgecnn.verifying:run_file",
            str(path),
            expected.inputs,
            manifest,
            file,
            source=path,
            work=gate.RUN,
            what=f"running {path}",
            progress=progress,
            threads=threads,
        )
        parities = parity.compare(
            expected.answers,
            measured,
            manifest.outputs,
            on_values=not any(kept.measured_on == "logits" for kept in file.parities),
        )
    except MissingPartError as error:
        note = f"hash matches; parity not run: {error.message} ({error.hint})"
        return VerifiedFile(file.path, ok=True, problems=(), note=note)
    except (InputError, isolation.CrashedError) as error:
        return VerifiedFile(file.path, ok=False, problems=(error.message,))
    problems = _check_parity(file.parities, parities)
    return VerifiedFile(
        file.path,
        ok=not problems,
        problems=tuple(problems),
        parity=parity.worst(parities),
        parities=parities,
    )


def run_file(
    path: str,
    inputs: SampleSet,
    manifest: Manifest,
    file: FileInfo,
    *,
    threads: int,
    progress: Progress,
) -> parity.Answers:
    """Run a file on the reference inputs; called in a child process."""
    return parity.answers(
        path,
        inputs.feeds(manifest.inputs, manifest.preprocessing),
        inputs=manifest.inputs,
        outputs=manifest.outputs,
        file_layouts=file.layouts,
        threads=threads,
        progress=progress,
    )


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
    actual = digests.of_file(path)
    if actual != file.sha256:
        return [f"{file.path} was changed: its sha256 is {actual}, not {file.sha256}"]
    return []


def _can_be_a_path(text: str) -> bool:
    try:
        names = os.fsencode(text).split(b"/")
    except UnicodeEncodeError:  # half a surrogate pair
        return False
    return "\0" not in text and max(map(len, names)) <= _LONGEST_NAME


def _check_parity(recorded: Sequence[ParityInfo], measured: Sequence[ParityInfo]) -> list[str]:
    if len(recorded) != len(measured):
        return [f"its manifest has the parity of {len(recorded)} outputs, not {len(measured)}"]
    problems = []
    for record, info in zip(recorded, measured, strict=True):
        least_db = min(_decibel(record), _BEYOND_DOUBT_DB) - _TOLERANCE_DB
        if _decibel(info) < least_db:
            what = "logits are" if info.measured_on == "logits" else "values are"
            problems.append(
                f"output {info.output}: its {what} {_decibel(info):.1f} dB SNR from the reference"
                f" here, {_decibel(record):.1f} recorded"
            )
    return problems


def _decibel(info: ParityInfo) -> float:
    return math.inf if info.snr_db is None else info.snr_db
