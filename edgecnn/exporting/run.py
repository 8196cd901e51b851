"""Carrying out an export: a row of stages, each a function of what the ones before it made."""

from __future__ import annotations

import hashlib
import math
import shlex
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from edgecnn import gate, parity, reference, store
from edgecnn import manifest as manifests
from edgecnn.building.request import is_name
from edgecnn.calibration import views
from edgecnn.calibration.sources import Sampling
from edgecnn.convert import float_cache
from edgecnn.convert.versions import versions
from edgecnn.errors import CheckFailedError, EdgeCnnError, InputError, MissingPartError
from edgecnn.exporting import deciding, writers
from edgecnn.exporting import ingredients as stages
from edgecnn.exporting.ingredients import Ingredients
from edgecnn.exporting.options import Artifact, ExportOptions, ExportResult, Refusal
from edgecnn.exporting.plan import Job, Plan, make_plan
from edgecnn.inspection import check_recipe, inspect
from edgecnn.progress import Progress, Recorder, Silent
from edgecnn.records import CalibrationInfo, FileInfo, Manifest, ModelInfo
from edgecnn.reference import Reference

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from edgecnn.exporting.deciding import Decision
    from edgecnn.exporting.ingredients import Floats
    from edgecnn.exporting.options import MixedPrecision
    from edgecnn.exporting.writers import Written
    from edgecnn.parity import Answers
    from edgecnn.records import OutputInfo, ParityInfo, TensorInfo

RANDOM_WEIGHTS = (
    "The weights are random: use these files to measure latency and size, not accuracy."
)
# Below these a file is written, and the user told.
_POOR_DB = 20.0
_POOR_AGREEMENT = 0.95
_MIXED = "; --min-snr 25dB keeps the layers that cost most in float32"
_FLOAT_DB = 60.0  # of a float file: what is left is rounding, whatever one sample has of it


def _is_file(model: str) -> bool:
    """Whether the user names a file of theirs: what fails on the zoo's networks is our own bug."""
    return not is_name(model)


@gate.guarded("Exporting", _is_file)
def export(model: str, *, progress: Progress | None = None, **options: Any) -> ExportResult:  # noqa: ANN401 - the fields of ExportOptions
    """Export a network under one recipe or several.

    Args:
        model: a zoo name, `keras:NAME`, or a path to .keras, .h5, a SavedModel folder, a float
            .onnx or a float .tflite.
        progress: told of stages, steps and warnings.
        **options: the fields of `ExportOptions`.

    Returns:
        The folders written, and what was refused beside them. Each folder appeared under its final
        name only when it was whole and every file in it was inspected and compared with the float
        network.

    Raises:
        InputError: what was asked for cannot be done; nothing was written.
        CheckFailedError: no file is what its recipe says; nothing was written.
        MissingPartError: a package is not installed.
    """
    chosen = ExportOptions(**options)
    plan = make_plan(model, chosen)
    recorder = Recorder(progress or Silent())
    if plan.identity.has_random_weights:
        recorder.warn(RANDOM_WEIGHTS)
    basis = _basis(plan, chosen, recorder)
    info = _model_info(plan, basis.floats)
    outcomes = [_make(job, basis, info) for job in plan.jobs]
    artifacts = tuple(artifact for artifact, _, _ in outcomes if artifact is not None)
    refused = tuple(refusal for _, refusals, _ in outcomes for refusal in refusals)
    if not artifacts:
        raise refused[0].error
    if not plan.identity.has_random_weights:  # their answers mean nothing, as was said
        _tell_of_poor_files(artifacts, recorder)
    return ExportResult(
        artifacts,
        tuple(recorder.warnings),
        _float_sizes(basis.floats, plan.formats),
        next((mixed for _, _, mixed in outcomes if mixed is not None), None),
        refused,
    )


def _basis(plan: Plan, options: ExportOptions, recorder: Recorder) -> Ingredients:
    """The ingredients; without a .tflite that nobody asked for where it brings the work down."""
    try:
        with deciding.unwritten(plan):
            return _ingredients(plan, options, recorder)
    except EdgeCnnError as error:
        if not plan.has_unwritten_tflite or not _is_unforeseen(error):
            raise
        return _ingredients(replace(plan, without_tflite=error), options, recorder)


