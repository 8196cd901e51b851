"""What will be made of a request; whatever cannot be is refused here, before any work."""

from __future__ import annotations

import difflib
import importlib.util
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgecnn import manifest as manifests
from edgecnn.building import BuildRequest, ModelIdentity, identify
from edgecnn.errors import InputError, MissingPartError
from edgecnn.exporting.outputs import KINDS
from edgecnn.recipes import FORMATS, RECIPES, IoDtype, Recipe

if TYPE_CHECKING:
    from collections.abc import Iterable

    from edgecnn.errors import EdgeCnnError
    from edgecnn.exporting.options import ExportOptions

METHODS = ("auto", "minmax", "percentile", "mse")
IO_DTYPES = ("float32", "int8", "uint8")
_LARGEST_THREADS = 256


@dataclass(frozen=True)
class Job:
    """One recipe and the formats it is written in."""

    recipe: Recipe
    formats: tuple[str, ...]
    io: IoDtype


@dataclass(frozen=True)
class Plan:
    """A request that can be carried out.

    Attributes:
        request: what to build or read.
        identity: what it turned out to mean.
        jobs: what is written.
        out: folder that gets a folder for each recipe.
        threads: for calibrating and comparing.
        without_tflite: why an int8 .onnx that is asked for alone cannot have its numbers decided on
            a .tflite of the same network; None where they can, as far as is known.
    """

    request: BuildRequest
    identity: ModelIdentity
    jobs: tuple[Job, ...]
    out: Path
    threads: int
    without_tflite: EdgeCnnError | None = None

    @property
    def formats(self) -> tuple[str, ...]:
        """Every format some job writes."""
        return tuple(f for f in FORMATS if any(f in job.formats for job in self.jobs))

    @property
    def float_formats(self) -> tuple[str, ...]:
        """Every format a float file is made in."""
        return FORMATS if self.has_unwritten_tflite else self.formats

    @property
    def has_unwritten_tflite(self) -> bool:
        """Whether a .tflite that nobody asked for decides the numbers of an int8 .onnx."""
        return "tflite" not in self.formats and self.decides_onnx and self.without_tflite is None

    @property
    def decides_onnx(self) -> bool:
        """Whether an int8 .onnx is written: its numbers are those of a .tflite, if there is one."""
        return any(job.recipe.name == "int8" and "onnx" in job.formats for job in self.jobs)

    @property
    def calibrates(self) -> bool:
        """Whether some file is calibrated."""
        return any(job.recipe.calibrated for job in self.jobs)

    @property
    def calibrates_tflite(self) -> bool:
        """Whether some .tflite, to be written or not, asks for activation statistics."""
        return self.calibrates and "tflite" in self.float_formats


def make_plan(model: str, options: ExportOptions) -> Plan:
    """Decide, or refuse with the reason.

    Raises:
        InputError: an unknown name or value, or a recipe that the model or format cannot have.
        MissingPartError: a package this export needs is not installed.
    """
    request = BuildRequest(
        model,
        classes=options.classes,
        input_size=options.input_size,
        input_shapes=tuple(options.input_shapes.items()),
        width=options.width,
        convolution=options.convolution,
        weights=options.weights,
        seed=options.seed,
    )
    identity = identify(request)
    _check_values(options)
    if options.preprocessing is not None and identity.preprocessing is not None:
        raise InputError(
            f"{identity.name} has its own preprocessing, which cannot be changed.",
            hint="Drop --input-range, --mean and --std.",
        )
    jobs = tuple(_job(name, identity, options) for name in dict.fromkeys(options.recipes))
    _require_packages(identity, jobs)
    out = Path(options.out or Path("artifacts") / manifests.folder_name(identity.name))
    for job in jobs:
        manifests.require_replaceable(out / job.recipe.name)
    threads = options.threads or _cores()
    return Plan(request, identity, jobs, out, threads, _without_tensorflow(identity))


