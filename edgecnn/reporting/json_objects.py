"""What `--json` prints: records to plain objects that any JSON parser takes."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any, TypeAlias

from edgecnn.manifest import to_json_object
from edgecnn.records import SCHEMA

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from edgecnn.accuracy_budget import BudgetedExport
    from edgecnn.benchmark.own_profile import CalibratedDevice
    from edgecnn.benchmark.report import BenchReport, CheckReport, DevicesReport
    from edgecnn.caching import CacheReport
    from edgecnn.convert.onnx_import import Support
    from edgecnn.evaluating import EvaluateReport
    from edgecnn.exporting import ExportResult
    from edgecnn.inspection import Inspection
    from edgecnn.latency.listing import KnownProfile
    from edgecnn.latency.micro_reports import MicroFitReport
    from edgecnn.latency.reports import FitReport, PredictReport
    from edgecnn.measurements import BenchResult
    from edgecnn.records import ModelSpec
    from edgecnn.sweeping.records import SweepReport
    from edgecnn.verifying import VerifyResult

JsonObject: TypeAlias = dict[str, Any]


def models_object(specs: Iterable[ModelSpec]) -> JsonObject:
    """The zoo, every field of every network."""
    return {"schema": SCHEMA, "models": [_plain(spec) for spec in specs]}


def cache_object(report: CacheReport) -> JsonObject:
    """What the cache holds, or held until it was cleared."""
    return {"schema": SCHEMA, **_plain(report), "folder": str(report.folder)}


def operators_object(rows: Iterable[Support]) -> JsonObject:
    """The ONNX operators that can be turned into TensorFlow Lite."""
    return {"schema": SCHEMA, "operators": [_plain(row) for row in rows]}


def inspection_object(path: Path, inspection: Inspection) -> JsonObject:
    """Everything that was read from the file, operator by operator."""
    return {"schema": SCHEMA, "path": str(path), **_plain(inspection)}


def export_object(result: ExportResult, export: BudgetedExport | None = None) -> JsonObject:
    """The manifests of what was written, and where; with a budget, what was lost of it."""
    artifacts = [
        {"folder": str(artifact.folder), "manifest": _plain(to_json_object(artifact.manifest))}
        for artifact in result.artifacts
    ]
    refused = [
        {
            "recipe": refusal.recipe,
            "format": refusal.format,
            "message": refusal.error.message,
            "hint": refusal.error.hint,
        }
        for refusal in result.refused
    ]
    exported: JsonObject = {
        "schema": SCHEMA,
        "artifacts": artifacts,
        "warnings": list(result.warnings),
        "refused": refused,
    }
    if result.mixed is not None:
        exported["mixed"] = _plain(result.mixed)
    if export is not None:
        exported["max_drop"] = {
            "points": export.max_drop_points,
            "losses": [_plain(loss) for loss in export.losses],
            "attempts": [_plain(attempt) for attempt in export.attempts],
        }
    return exported


def verification_object(result: VerifyResult) -> JsonObject:
    """What was found out about each file of the artifact."""
    return {
        "schema": SCHEMA,
        "folder": str(result.folder),
        "recipe": result.recipe,
        "ok": result.ok,
        "files": [_plain(file) for file in result.files],
    }


def evaluate_object(report: EvaluateReport) -> JsonObject:
    """How often each file is right, or agrees with float; what its recipe costs against float32."""
    content: JsonObject = {"schema": SCHEMA, **_plain(report)}
    lists = ("evaluations", "detections", "segmentations", "agreements")
    runs = [fields for name in lists for fields in content[name]]
    for run, fields in zip(report.runs, runs, strict=True):
        fields["images_per_second"] = run.images_per_second
    return content


def bench_object(report: BenchReport) -> JsonObject:
    """All results with all their samples, what failed, and how the files compare.

    A sustained result has its onset of throttling and steady state beside its timeline.
    """
    content: JsonObject = {"schema": SCHEMA, **_plain(report)}
    for result, fields in zip(report.results, content["results"], strict=True):
        fields["sustained"] = _sustained(result)
    return content


def _sustained(result: BenchResult) -> JsonObject | None:
    if not result.timeline:
        return None
    from edgecnn.benchmark.statistics import sustained

    fields: JsonObject = _plain(sustained(result.timeline))
    return fields


def devices_object(report: DevicesReport | None, known: Iterable[KnownProfile] = ()) -> JsonObject:
    """What each device is and could run, and the profiles, where those were asked for."""
    devices = {} if report is None else _plain(report)
    return {"schema": SCHEMA, **devices, "profiles": [_plain(profile) for profile in known]}


def calibrated_object(result: CalibratedDevice) -> JsonObject:
    """The profile that was written, and what it rests on."""
    return {"schema": SCHEMA, **_plain(result)}


def check_object(report: CheckReport) -> JsonObject:
    """Every budget with its outcome, and the measurements behind it."""
    ok = not report.broken and not report.undecided
    return {"schema": SCHEMA, "ok": ok, "broken": report.broken, **_plain(report)}


def predict_object(report: PredictReport) -> JsonObject:
    """Every prediction with where its time would go."""
    return {"schema": SCHEMA, **_plain(report)}


def fit_object(
    report: FitReport | MicroFitReport, exported: ExportResult | None = None
) -> JsonObject:
    """Every candidate, the front, and the one that would be taken (and was exported)."""
    fields = {"schema": SCHEMA, **_plain(report), "front": _plain(report.front)}
    if exported is not None:
        fields["exported"] = export_object(exported)["artifacts"]
    return fields


def sweep_object(report: SweepReport) -> JsonObject:
    """How far the sweep is, each place's front, and what could not be done.

    The records of all points are the lines of its file.
    """
    files = {"file": str(report.file), "storage": str(report.storage)}
    shown = {name: value for name, value in _plain(report).items() if name != "done_keys"}
    return {"schema": SCHEMA, **shown, **files}


def error_object(message: str, hint: str, exit_code: int) -> JsonObject:
    """What a failed command prints in place of its object."""
    error = {"message": message, "hint": hint, "exit_code": exit_code}
    return {"schema": SCHEMA, "error": error}


def _plain(value: object) -> Any:  # noqa: ANN401 - whatever JSON can hold
    """Dataclasses to objects, tuples to lists; what JSON has no number for becomes null.

    A hostile file may well say that a scale is NaN, and JSON has no NaN.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = (field.name for field in dataclasses.fields(value))
        return {name: _plain(getattr(value, name)) for name in names}
    if isinstance(value, dict):
        return {str(key): _plain(member) for key, member in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(member) for member in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
