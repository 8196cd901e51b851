"""The verb `predict`: the latency of a network on devices nobody has at hand."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from edgecnn import gate
from edgecnn.building.request import is_name
from edgecnn.errors import InputError
from edgecnn.latency import predictor, profiles, sizes
from edgecnn.latency.alternatives import alternatives
from edgecnn.latency.options import PredictOptions
from edgecnn.latency.reports import Change, KindShare, PredictedRun, PredictReport
from edgecnn.latency.subjects import Shape, find_subjects
from edgecnn.progress import Progress, Silent

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from edgecnn.latency.cost import OperatorCost
    from edgecnn.latency.predictor import Prediction
    from edgecnn.latency.profiles import DeviceProfile
    from edgecnn.latency.subjects import Subject

EVERY_DEVICE = "all"


def _is_file(model: Path | str) -> bool:
    return not is_name(str(model))


@gate.guarded("Predicting", _is_file)
def predict(
    model: Path | str,
    *,
    progress: Progress | None = None,
    **options: Any,  # noqa: ANN401 - the fields of PredictOptions
) -> PredictReport:
    """Predict the latency and energy of one inference with TFLite and XNNPACK; nothing is run.

    Args:
        model: a .tflite or .onnx file, an artifact folder, a zoo name, `keras:NAME`, or a path to
            a Keras model or SavedModel.
        progress: told of what takes long.
        **options: the fields of `PredictOptions`.

    Returns:
        One prediction for each recipe (or file), device and number of threads.

    Raises:
        InputError: no such model, device or recipe, a profile that cannot be, or more threads than
            a device has cores.
        MissingPartError: TensorFlow is needed to build the network, and not installed.
    """
    chosen = PredictOptions(**options)
    plan, notes = _places(chosen)
    shape = Shape(
        chosen.input_size,
        chosen.width,
        chosen.classes,
        chosen.convolution,
        dict(chosen.input_shapes),
    )
    recipes = tuple(dict.fromkeys(chosen.recipes))
    subjects = find_subjects(str(model), recipes, shape, progress or Silent())
    runs = [
        _explained(subject, profile, count, shape)
        if chosen.explain
        else predict_run(subject, profile, count)
        for subject in subjects
        for profile, count in plan
    ]
    notes += dict.fromkeys(subject.cost.shapes for subject in subjects if subject.cost.shapes)
    return PredictReport(tuple(runs), tuple(notes))


def _places(options: PredictOptions) -> tuple[list[tuple[DeviceProfile, int]], list[str]]:
    """Every device with every number of threads, and what was left out of "all"."""
    counts, notes = options.thread_counts, list[str]()
    plan: list[tuple[DeviceProfile, int]] = []
    for name in options.devices:
        if name != EVERY_DEVICE:
            profile = profiles.find(name)
            for count in counts:
                check_threads(profile, count)
            plan += [(profile, count) for count in counts]
            continue
        for profile in map(profiles.find, profiles.names()):
            fitting = [count for count in counts if 1 <= count <= profile.cores]
            plan += [(profile, count) for count in fitting]
            if len(fitting) < len(counts):
                notes.append(f"{profile.name} has {profile.cores} cores: more are left out.")
    return plan, notes


def check_threads(profile: DeviceProfile, threads: int) -> None:
    """Raise InputError unless the device has a core for every thread."""
    if not 1 <= threads <= profile.cores:
        raise InputError(
            f"--threads {threads}: {profile.name} has {profile.cores} cores.",
            hint=f"Give 1 to {profile.cores}; more threads than cores only wait for each other.",
        )


def predict_run(subject: Subject, profile: DeviceProfile, threads: int) -> PredictedRun:
    """One network on one device.

    Args:
        subject: the network, under its recipe.
        profile: the device.
        threads: of one inference; not checked here.
    """
    cost = subject.cost
    prediction = predictor.predict_latency(cost, profile, subject.recipe, threads)
    return PredictedRun(
        model=subject.name,
        device=profile.name,
        threads=threads,
        recipe=subject.recipe,
        latency_ms=prediction.latency_ms,
        low_ms=prediction.low_ms,
        high_ms=prediction.high_ms,
        interval=predictor.INTERVAL,
        energy_mj=prediction.energy_mj,
        basis=prediction.basis,
        macs=cost.macs,
        size_bytes=sizes.file_bytes(cost),
        memory_bytes=sizes.memory_bytes(cost),
        unknown=cost.unknown,
        warnings=(*prediction.warnings, *cost.notes),
        kinds=tuple(_kinds(cost.operators, prediction)),
        conditions=prediction.conditions,
    )


def _kinds(operators: Sequence[OperatorCost], prediction: Prediction) -> Iterator[KindShare]:
    """What each kind of operator asks for, beside its time."""
    counts, macs, moved = Counter[str](), Counter[str](), Counter[str]()
    for operator in operators:
        counts[operator.kind] += 1
        macs[operator.kind] += operator.macs
        moved[operator.kind] += operator.bytes_read + operator.bytes_written + operator.weight_bytes
    for time in prediction.by_kind:
        yield KindShare(
            kind=time.kind,
            count=counts[time.kind],
            macs=macs[time.kind],
            bytes_moved=moved[time.kind],
            time_ms=time.time_ms,
            share=time.time_ms / prediction.latency_ms if prediction.latency_ms else 0.0,
            bound=time.bound,
        )


def _explained(
    subject: Subject, profile: DeviceProfile, threads: int, shape: Shape
) -> PredictedRun:
    run = predict_run(subject, profile, threads)
    changes = [
        Change(what, predict_run(other, profile, count).latency_ms)
        for what, other, count in alternatives(subject, profile.cores, threads, shape)
    ]
    return replace(run, changes=tuple(changes))
