"""The verb `diagnose`."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING

from edgecnn import gate, reference
from edgecnn import manifest as manifests
from edgecnn.calibration.preprocessing import AS_IT_IS
from edgecnn.calibration.sampleset import holds_pixels
from edgecnn.diagnosing import causes, samplesource, twin
from edgecnn.diagnosing.commands import Context
from edgecnn.diagnosing.ends import Ends
from edgecnn.diagnosing.record import Diagnosis
from edgecnn.diagnosing.twin import Artifact
from edgecnn.errors import InputError
from edgecnn.formats.onnx_graph import require_onnx
from edgecnn.formats.tflite_graph import Graph
from edgecnn.inspection import inspect
from edgecnn.progress import Progress, Silent
from edgecnn.verifying import check_bytes

if TYPE_CHECKING:
    from edgecnn.calibration.sampleset import SampleSet
    from edgecnn.diagnosing.record import Observations
    from edgecnn.records import Manifest, Preprocessing

_STEM = "model"
FORMATS = ("tflite", "onnx")
DEFAULT_SAMPLES = 64
_WORTH_DB = 3.0
_FEWEST_RUNS = 2  # that calibration takes


@gate.guarded("Diagnosing")
def diagnose(
    folder: Path | str,
    *,
    file_format: str | None = None,
    float_file: Path | str | None = None,
    data: str | None = None,
    samples: int = DEFAULT_SAMPLES,
    preprocessing: Preprocessing | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Diagnosis:
    """Find out layer by layer where a quantized file departs from float, and why.

    Args:
        folder: an artifact folder, or a quantized .tflite or .onnx.
        file_format: "tflite" or "onnx", of the folder's file; None for the .tflite where there is
            one.
        float_file: the float file of the same format it was made from, or a folder with one; None
            for the one in ../float32, else the float stage in edgecnn's cache.
        data: samples to run: a folder of images, an .npz with an array for each input,
            "fashion-mnist"; None for the artifact's reference.npz.
        samples: how many, at most.
        preprocessing: how pixels become inputs; None for what the manifest says.
        threads: of one inference; None for all cores.
        progress: told of each run.

    Raises:
        InputError: there is no such file, float twin or sample, or the two files are not of one
            network.
        MissingPartError: an .onnx, and onnx or onnxruntime is not installed.
    """
    file, artifact = _locate(Path(folder), file_format)
    scaling = _preprocessing(file, artifact, preprocessing, data)
    watcher = progress or Silent()
    path, real = twin.find(file, artifact, None if float_file is None else Path(float_file))
    ends = _foreign_ends(file, path, real) if artifact is None else artifact.ends
    fed = _samples(artifact, ends, data, samples)
    observed: Observations = gate.run(
        "edgecnn.diagnosing.observe:observe",
        str(file),
        real,
        fed,
        ends,
        scaling,
        source=file,
        work=gate.DIAGNOSE,
        what=f"diagnosing {file}",
        threads=threads or os.cpu_count() or 1,
        progress=watcher,
    )
    is_tflite = file.suffix == ".tflite"
    context = _context(Path(folder), path, scaling, data, artifact, ends, fed, is_tflite=is_tflite)
    likely = causes.find(observed, context)
    return Diagnosis(
        file=str(file),
        format="onnx" if file.suffix == ".onnx" else "tflite",
        against=str(path),
        recipe="" if artifact is None else artifact.manifest.recipe,
        source=fed.source,
        samples=fed.samples,
        observed=observed,
        causes=likely,
        next_command="" if likely else _next_command(observed, context),
    )


def _foreign_ends(file: Path, float_file: Path, real: bytes | Path) -> Ends:
    """What two files take and give that nobody described; damaged ones are found out first."""
    inspect(file)
    inspect(float_file)
    if isinstance(real, bytes):
        return Ends.of_float_file(Graph.read(real))
    ends: Ends = gate.run(
        "edgecnn.diagnosing.ends:of_float_onnx",
        str(real),
        source=real,
        work=gate.READ,
        what=f"reading {real}",
    )
    return ends


def _locate(path: Path, file_format: str | None) -> tuple[Path, Artifact | None]:
    """The quantized file, and what `export` wrote beside it, if it did."""
    file = _file_of(path, file_format)
    if file.suffix == ".onnx":
        require_onnx()
    beside = file.parent / manifests.NAME
    if not beside.is_file():
        return file, None
    manifest = manifests.load(beside)
    info = next((entry for entry in manifest.files if entry.path == file.name), None)
    if info is None:
        return file, None
    if problems := check_bytes(file, info, file.parent):
        raise InputError(f"{problems[0]}.", hint="Export again; the folder is not what it was.")
    expected = reference.read(file.parent, manifest)
    return file, Artifact(manifest, Ends.recorded(manifest, info), expected)


def _file_of(path: Path, file_format: str | None) -> Path:
    """The file that is meant: of a folder with both formats the .tflite, unless one is named."""
    formats = FORMATS if file_format is None else (file_format,)
    files = [path / f"{_STEM}.{name}" for name in formats] if path.is_dir() else [path]
    for file in files:
        if file.suffix.removeprefix(".") in formats and file.is_file():
            return file
    wanted = " or ".join(f".{name}" for name in formats)
    raise InputError(
        f"{path}: there is no {wanted} to diagnose.",
        hint="Name a folder that `edgecnn export` wrote, or a .tflite or .onnx.",
    )


def _preprocessing(
    file: Path, artifact: Artifact | None, named: Preprocessing | None, data: str | None
) -> Preprocessing:
    if artifact is None and data is None:
        raise InputError(
            f"{file} has no manifest.json beside it, and so no samples to run.",
            hint="Name some: --data FOLDER --input-range LOW,HIGH, or --data FILE.npz.",
        )
    if named is not None:
        return named
    if artifact is not None and _was_fed_arrays(artifact.manifest) and not _are_arrays(data):
        raise InputError(
            f"{file} was calibrated on arrays that were fed as they are: how pixels are scaled for"
            " it is not known.",
            hint="Say it: --input-range 0,1 (or -1,1, or 0,255), or --mean and --std.",
        )
    if artifact is not None:
        return artifact.manifest.preprocessing
    if _are_arrays(data):
        return AS_IT_IS
    raise InputError(
        f"{file} has no manifest.json beside it: how its input is scaled is not known.",
        hint="Say it: --input-range 0,1 (or -1,1, or 0,255), or --mean and --std.",
    )


def _was_fed_arrays(manifest: Manifest) -> bool:
    """Whether its preprocessing is the one that stands for none."""
    calibration = manifest.calibration
    as_they_are = manifest.preprocessing == AS_IT_IS
    return as_they_are and calibration is not None and calibration.source.endswith(".npz")


def _are_arrays(data: str | None) -> bool:
    """Whether the samples are fed as they are; an artifact's own go with its preprocessing."""
    return data is None or data.lower().endswith(".npz")


