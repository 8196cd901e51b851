"""`export --max-drop`: an int8 file that loses no more accuracy than a user allows.

Plain post-training quantization first. Where it loses too much, more and more signal-to-noise ratio
is asked for, so that the fewest layers that give it stay in float32 (`--min-snr`), until the loss
is measured to be within the budget on the user's own data. A file is taken when the whole 95 %
interval of its loss lies within; data too few to tell are refused, not believed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecnn import held
from edgecnn.errors import CheckFailedError, InputError
from edgecnn.evaluating import evaluate
from edgecnn.exporting import ExportOptions, ExportResult, export
from edgecnn.exporting.options import Refusal
from edgecnn.progress import Progress, Silent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edgecnn.evaluating import Agreement, EvaluateReport
    from edgecnn.evaluating.records import FileRun

_RECIPE, _FLOAT = "int8", "float32"
_POINTS = 100.0
# What is asked for beyond the plain file's SNR, in turn. Each step halves the noise or better.
_MORE_DB = (3.0, 6.0, 10.0, 15.0, 20.0)
_MOST_IMAGES = 10_000_000


@dataclass(frozen=True)
class Loss:
    """What a file loses on the user's data against the float32 file of the same network.

    Attributes:
        format: "tflite" or "onnx".
        metric: what is lost: "top-1", "mAP" or "mIoU"; "agreement" where the data have no labels.
        points: hundredths of the metric; below 0: a gain.
        low: lower end of its 95 % interval, points; None for a metric without one.
        high: upper end.
        images: that it was measured on.
    """

    format: str
    metric: str
    points: float
    low: float | None
    high: float | None
    images: int

    def is_within(self, most: float) -> bool:
        """Whether it is told to be no more than so many points."""
        return (self.points if self.high is None else self.high) <= most

    def images_to_tell(self, most: float) -> int | None:
        """How many images would tell, if the loss stays what it is; None where it is too large."""
        if self.high is None or self.points >= most:
            return None
        share = (self.high - self.points) / (most - self.points)
        return min(math.ceil(self.images * share * share), _MOST_IMAGES)

    @property
    def text(self) -> str:
        """In a few words."""
        interval = "" if self.low is None else f" ({self.low:.2f} to {self.high:.2f})"
        return f"{self.points:.2f} points of {self.metric}{interval} on {self.images} images"


@dataclass(frozen=True)
class Attempt:
    """A file that was made and measured.

    Attributes:
        min_snr_db: what its layers were chosen for; None for plain quantization.
        float_layers: how many of them stay in float32.
        loss: measured.
    """

    min_snr_db: float | None
    float_layers: int
    loss: Loss


@dataclass(frozen=True)
class BudgetedExport:
    """Files whose loss is within a budget.

    Attributes:
        result: what was written.
        max_drop_points: the budget.
        losses: of each int8 file that was written.
        attempts: every .tflite that was measured, in turn.
    """

    result: ExportResult
    max_drop_points: float
    losses: tuple[Loss, ...]
    attempts: tuple[Attempt, ...]


@dataclass(frozen=True)
class Trial:
    """An export into a temporary folder, measured.

    Attributes:
        result: of the export.
        losses: by format.
        min_snr_db: what the .tflite's layers were chosen for; None for plain quantization.
    """

    result: ExportResult
    losses: dict[str, Loss]
    min_snr_db: float | None

    @property
    def digests(self) -> dict[str, str]:
        """SHA-256 of each int8 file, by format."""
        artifact = next(a for a in self.result.artifacts if a.manifest.recipe == _RECIPE)
        return {file.format: file.sha256 for file in artifact.manifest.files}

    @property
    def snr_db(self) -> float:
        """Of the int8 .tflite."""
        artifact = next(a for a in self.result.artifacts if a.manifest.recipe == _RECIPE)
        tflite = next(file for file in artifact.manifest.files if file.format == "tflite")
        snr_db = tflite.parity.snr_db
        return math.inf if snr_db is None else snr_db

    @property
    def float_layers(self) -> int:
        """How many of its layers stay in float32."""
        return 0 if self.result.mixed is None else len(self.result.mixed.layers)


def export_within(
    model: str,
    *,
    max_drop_points: float,
    data: str,
    evaluation: dict[str, Any] | None = None,
    progress: Progress | None = None,
    **options: Any,  # noqa: ANN401 - the fields of ExportOptions
) -> BudgetedExport:
    """Export an int8 file that loses at most so much accuracy on some data.

    Args:
        model: as `edgecnn.export` takes it.
        max_drop_points: hundredths of top-1 accuracy, mAP or mIoU; of agreement with the float
            network where the data have no labels.
        data: as `edgecnn.evaluate` takes it: none of the calibration images.
        evaluation: other fields of `EvaluateOptions`, such as `task`, `annotations` or `limit`.
        progress: told of stages, steps and warnings.
        **options: the fields of `ExportOptions`; int8 has to be among the recipes.

    Returns:
        What was written, and what was measured on the way. A file that loses more is refused beside
        one that does not: layers are kept in float32 in the .tflite only, and alone the .onnx has
        the same bytes.

    Raises:
        InputError: what was asked for cannot be done; nothing was written.
        CheckFailedError: no file is within the budget, or the data are too few to tell; likewise.
    """
    chosen = ExportOptions(**options)
    _require_sense(chosen, max_drop_points, data)
    watcher = progress or Silent()
    with held.temporary() as folder:
        search = Search(model, chosen, max_drop_points, data, evaluation or {}, folder, watcher)
        trials = list(search.trials())
    return search.written(trials)


def _require_sense(options: ExportOptions, most: float, data: str) -> None:
    if not 0 < most < _POINTS:
        raise InputError(
            f"--max-drop takes points above 0 and below 100, not {most:g}.", hint="For example: 0.5"
        )
    if _RECIPE not in options.recipes:
        raise InputError("--max-drop is for the int8 recipe.", hint="Add --int8.")
    if options.min_snr_db is not None:
        raise InputError(
            "--max-drop and --min-snr both decide which layers stay in float32.", hint="Give one."
        )
    if options.calibration is not None and Path(options.calibration) == Path(data):
        raise InputError(
            f"{data} is what the files are calibrated on: a loss measured on it flatters them.",
            hint="Name other images with --data or with --calibration.",
        )


class Search:
    """Exports and measures until a file is within the budget; the arguments are the user's."""

    def __init__(
        self,
        model: str,
        options: ExportOptions,
        most: float,
        data: str,
        evaluation: dict[str, Any],
        folder: Path,
        progress: Progress,
    ) -> None:
        self._model, self._options, self._most = model, options, most
        self._data, self._evaluation = data, evaluation
        self._folder, self._progress = folder, progress

    def trials(self) -> Iterator[Trial]:
        """Plain quantization, and files with more and more layers in float32, while they lose."""
        plain = self._trial(self._options.formats, None)
        yield plain
        if "tflite" not in plain.losses or self._is_decided(plain.losses["tflite"]):
            return
        for more_db in _MORE_DB:
            try:
                trial = self._trial(("tflite",), plain.snr_db + more_db)
            except CheckFailedError:
                return  # not even with every layer in float32
            yield trial
            if self._is_decided(trial.losses["tflite"]):
                return

    def _is_decided(self, loss: Loss) -> bool:
        """Whether keeping more layers in float32 is of no use: it is within, or nobody can tell."""
        return loss.points <= self._most

    def _trial(self, formats: tuple[str, ...], min_snr_db: float | None) -> Trial:
        out = self._folder / ("plain" if min_snr_db is None else f"{min_snr_db:.2f}")
        options = replace(
            self._options,
            recipes=(_FLOAT, _RECIPE),
            formats=formats,
            min_snr_db=min_snr_db,
            out=out,
        )
        result = export(self._model, progress=self._progress, **vars(options))
        if not any(a.manifest.recipe == _RECIPE for a in result.artifacts):
            raise next(refusal.error for refusal in result.refused if refusal.recipe == _RECIPE)
        self._progress.stage("evaluating")
        report = evaluate(
            out,
            progress=self._progress,
            **{"threads": self._options.threads, **self._evaluation, "data": self._data},
        )
        return Trial(result, {loss.format: loss for loss in losses_of(report)}, min_snr_db)

    def written(self, trials: list[Trial]) -> BudgetedExport:
        """Export what was found to where it belongs; the bytes are the measured ones."""
        first, last = trials[0], trials[-1]
        measured = {**first.losses, **last.losses}
        within = [name for name, loss in measured.items() if loss.is_within(self._most)]
        if not within:
            raise self._refusal(measured)
        formats = tuple(name for name in self._options.formats if name in within)
        min_snr_db = last.min_snr_db if "tflite" in formats else None
        result = export(
            self._model,
            progress=self._progress,
            **vars(replace(self._options, formats=formats, min_snr_db=min_snr_db)),
        )
        self._require_same(result, {**first.digests, **last.digests})
        refused = tuple(
            Refusal(_RECIPE, name, self._refusal({name: loss}))
            for name, loss in measured.items()
            if name not in within
        )
        return BudgetedExport(
            replace(result, refused=(*result.refused, *refused)),
            self._most,
            tuple(measured[name] for name in formats),
            tuple(
                Attempt(trial.min_snr_db, trial.float_layers, trial.losses["tflite"])
                for trial in trials
                if "tflite" in trial.losses
            ),
        )

    def _refusal(self, measured: dict[str, Loss]) -> CheckFailedError:
        details = "; ".join(f"the .{name} loses {loss.text}" for name, loss in measured.items())
        if any(loss.low is not None and loss.low <= self._most for loss in measured.values()):
            return CheckFailedError(
                f"--max-drop {self._most:g}: the data are too few to tell: {details}.",
                hint=f"Give {self._enough(measured)} images, or allow more.",
            )
        least = min(loss.points for loss in measured.values())
        kept = "" if "tflite" not in measured else ", with ever more layers in float32"
        return CheckFailedError(
            f"--max-drop {self._most:g} is not reached{kept}: {details}.",
            hint=f"Allow more than {least:.2f} points, calibrate on images like those of --data,"
            " or take --float16.",
        )

    def _enough(self, measured: dict[str, Loss]) -> str:
        counts = [loss.images_to_tell(self._most) for loss in measured.values()]
        enough = min((count for count in counts if count is not None), default=None)
        return "more" if enough is None else f"about {float(f'{enough:.1g}'):,.0f}"

    def _require_same(self, result: ExportResult, measured: dict[str, str]) -> None:
        for artifact in result.artifacts:
            for file in artifact.manifest.files if artifact.manifest.recipe == _RECIPE else ():
                if file.sha256 != measured[file.format]:
                    raise CheckFailedError(
                        f"{artifact.folder / file.path} is not the file that was measured:"
                        " another export of the same model gave other bytes.",
                        hint="Something changed in between, such as the model or the calibration"
                        " images. Run it again.",
                    )