def _is_unforeseen(error: EdgeCnnError) -> bool:
    """Whether it may be the .tflite's: a crash, a limit, a mistake of ours.

    What a network, samples or a machine lack is told by other errors, and what a format cannot have
    is kept for that format.
    """
    return isinstance(error, gate.DamagedFileError) or not isinstance(
        error, InputError | MissingPartError
    )


def _ingredients(plan: Plan, options: ExportOptions, recorder: Recorder) -> Ingredients:
    """The float files, the samples, the reference and the statistics, one after the other."""
    model, samples = float_cache.obtain(
        plan.request,
        plan.identity,
        plan.float_formats,
        sampling=_sampling(plan, options),
        preprocessing=options.preprocessing,
        quantizes=plan.calibrates,
        wanted=plan.formats,
        progress=recorder,
    )
    for warning in (*samples.warnings, *samples.split.warnings):
        recorder.warn(warning)
    floats = stages.float_files(model, options)
    proven, refused = stages.prove_floats(floats, plan.threads)
    floats = floats.without(refused, plan.formats)
    made_reference = stages.make_reference(floats, samples, threads=plan.threads, progress=recorder)
    # Random weights have no activations worth knowing better.
    seed = None if plan.identity.has_random_weights else options.seed
    calibration = views.enlarge(samples.split.calibration, floats.network.inputs, seed)
    unmeasured = plan.without_tflite or floats.model.refused.get("tflite")
    statistics = None
    if plan.calibrates_tflite and unmeasured is None:
        try:
            statistics = stages.collect_statistics(
                floats, calibration, samples.preprocessing,
                seed=options.seed, threads=plan.threads, progress=recorder,
            )  # fmt: skip
        except InputError as error:
            unmeasured = error
    return Ingredients(
        plan, options, floats, samples, calibration, proven, made_reference, statistics, recorder,
        unmeasured,
    )  # fmt: skip


def _sampling(plan: Plan, options: ExportOptions) -> Sampling:
    return Sampling(
        options.calibration,
        samples=options.calibration_samples,
        seed=options.seed,
        calibrated=plan.calibrates,
    )


def _float_sizes(floats: Floats, formats: tuple[str, ...]) -> dict[str, int]:
    sizes = {}
    if floats.tflite is not None and "tflite" in formats:
        sizes["tflite"] = len(floats.tflite.data)
    if floats.onnx is not None:
        sizes["onnx"] = floats.onnx.stat().st_size
    return sizes


def _model_info(plan: Plan, floats: Floats) -> ModelInfo:
    network = floats.network
    output = network.outputs[0].shape
    return ModelInfo(
        name=plan.identity.name,
        parameters=network.parameters,
        trainable_parameters=network.trainable_parameters,
        macs=_macs(plan, floats),
        input_shape=network.inputs[0].shape,
        classes=output[-1] if output else 1,
        weights=plan.identity.weights,
    )


def _macs(plan: Plan, floats: Floats) -> int:
    if floats.tflite is not None:
        from edgecnn.inspection import tflite

        graph = tflite.read(floats.tflite.data, plan.identity.name).graph
    else:
        assert floats.onnx is not None  # noqa: S101 - one format at least can be had
        graph = inspect(floats.onnx).graph
    return sum(graph.macs_by_dtype.values())


def _make(
    job: Job, basis: Ingredients, model: ModelInfo
) -> tuple[Artifact | None, list[Refusal], MixedPrecision | None]:
    """One recipe's folder, with the formats that can have it; the others are refused."""
    refused: list[Refusal] = []
    try:
        artifact, mixed = _write_folder(job, basis, model, refused)
    except _NothingWritten:
        return None, refused, None
    _tell_of_onnx(job, artifact.manifest.files, basis)
    return artifact, refused, mixed


class _NothingWritten(Exception):  # noqa: N818 - a way out of the folder's block, no error
    """No format can have the recipe: the folder is not to appear."""