def _samples(artifact: Artifact | None, ends: Ends, data: str | None, count: int) -> SampleSet:
    if data is not None:
        seed = 0 if artifact is None else artifact.manifest.seed
        return samplesource.load(data, ends.inputs, samples=count, seed=seed)
    assert artifact is not None  # noqa: S101 - without one `data` is asked for
    return samplesource.of_reference(artifact.reference, ends.inputs, count)


def _context(
    folder: Path,
    float_file: Path,
    preprocessing: Preprocessing,
    data: str | None,
    artifact: Artifact | None,
    ends: Ends,
    fed: SampleSet,
    *,
    is_tflite: bool,
) -> Context:
    manifest = None if artifact is None else artifact.manifest
    calibration = None if manifest is None else manifest.calibration
    pictures, stand_in = False, None
    if artifact is not None:
        stored = artifact.reference.inputs
        pictures = any(map(holds_pixels, stored.arrays, ends.inputs))
        if not pictures and stored.samples >= _FEWEST_RUNS:
            base = folder if folder.is_dir() else folder.parent
            stand_in = base / reference.NAME
    return Context(
        folder=folder,
        float_file=float_file,
        preprocessing=preprocessing,
        data=data,
        calibration="" if calibration is None else calibration.source,
        calibration_samples=0 if calibration is None else calibration.samples,
        pixel_high=samplesource.pixel_high(fed, ends.inputs),
        origin=twin.origin(float_file, ends, manifest),
        reference=stand_in,
        takes_pictures=pictures,
        recorded=artifact is not None,
        is_tflite=is_tflite,
    )


def _next_command(observed: Observations, context: Context) -> str:
    """Where rounding alone is left: layers in float, for a round number some dB above this.

    With float ends, since int8 ones alone may keep the file below any such number.
    """
    worst_db = observed.worst.snr_db
    if worst_db is None:
        return ""
    if not context.is_tflite:  # --min-snr is not for it
        return context.export_wider()
    target_db = 5 * math.ceil((max(worst_db, 0.0) + _WORTH_DB) / 5)
    return context.export(more=f"--min-snr {target_db}dB --io float32")
