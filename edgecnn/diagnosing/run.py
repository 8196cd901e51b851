"""The verb `diagnose`."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING

from edgecnn import isolation
from edgecnn import manifest as manifests
from edgecnn.diagnosing import causes, images, twin
from edgecnn.diagnosing.commands import Context
from edgecnn.diagnosing.record import Diagnosis
from edgecnn.errors import InputError
from edgecnn.inspection import inspect
from edgecnn.progress import Progress, Silent
from edgecnn.records import Preprocessing
from edgecnn.verifying import check_bytes

if TYPE_CHECKING:
    from edgecnn.calibration.sampleset import ImageSet
    from edgecnn.diagnosing.record import Observations
    from edgecnn.records import Manifest

_FILE = "model.tflite"
DEFAULT_SAMPLES = 64
_WORTH_DB = 3.0


def diagnose(
    folder: Path | str,
    *,
    float_file: Path | str | None = None,
    data: str | None = None,
    samples: int = DEFAULT_SAMPLES,
    preprocessing: Preprocessing | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Diagnosis:
    """Find out layer by layer where a quantized .tflite departs from float, and why.

    Args:
        folder: an artifact folder, or a quantized .tflite.
        float_file: the float .tflite it was made from, or a folder with one; None for
            ../float32/model.tflite, else the float stage in edgecnn's cache.
        data: images to run: a folder, an .npz of inputs, "fashion-mnist"; None for the artifact's
            reference.npz.
        samples: how many, at most.
        preprocessing: how pixels become inputs; None for what the manifest says.
        threads: of one inference; None for all cores.
        progress: told of each image.

    Raises:
        InputError: there is no such file, float twin or image, or the two files are not of one
            network.
    """
    file, manifest = _locate(Path(folder))
    scaling = _preprocessing(file, manifest, preprocessing, data)
    watcher = progress or Silent()
    shape = _input_shape(file)
    probe = images.probe(file.parent, scaling) if manifest is not None else None
    path, real = twin.find(file, manifest, None if float_file is None else Path(float_file), probe)
    seed = manifest.seed if manifest is not None else 0
    pictures = images.load(file.parent, data, shape=shape, samples=samples, seed=seed)
    observed: Observations = isolation.run(
        "edgecnn.diagnosing.observe:observe",
        str(file),
        real,
        pictures,
        scaling,
        what=f"diagnosing {file}",
        threads=threads or os.cpu_count() or 1,
        progress=watcher,
    )
    context = _context(Path(folder), path, scaling, data, manifest, pictures)
    found = causes.find(observed, context)
    return Diagnosis(
        file=str(file),
        against=str(path),
        recipe="" if manifest is None else manifest.recipe,
        images=pictures.source,
        samples=pictures.samples,
        observed=observed,
        causes=found,
        next_command="" if found else _next_command(observed, context),
    )


def _locate(path: Path) -> tuple[Path, Manifest | None]:
    """The quantized file, and the manifest beside it if there is one."""
    file = path / _FILE if path.is_dir() else path
    if file.suffix != ".tflite" or not file.is_file():
        raise InputError(
            f"{path}: there is no .tflite to diagnose.",
            hint="Name a folder that `edgecnn export` wrote with a .tflite, or a .tflite.",
        )
    beside = file.parent / manifests.NAME
    if not beside.is_file():
        return file, None
    manifest = manifests.load(beside)
    info = next((each for each in manifest.files if each.path == file.name), None)
    if info is None:
        return file, None
    if problems := check_bytes(file, info, file.parent):
        raise InputError(f"{problems[0]}.", hint="Export again; the folder is not what it was.")
    return file, manifest


def _preprocessing(
    file: Path, manifest: Manifest | None, named: Preprocessing | None, data: str | None
) -> Preprocessing:
    if manifest is None and data is None:
        raise InputError(
            f"{file} has no manifest.json beside it, and so no images to run.",
            hint="Name some: --data FOLDER --input-range LOW,HIGH, or --data FILE.npz.",
        )
    if named is not None:
        return named
    if manifest is not None and _was_fed_arrays(manifest) and not _are_arrays(data):
        raise InputError(
            f"{file} was calibrated on arrays that were fed as they are: how pixels are scaled for"
            " it is not known.",
            hint="Say it: --input-range 0,1 (or -1,1, or 0,255), or --mean and --std.",
        )
    if manifest is not None:
        return manifest.preprocessing
    if _are_arrays(data):
        return Preprocessing(mean=(0.0,), std=(1.0,))  # its arrays are fed as they are
    raise InputError(
        f"{file} has no manifest.json beside it: how its input is scaled is not known.",
        hint="Say it: --input-range 0,1 (or -1,1, or 0,255), or --mean and --std.",
    )


def _was_fed_arrays(manifest: Manifest) -> bool:
    """Whether its preprocessing is the one that stands for none."""
    calibration = manifest.calibration
    as_they_are = manifest.preprocessing == Preprocessing(mean=(0.0,), std=(1.0,))
    return as_they_are and calibration is not None and calibration.source.endswith(".npz")


def _are_arrays(data: str | None) -> bool:
    """Whether the images are fed as they are; an artifact's own go with its preprocessing."""
    return data is None or data.lower().endswith(".npz")


def _input_shape(file: Path) -> tuple[int, ...]:
    found = inspect(file)
    shape = found.inputs[0].shape if len(found.inputs) == 1 else ()
    if len(shape) != 4 or min(shape[1:]) < 1:  # noqa: PLR2004 - NHWC
        raise InputError(f"{file}: one input (1, height, width, channels) is needed, not {shape}.")
    if found.graph.flex_ops or found.graph.custom_ops or found.graph.variable_ops:
        raise InputError(f"{file} has operators that cannot be compared layer by layer.")
    return shape


def _context(
    folder: Path,
    float_file: Path,
    preprocessing: Preprocessing,
    data: str | None,
    manifest: Manifest | None,
    pictures: ImageSet,
) -> Context:
    calibration = None if manifest is None else manifest.calibration
    return Context(
        folder=folder,
        float_file=float_file,
        preprocessing=preprocessing,
        data=data,
        calibration="" if calibration is None else calibration.source,
        calibration_samples=0 if calibration is None else calibration.samples,
        pixel_high=images.pixel_high(pictures),
    )


def _next_command(observed: Observations, context: Context) -> str:
    """Where rounding alone is left: layers in float, for a round number some dB above this."""
    if observed.logits_snr_db is None:
        return ""
    wanted = 5 * math.ceil((max(observed.logits_snr_db, 0.0) + _WORTH_DB) / 5)
    return context.export(more=f"--min-snr {wanted}dB")