def _write_folder(
    job: Job, basis: Ingredients, model: ModelInfo, refused: list[Refusal]
) -> tuple[Artifact, MixedPrecision | None]:
    final = basis.plan.out / job.recipe.name
    with store.new_folder(final, replaceable=manifests.require_replaceable) as part:
        written: dict[str, Written] = {}
        files: list[FileInfo] = []
        decision = deciding.decide(job, basis)
        for file_format in job.formats:
            attempt = _attempt(job, file_format, part, basis, decision)
            if isinstance(attempt, Refusal):
                refused.append(attempt)
            else:
                files.append(attempt[0])
                written[file_format] = attempt[1]
        if not files:
            raise _NothingWritten
        reference.write(
            part / reference.NAME, Reference(basis.samples.split.held_out, basis.reference)
        )
        notes = [note for file in files for note in written[file.format].notes]
        manifest = _manifest(job, basis, model, tuple(files), notes)
        manifests.write(manifest, part)
    mixed = next((w.mixed for w in written.values() if w.mixed is not None), None)
    return Artifact(final, manifest), mixed


def _attempt(
    job: Job, file_format: str, folder: Path, basis: Ingredients, decision: Decision
) -> tuple[FileInfo, Written] | Refusal:
    """One file, inspected and compared; or why it cannot be had."""
    try:
        written = _write(job, file_format, folder, basis, decision)
        return _describe(folder, written, job, file_format, basis), written
    except MissingPartError:
        raise
    except EdgeCnnError as error:
        (folder / f"model.{file_format}").unlink(missing_ok=True)
        return Refusal(job.recipe.name, file_format, error)


def _write(
    job: Job, file_format: str, folder: Path, basis: Ingredients, decision: Decision
) -> Written:
    reason = basis.floats.model.refused.get(file_format)
    if reason is not None:
        raise reason
    return writers.write(job, file_format, folder, basis, decision)


def _manifest(
    job: Job,
    basis: Ingredients,
    model: ModelInfo,
    files: tuple[FileInfo, ...],
    notes: list[str],
) -> Manifest:
    return Manifest(
        edgecnn=versions()["edgecnn"],
        model=model,
        recipe=job.recipe.name,
        seed=basis.options.seed,
        preprocessing=basis.samples.preprocessing,
        calibration=_calibration(job, basis),
        versions=versions(),
        files=files,
        notes=tuple(([RANDOM_WEIGHTS] if model.weights == "random" else []) + notes),
        inputs=basis.network.inputs,
        outputs=basis.floats.outputs,
    )


def _calibration(job: Job, basis: Ingredients) -> CalibrationInfo | None:
    if not job.recipe.calibrated:
        return None
    samples = basis.samples.split.calibration
    return CalibrationInfo(
        samples.source, samples.samples, samples.sha256, basis.options.calibration_method
    )


def _tell_of_onnx(job: Job, files: tuple[FileInfo, ...], basis: Ingredients) -> None:
    """`min_snr_db` is for the .tflite: say what the .onnx beside it has."""
    wanted_db = basis.options.min_snr_db
    for file in files:
        if wanted_db is not None and job.recipe.name == "int8" and file.format == "onnx":
            snr_db = file.parity.snr_db
            has = "no error" if snr_db is None else f"{snr_db:.1f} dB"
            basis.progress.warn(
                f"--min-snr applies to the .tflite only: {file.path} is unchanged and has {has}"
                f" ({wanted_db:g} dB requested)."
            )


def _tell_of_poor_files(artifacts: tuple[Artifact, ...], recorder: Recorder) -> None:
    """A quantized file that is far from the float network is written, and the user told."""
    for artifact in artifacts:
        for file in artifact.manifest.files:
            for info in file.parities:
                if reason := poor(info):
                    path = artifact.folder / file.path
                    further = _MIXED if file.format == "tflite" else ""
                    recorder.warn(
                        f"{path}: output {info.output} {reason}. `edgecnn diagnose"
                        f" {shlex.quote(str(path))}` shows where accuracy is lost{further}."
                    )


def poor(info: ParityInfo) -> str:
    """Why an output is too far from the float model to be shipped unseen; "" where it is not."""
    if _decibel(info.snr_db) < _POOR_DB:
        return f"has {_decibel(info.snr_db):.1f} dB SNR against the float model"
    if info.worst_group_db is not None and info.worst_group_db < _POOR_DB:
        return f"has {info.worst_group_db:.1f} dB SNR in {info.worst_group}"
    for agreement in (info.top1_agreement, info.pixel_agreement):
        if agreement is not None and agreement < _POOR_AGREEMENT:
            return f"agrees with the float model on {agreement:.1%} of the samples"
    return _uncertain(info)