def _without_tensorflow(identity: ModelIdentity) -> MissingPartError | None:
    if identity.kind == "tflite" or importlib.util.find_spec("tensorflow") is not None:
        return None
    return MissingPartError(
        "TensorFlow is not installed here.",
        hint="pip install 'edgecnn[export]'",
    )


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _check_values(options: ExportOptions) -> None:
    _known("recipe", options.recipes, RECIPES)
    _known("format", options.formats, FORMATS)
    _known("calibration method", (options.calibration_method,), METHODS)
    if options.io is not None:
        _known("io dtype", (options.io,), IO_DTYPES)
        if "int8" not in options.recipes:
            raise InputError(
                "--io applies to the int8 recipe, which was not requested.",
                hint="Add --int8, or drop --io.",
            )
    _known("kind of output", options.outputs.values() or ("values",), KINDS)
    _check_min_snr(options)
    if options.calibration_samples < 1:
        raise InputError("--calibration-samples must be 1 or more.", hint="100 is usual.")
    if options.threads is not None and not 1 <= options.threads <= _LARGEST_THREADS:
        raise InputError(f"--threads must be 1 to {_LARGEST_THREADS}.")


def _check_min_snr(options: ExportOptions) -> None:
    wanted_db = options.min_snr_db
    if wanted_db is None:
        return
    if not math.isfinite(wanted_db) or wanted_db <= 0:
        raise InputError(
            f"--min-snr must be a number of dB above 0, not {wanted_db:g}.",
            hint="25dB is usual; 10 dB more is a third of the error.",
        )
    if "int8" not in options.recipes or "tflite" not in options.formats:
        raise InputError(
            "--min-snr applies to the int8 .tflite, which was not requested.",
            hint="Add --int8 and --format tflite, or drop --min-snr.",
        )


def _known(what: str, requested: Iterable[str], known: Iterable[str]) -> None:
    names = list(known)
    requested = list(requested)
    if not requested:
        raise InputError(f"No {what} was named.", hint=f"Choose from: {', '.join(names)}.")
    for name in requested:
        if name not in names:
            close = difflib.get_close_matches(name, names, n=1)
            hint = f"Did you mean {close[0]}?" if close else f"Choose from: {', '.join(names)}."
            raise InputError(f"There is no {what} {name!r}.", hint=hint)


def _job(name: str, identity: ModelIdentity, options: ExportOptions) -> Job:
    recipe = RECIPES[name]
    formats = tuple(f for f in FORMATS if f in options.formats and f in recipe.formats)
    if not formats:
        raise InputError(
            f"Recipe {name} exists for {' and '.join(recipe.formats)} only.",
            hint=f"Use --format {recipe.formats[0]}.",
        )
    if identity.kind == "tflite":
        if "tflite" not in formats:
            raise InputError(
                f"{identity.name}: a .tflite can be quantized, but not turned into ONNX.",
                hint="Use --format tflite, or start from the Keras model.",
            )
        formats = ("tflite",)
    io: IoDtype = recipe.io
    if options.io is not None and name == "int8":
        io = options.io  # type: ignore[assignment] # one of IO_DTYPES, as _check_values saw
    return Job(recipe, formats, io)


def _require_packages(identity: ModelIdentity, jobs: tuple[Job, ...]) -> None:
    needed = {"litert_quantizer", "PIL"}
    writes_onnx = any("onnx" in job.formats for job in jobs)
    if identity.kind not in {"tflite", "onnx"} or any("tflite" in job.formats for job in jobs):
        needed |= {"tensorflow"} if identity.kind != "tflite" else set()
    if writes_onnx or identity.kind == "onnx":
        needed |= {"onnx", "onnxruntime"}
    if writes_onnx and identity.kind != "onnx":
        needed.add("tf2onnx")
    missing = sorted(name for name in needed if importlib.util.find_spec(name) is None)
    if missing:
        raise MissingPartError(
            f"Exporting needs {', '.join(missing)}, not installed here.",
            hint="pip install 'edgecnn[export]'",
        )
