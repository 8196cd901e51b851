"""The verb `train`: data and model to a folder with weights and what is known of them."""

from __future__ import annotations

import importlib.util
import json
import shlex
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecnn import isolation, store
from edgecnn.building.request import BuildRequest, identify
from edgecnn.convert.versions import versions
from edgecnn.datasets.labelled import open_labelled
from edgecnn.errors import InputError, MissingPartError
from edgecnn.manifest import folder_name
from edgecnn.progress import Progress, Silent
from edgecnn.training.loop import MODEL, Fed, Fitted
from edgecnn.training.options import TrainOptions
from edgecnn.training.record import TrainingRecord, TrainResult

if TYPE_CHECKING:
    from edgecnn.building.request import ModelIdentity
    from edgecnn.records import Preprocessing

RECORD = "training.json"
_ZOO_KINDS = frozenset({"zoo", "keras"})


def train(model: str, *, progress: Progress | None = None, **options: Any) -> TrainResult:  # noqa: ANN401 - the fields of TrainOptions
    """Train a network, measure its accuracy, and write it as a folder that appears whole.

    Args:
        model: a zoo name, `keras:NAME`, or a path to .keras or .h5.
        progress: told of every batch.
        **options: the fields of `TrainOptions`; `data` is needed.

    Returns:
        The folder and its record.

    Raises:
        InputError: the model, the data or an option is not what can be trained.
        MissingPartError: TensorFlow is not installed.
    """
    chosen = TrainOptions(**options)
    chosen.check()
    watcher = progress or Silent()
    training = open_labelled(chosen.data, "train", limit=chosen.samples, seed=chosen.seed)
    test = open_labelled(chosen.data, "test", limit=chosen.test_samples, seed=chosen.seed)
    request = _request(model, chosen, len(training.classes))
    identity = identify(request)
    preprocessing = _preprocessing(identity, chosen)
    _require_tensorflow(identity.name)
    fed = Fed(training, test, preprocessing, chosen.batch_size, chosen.seed)
    for note in training.notes:
        watcher.warn(note)
    out = chosen.out or Path("artifacts") / folder_name(identity.name) / "trained"
    with store.new_folder(Path(out), replaceable=_require_replaceable) as part:
        fitted: Fitted = isolation.run(
            "edgecnn.training.loop:fit",
            request,
            str(part),
            fed,
            what=f"training {identity.name}",
            epochs=chosen.epochs,
            learning_rate=chosen.learning_rate,
            progress=watcher,
        )
        record = _record(identity, chosen, fed, fitted)
        (part / RECORD).write_text(json.dumps(asdict(record), indent=1) + "\n", encoding="utf-8")
    return TrainResult(Path(out), record, _export_command(identity, chosen, record, Path(out)))


def _require_replaceable(folder: Path) -> None:
    store.require_own(folder, RECORD, lambda content: [MODEL] if "test_accuracy" in content else [])


def _request(model: str, chosen: TrainOptions, classes: int) -> BuildRequest:
    request = BuildRequest(
        model,
        input_size=chosen.input_size,
        width=chosen.width,
        convolution=chosen.convolution,
        weights=chosen.weights,
        seed=chosen.seed,
    )
    kind = identify(request).kind
    if kind not in _ZOO_KINDS | {"keras-file"}:
        raise InputError(
            f"{model} cannot be trained.",
            hint="Train a zoo name, keras:NAME, or a .keras or .h5 model.",
        )
    if kind in _ZOO_KINDS:  # their last layer is made as wide as the data asks
        return BuildRequest(**{**asdict(request), "classes": classes})
    return request


def _require_tensorflow(name: str) -> None:
    if importlib.util.find_spec("tensorflow") is None:
        raise MissingPartError(
            f"Training {name} needs TensorFlow, not installed here.",
            hint="pip install 'edgecnn[export]'",
        )


def _preprocessing(identity: ModelIdentity, chosen: TrainOptions) -> Preprocessing:
    if identity.preprocessing is not None and chosen.preprocessing is not None:
        raise InputError(
            f"{identity.name} comes with its own preprocessing; another would be a wrong one.",
            hint="Leave --input-range, --mean and --std out.",
        )
    preprocessing = chosen.preprocessing or identity.preprocessing
    if preprocessing is None:
        raise InputError(
            f"{identity.name}: how its input is scaled is not known.",
            hint="Say it: --input-range 0,1 (or -1,1, or 0,255), or --mean and --std.",
        )
    return preprocessing


def _record(
    identity: ModelIdentity, chosen: TrainOptions, fed: Fed, fitted: Fitted
) -> TrainingRecord:
    return TrainingRecord(
        model=identity.name,
        data=fed.training.source,
        classes=fed.training.classes,
        input_size=fitted.input_size,
        width=chosen.width,
        preprocessing=fed.preprocessing,
        parameters=fitted.parameters,
        training_samples=fed.training.count,
        batch_size=chosen.batch_size,
        learning_rate=chosen.learning_rate,
        seed=chosen.seed,
        epochs=fitted.epochs,
        test_samples=fitted.test_samples,
        test_accuracy=fitted.test_accuracy,
        seconds=round(fitted.seconds, 1),
        versions=versions(),
    )


def _export_command(
    identity: ModelIdentity, chosen: TrainOptions, record: TrainingRecord, out: Path
) -> str:
    """What exports the trained weights under the model's own name and preprocessing."""
    words = ["edgecnn", "export"]
    if identity.kind in _ZOO_KINDS:
        words += [identity.name.removesuffix("-normal"), "--weights", str(out / MODEL)]
        words += ["--classes", str(len(record.classes))]
        for option in ("input_size", "width", "convolution"):
            value = getattr(chosen, option)
            if value is not None:
                words += [f"--{option.replace('_', '-')}", f"{value}"]
    else:
        words += [str(out / MODEL)]
        mean, std = (",".join(f"{v:g}" for v in part) for part in (
            record.preprocessing.mean, record.preprocessing.std))  # fmt: skip
        words += ["--mean", mean, "--std", std]
    return shlex.join([*words, "--int8", "--calibration", chosen.data])