def _uncertain(info: ParityInfo) -> str:
    """What to say of an output that is close to the least by its samples' standard error."""
    least_db = min(_decibel(info.snr_db), _decibel(info.worst_group_db))
    both = (("", least_db, info.spread_db),
            (" behind its softmax", _decibel(info.values_db), info.values_spread_db))  # fmt: skip
    for where, own_db, spread_db in both:
        error_db = spread_db or 0.0
        if own_db < _FLOAT_DB and own_db - error_db < _POOR_DB:
            return (
                f"has {own_db:.1f} dB SNR{where} in its worst group with a standard error of"
                f" {error_db:.1f} dB over {info.samples} samples: others may be below"
                f" {_POOR_DB:g} dB"
            )
    return ""


def _decibel(snr_db: float | None) -> float:
    return math.inf if snr_db is None else snr_db


def _describe(
    folder: Path, written: Written, job: Job, file_format: str, basis: Ingredients
) -> FileInfo:
    """Inspect a file, hold it to its recipe, and compare its outputs with the reference's."""
    path = folder / written.name
    read = inspect(path)
    io = job.io if file_format == "tflite" else "float32"
    kept = len(written.mixed.layers) if written.mixed is not None else 0
    check_recipe(
        read,
        job.recipe.name,
        io,
        float_places=written.float_places,
        kept=kept,
        float_ops=written.float_ops,
        constants=_constant_outputs(basis, file_format),
    )
    if basis.options.strict and written.integer == "mixed":
        kinds = ", ".join(f"{count} {name}" for name, count in sorted(written.float_ops.items()))
        raise CheckFailedError(
            f"The {job.recipe.name} .{file_format} is mixed: {kinds} stay in float, and --strict"
            " accepts only full-integer files.",
            hint="Drop --strict, or replace these operators in the model.",
        )
    layouts = basis.floats.model.layouts[file_format]
    parities = _parities(path, job, file_format, basis)
    return FileInfo(
        path=path.name,
        format=file_format,
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        bytes=path.stat().st_size,
        inputs=_ends(read.inputs, layouts.inputs),
        outputs=_ends(read.outputs, layouts.outputs),
        graph=read.graph,
        parity=parity.worst(parities),
        parities=parities,
        integer=written.integer,
        float_ops=written.float_ops,
    )


def _constant_outputs(made: Ingredients, file_format: str) -> tuple[str, ...]:
    tflite = made.floats.tflite
    if file_format != "tflite" or tflite is None:
        return ()
    pairs = zip(made.network.outputs, tflite.folded.outputs, strict=True)
    return tuple(end.name for end, tensor in pairs if tensor.is_constant)


def _ends(tensors: tuple[TensorInfo, ...], layouts: tuple[str, ...]) -> tuple[TensorInfo, ...]:
    return tuple(
        replace(tensor, layout=layout) for tensor, layout in zip(tensors, layouts, strict=True)
    )


def _parities(path: Path, job: Job, file_format: str, basis: Ingredients) -> tuple[ParityInfo, ...]:
    """Of the float file, how close it is to the source's framework; of others, to the float one."""
    if job.recipe.name == "float32":
        return basis.proven[file_format]
    samples = basis.samples.split.held_out.samples
    basis.progress.stage(f"comparing {job.recipe.name} {file_format}", samples)
    return judged(basis.reference, basis.answers(path, file_format), basis.floats.outputs)


def judged(
    reference: Answers, measured: Answers, outputs: Sequence[OutputInfo]
) -> tuple[ParityInfo, ...]:
    """How close a file is, on logits where there are some, with what a softmax makes of them."""
    every = parity.compare(reference, measured, outputs)
    of_values = parity.compare(reference, measured, outputs, on_values=True)
    return tuple(
        replace(info, values_db=_least_db(values), values_spread_db=values.spread_db)
        if info.measured_on == "logits"
        else info
        for info, values in zip(every, of_values, strict=True)
    )


def _least_db(info: ParityInfo) -> float | None:
    least_db = min(_decibel(info.snr_db), _decibel(info.worst_group_db))
    return None if math.isinf(least_db) else least_db