def losses_of(report: EvaluateReport) -> list[Loss]:
    """What each int8 file of a report loses against float32."""
    of_run = {run.file: run for run in report.runs}
    by_class = [
        Loss(
            of_run[change.file].format,
            "top-1",
            -_POINTS * change.difference,
            -_POINTS * change.high,
            -_POINTS * change.low,
            change.images,
        )
        for change in report.differences
        if change.recipe == _RECIPE
    ]
    agreed = [_disagreement(run) for run in report.agreements if run.recipe == _RECIPE]
    boxes = _against_float(report.detections, "mAP", "map")
    masks = _against_float(report.segmentations, "mIoU", "miou")
    return [*by_class, *agreed, *boxes, *masks]


def _disagreement(run: Agreement) -> Loss:
    share = next(value for value in (run.top1, run.miou, run.map) if value is not None)
    low, high = (None if end is None else _POINTS * (1 - end) for end in (run.high, run.low))
    return Loss(run.format, "agreement", _POINTS * (1 - share), low, high, run.images)


def _against_float(runs: tuple[FileRun, ...], metric: str, name: str) -> list[Loss]:
    floats = {run.format: float(getattr(run, name)) for run in runs if run.recipe == _FLOAT}
    return [
        Loss(
            run.format,
            metric,
            _POINTS * (floats[run.format] - float(getattr(run, name))),
            None,
            None,
            run.images,
        )
        for run in runs
        if run.recipe == _RECIPE and run.format in floats
    ]
