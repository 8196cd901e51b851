"""Carrying out an export, stage by stage."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn import manifest as manifests
from edgecnn import parity, store
from edgecnn.exporting import writers
from edgecnn.exporting.options import Artifact, ExportOptions, ExportResult
from edgecnn.exporting.plan import Job, Plan, make_plan
from edgecnn.exporting.sources import Sources
from edgecnn.exporting.versions import versions
from edgecnn.inspection import check_recipe, inspect
from edgecnn.progress import Progress, Recorder, Silent
from edgecnn.records import CalibrationInfo, FileInfo, Manifest, ModelInfo

if TYPE_CHECKING:
    from pathlib import Path

    from edgecnn.exporting.options import MixedPrecision
    from edgecnn.exporting.writers import Written

REFERENCE = "reference.npz"
RANDOM_WEIGHTS = "The weights are random: the files are fit for measuring latency, not for answers."


def export(model: str, *, progress: Progress | None = None, **options: Any) -> ExportResult:  # noqa: ANN401 - the fields of ExportOptions
    """Export a network under one recipe or several.

    Args:
        model: a zoo name, `keras:NAME`, or a path to .keras, .h5, a SavedModel folder or a float
            .tflite.
        progress: told of stages, steps and warnings.
        **options: the fields of `ExportOptions`.

    Returns:
        The folders written; each appeared under its final name only when it was whole and every
        file in it was inspected and compared with the float reference.

    Raises:
        InputError: what was asked for cannot be done; nothing was written.
        CheckFailedError: a file is not what its recipe says; its folder was not written.
        MissingPartError: a package is not installed.
    """
    chosen = ExportOptions(**options)
    plan = make_plan(model, chosen)
    recorder = Recorder(progress or Silent())
    if plan.identity.has_random_weights:
        recorder.warn(RANDOM_WEIGHTS)
    sources = Sources(plan, chosen, recorder)
    _ = sources.preprocessing  # refused now rather than after the conversion
    info = _model_info(plan, sources)
    mixed: list[MixedPrecision] = []
    artifacts = tuple(_make(job, sources, info, mixed) for job in plan.jobs)
    return ExportResult(
        artifacts,
        tuple(recorder.warnings),
        _float_sizes(plan, sources),
        mixed[0] if mixed else None,
    )


def _float_sizes(plan: Plan, sources: Sources) -> dict[str, int]:
    sizes = {}
    if "tflite" in plan.formats:
        sizes["tflite"] = len(sources.float_tflite)
    if "onnx" in plan.formats:
        sizes["onnx"] = sources.float_onnx.stat().st_size
    return sizes


def _model_info(plan: Plan, sources: Sources) -> ModelInfo:
    network = sources.network
    return ModelInfo(
        name=plan.identity.name,
        parameters=network.parameters,
        trainable_parameters=network.trainable_parameters,
        macs=_macs(plan, sources),
        input_shape=network.input_shape,
        classes=network.classes,
        weights=plan.identity.weights,
    )


def _macs(plan: Plan, sources: Sources) -> int:
    if "tflite" in plan.formats:
        from edgecnn.inspection import tflite

        graph = tflite.read(sources.float_tflite, plan.identity.name).graph
    else:
        graph = inspect(sources.float_onnx).graph
    return sum(graph.macs_by_dtype.values())


def _make(job: Job, sources: Sources, model: ModelInfo, mixed: list[MixedPrecision]) -> Artifact:
    final = sources.plan.out / job.recipe.name
    _ = sources.reference  # before the folder is begun: what fails here has nothing to undo
    with store.new_folder(final) as part:
        notes: list[str] = []
        files = []
        for file_format in job.formats:
            written = writers.write(job, file_format, part, sources)
            notes += written.notes
            mixed += [written.mixed] if written.mixed is not None else []
            files.append(_describe(part, written, job, file_format, sources))
        _write_reference(part / REFERENCE, sources)
        manifest = Manifest(
            edgecnn=versions()["edgecnn"],
            model=model,
            recipe=job.recipe.name,
            seed=sources.options.seed,
            preprocessing=sources.preprocessing,
            calibration=_calibration(job, sources),
            versions=versions(),
            files=tuple(files),
            notes=tuple(([RANDOM_WEIGHTS] if model.weights == "random" else []) + notes),
        )
        manifests.write(manifest, part)
    _tell_of_onnx(job, files, sources)
    return Artifact(final, manifest)


def _calibration(job: Job, sources: Sources) -> CalibrationInfo | None:
    if not job.recipe.calibrated:
        return None
    images = sources.images.calibration
    return CalibrationInfo(
        images.source, images.samples, images.sha256, sources.options.calibration_method
    )


def _tell_of_onnx(job: Job, files: list[FileInfo], sources: Sources) -> None:
    """`min_snr_db` is for the .tflite: say what the .onnx beside it has."""
    wanted_db = sources.options.min_snr_db
    for file in files:
        if wanted_db is not None and job.recipe.name == "int8" and file.format == "onnx":
            found = file.parity.snr_db
            has = "no error" if found is None else f"{found:.1f} dB"
            sources.progress.warn(
                f"--min-snr chooses layers of the .tflite only: {file.path} is all int8, as"
                f" without it, and has {has} ({wanted_db:g} dB asked for)."
            )


def _describe(
    folder: Path, written: Written, job: Job, file_format: str, sources: Sources
) -> FileInfo:
    """Inspect a file, hold it to its recipe, and compare its logits with the reference's."""
    path = folder / written.name
    found = inspect(path)
    io = job.io if file_format == "tflite" else "float32"
    kept = len(written.mixed.layers) if written.mixed is not None else 0
    check_recipe(found, job.recipe.name, io, float_places=written.float_places, kept=kept)
    watcher, samples = sources.progress, sources.images.held_out.samples
    watcher.stage(f"comparing {job.recipe.name} {file_format}", samples)
    logits = parity.logits(
        path, sources.held_out_feeds(), threads=sources.plan.threads, progress=watcher
    )
    return FileInfo(
        path=path.name,
        format=file_format,
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        bytes=path.stat().st_size,
        inputs=found.inputs,
        outputs=found.outputs,
        graph=found.graph,
        parity=parity.compare(sources.reference, logits),
    )


def _write_reference(path: Path, sources: Sources) -> None:
    """The held-out inputs (pixels where they are images) and the float logits they give."""
    images = sources.images.held_out
    inputs = images.pixels if images.pixels is not None else images.arrays
    assert inputs is not None  # noqa: S101 - for the type checker: one is set
    np.savez(path, inputs=inputs, logits=sources.reference)
