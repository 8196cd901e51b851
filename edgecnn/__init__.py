"""edgecnn takes a CNN to a Raspberry Pi or a phone: builds, exports, proves and measures it.

The public verbs, the same code that the command line calls:

>>> import edgecnn
>>> [spec.name for spec in edgecnn.models()]
['vgg', 'resnet', 'densenet', 'inception', 'xception-mini', 'xception']
>>> edgecnn.RECIPES["int8"].formats
('tflite', 'onnx')

    result = edgecnn.export("xception", recipes=["int8"])
    for artifact in result.artifacts:
        assert edgecnn.verify(artifact.folder).ok
        print(edgecnn.inspect(artifact.folder / "model.tflite").graph.delegate_partitions)
    report = edgecnn.bench(result.artifacts[0].folder, on=["local", "ssh://pi@raspberrypi.local"])
    print([(each.target, each.latency_ms.p90, each.trust) for each in report.results])
    run = edgecnn.predict("xception", device="raspberry-pi-4b", threads=4).predictions[0]
    print(run.low_ms, run.latency_ms, run.high_ms, run.basis)

Nothing is imported before it is used (PEP 562), so that `import edgecnn` costs milliseconds. Every
error raised on purpose is an `EdgeCnnError`.
"""

from __future__ import annotations

import os

# As `typing` has it, whose import takes longer than all else here: until `edgecnn.cli.main` runs, a
# Ctrl-C is answered with a traceback.
TYPE_CHECKING = False

# onnxruntime sends home what it runs, and keeps a device's number for it, unless this is set before
# it is imported. Set here for this process and for all that it starts; `runtime/runner.py`, which
# runs alone on devices, sets it for itself.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

if TYPE_CHECKING:
    from edgecnn.accuracy_budget import BudgetedExport, export_within
    from edgecnn.benchmark.checking import check
    from edgecnn.benchmark.compare import compare
    from edgecnn.benchmark.options import BenchOptions
    from edgecnn.benchmark.own_profile import CalibratedDevice, calibrate_device
    from edgecnn.benchmark.probing import list_devices, probe
    from edgecnn.benchmark.report import (
        BenchReport,
        BudgetCheck,
        CheckReport,
        Comparison,
        DeviceProbe,
        DevicesReport,
    )
    from edgecnn.benchmark.run import bench
    from edgecnn.building.verb import build
    from edgecnn.caching import CacheEntry, CacheReport, cache
    from edgecnn.calibration.preprocessing import parse_preprocessing
    from edgecnn.claims import Verdict, VerdictReport, verdict
    from edgecnn.convert.inspecting import inspect
    from edgecnn.convert.onnx_import import Support
    from edgecnn.deploying import (
        Bundle,
        Collected,
        Deployment,
        LiveOptions,
        LiveRun,
        Proof,
        Rollout,
        ServiceOptions,
        ServiceReport,
        StatusReport,
        TaskOptions,
        bundle,
        collect,
        deploy,
        deployed,
        live,
        roll_out,
        service,
    )
    from edgecnn.diagnosing import Cause, Diagnosis, Layer, diagnose
    from edgecnn.errors import (
        CheckFailedError,
        DeviceError,
        EdgeCnnError,
        InputError,
        MissingPartError,
    )
    from edgecnn.evaluating import (
        Agreement,
        Detection,
        EvaluateOptions,
        EvaluateReport,
        Evaluation,
        Segmentation,
        evaluate,
    )
    from edgecnn.exporting import Artifact, ExportOptions, ExportResult, export
    from edgecnn.inspection import Inspection, Operator
    from edgecnn.isolation import CrashedError
    from edgecnn.latency.listing import KnownProfile, list_profiles
    from edgecnn.latency.micro_reports import MicroCandidate, MicroFitReport
    from edgecnn.latency.micro_search import fit_micro
    from edgecnn.latency.options import FitOptions, MicroFitOptions, PredictOptions
    from edgecnn.latency.prediction import predict
    from edgecnn.latency.profiles import DeviceProfile
    from edgecnn.latency.reports import Candidate, FitReport, PredictedRun, PredictReport
    from edgecnn.latency.search import fit
    from edgecnn.measurements import (
        BenchPlan,
        BenchResult,
        DeviceFacts,
        DeviceFailure,
        DeviceState,
        Interval,
        Latency,
        Trust,
    )
    from edgecnn.micro.record import ArenaMeasurement, BoardFit, MicroReport
    from edgecnn.micro.run import mcu
    from edgecnn.profiling.operator_record import OperatorProfile
    from edgecnn.profiling.operators import profile_operators
    from edgecnn.progress import Progress, Silent
    from edgecnn.recipes import RECIPES, Recipe
    from edgecnn.records import (
        CalibrationInfo,
        FileInfo,
        GraphInfo,
        Manifest,
        ModelInfo,
        ModelSpec,
        ParityInfo,
        Preprocessing,
        TensorInfo,
    )
    from edgecnn.reporting.page.making import ReportResult, report
    from edgecnn.sweeping.records import PointRecord, SweepReport
    from edgecnn.sweeping.run import SweepOptions, sweep
    from edgecnn.tflm.arena import ArenaEstimate
    from edgecnn.training import Epoch, TrainingRecord, TrainOptions, TrainResult, train
    from edgecnn.verifying import VerifiedFile, VerifyResult, verify

    __version__: str

__all__ = [
    "RECIPES",
    "Agreement",
    "ArenaEstimate",
    "ArenaMeasurement",
    "Artifact",
    "BenchOptions",
    "BenchPlan",
    "BenchReport",
    "BenchResult",
    "BoardFit",
    "BudgetCheck",
    "BudgetedExport",
    "Bundle",
    "CacheEntry",
    "CacheReport",
    "CalibratedDevice",
    "CalibrationInfo",
    "Candidate",
    "Cause",
    "CheckFailedError",
    "CheckReport",
    "Collected",
    "Comparison",
    "CrashedError",
    "Deployment",
    "Detection",
    "DeviceError",
    "DeviceFacts",
    "DeviceFailure",
    "DeviceProbe",
    "DeviceProfile",
    "DeviceState",
    "DevicesReport",
    "Diagnosis",
    "EdgeCnnError",
    "Epoch",
    "EvaluateOptions",
    "EvaluateReport",
    "Evaluation",
    "ExportOptions",
    "ExportResult",
    "FileInfo",
    "FitOptions",
    "FitReport",
    "GraphInfo",
    "InputError",
    "Inspection",
    "Interval",
    "KnownProfile",
    "Latency",
    "Layer",
    "LiveOptions",
    "LiveRun",
    "Manifest",
    "MicroCandidate",
    "MicroFitOptions",
    "MicroFitReport",
    "MicroReport",
    "MissingPartError",
    "ModelInfo",
    "ModelSpec",
    "Operator",
    "OperatorProfile",
    "ParityInfo",
    "PointRecord",
    "PredictOptions",
    "PredictReport",
    "PredictedRun",
    "Preprocessing",
    "Progress",
    "Proof",
    "Recipe",
    "ReportResult",
    "Rollout",
    "Segmentation",
    "ServiceOptions",
    "ServiceReport",
    "Silent",
    "StatusReport",
    "SweepOptions",
    "SweepReport",
    "TaskOptions",
    "TensorInfo",
    "TrainOptions",
    "TrainResult",
    "TrainingRecord",
    "Trust",
    "Verdict",
    "VerdictReport",
    "VerifiedFile",
    "VerifyResult",
    "__version__",
    "bench",
    "build",
    "bundle",
    "cache",
    "calibrate_device",
    "check",
    "collect",
    "compare",
    "deploy",
    "deployed",
    "diagnose",
    "evaluate",
    "export",
    "export_within",
    "fit",
    "fit_micro",
    "inspect",
    "list_devices",
    "list_profiles",
    "live",
    "mcu",
    "models",
    "onnx_operators",
    "parse_preprocessing",
    "predict",
    "probe",
    "profile_operators",
    "report",
    "roll_out",
    "service",
    "sweep",
    "train",
    "verdict",
    "verify",
]

# A verb never has the name of a submodule, which importing would put in the verb's place.
_HOMES = {
    "edgecnn.accuracy_budget": ("BudgetedExport", "export_within"),
    "edgecnn.benchmark.checking": ("check",),
    "edgecnn.benchmark.compare": ("compare",),
    "edgecnn.benchmark.options": ("BenchOptions",),
    "edgecnn.profiling.operator_record": ("OperatorProfile",),
    "edgecnn.profiling.operators": ("profile_operators",),
    "edgecnn.benchmark.probing": ("list_devices", "probe"),
    "edgecnn.benchmark.report": (
        "BenchReport",
        "BudgetCheck",
        "CheckReport",
        "Comparison",
        "DeviceProbe",
        "DevicesReport",
    ),
    "edgecnn.benchmark.run": ("bench",),
    "edgecnn.building.verb": ("build",),
    "edgecnn.caching": ("CacheEntry", "CacheReport", "cache"),
    "edgecnn.calibration.preprocessing": ("parse_preprocessing",),
    "edgecnn.diagnosing": ("Cause", "Diagnosis", "Layer", "diagnose"),
    "edgecnn.evaluating": (
        "Agreement",
        "Detection",
        "EvaluateOptions",
        "EvaluateReport",
        "Evaluation",
        "Segmentation",
        "evaluate",
    ),
    "edgecnn.training": ("Epoch", "TrainOptions", "TrainResult", "TrainingRecord", "train"),
    "edgecnn.claims": ("Verdict", "VerdictReport", "verdict"),
    "edgecnn.deploying": (
        "Bundle",
        "Collected",
        "Deployment",
        "LiveOptions",
        "LiveRun",
        "Proof",
        "Rollout",
        "ServiceOptions",
        "ServiceReport",
        "StatusReport",
        "TaskOptions",
        "bundle",
        "collect",
        "deploy",
        "deployed",
        "live",
        "roll_out",
        "service",
    ),
    "edgecnn.errors": (
        "CheckFailedError",
        "DeviceError",
        "EdgeCnnError",
        "InputError",
        "MissingPartError",
    ),
    "edgecnn.exporting": ("Artifact", "ExportOptions", "ExportResult", "export"),
    "edgecnn.convert.inspecting": ("inspect",),
    "edgecnn.inspection": ("Inspection", "Operator"),
    "edgecnn.isolation": ("CrashedError",),
    "edgecnn.latency.listing": ("KnownProfile", "list_profiles"),
    "edgecnn.latency.micro_reports": ("MicroCandidate", "MicroFitReport"),
    "edgecnn.latency.micro_search": ("fit_micro",),
    "edgecnn.latency.options": ("FitOptions", "MicroFitOptions", "PredictOptions"),
    "edgecnn.benchmark.own_profile": ("CalibratedDevice", "calibrate_device"),
    "edgecnn.latency.prediction": ("predict",),
    "edgecnn.latency.profiles": ("DeviceProfile",),
    "edgecnn.latency.reports": ("Candidate", "FitReport", "PredictReport", "PredictedRun"),
    "edgecnn.latency.search": ("fit",),
    "edgecnn.measurements": (
        "BenchPlan",
        "BenchResult",
        "DeviceFacts",
        "DeviceFailure",
        "DeviceState",
        "Interval",
        "Latency",
        "Trust",
    ),
    "edgecnn.micro.record": ("ArenaMeasurement", "BoardFit", "MicroReport"),
    "edgecnn.micro.run": ("mcu",),
    "edgecnn.progress": ("Progress", "Silent"),
    "edgecnn.recipes": ("RECIPES", "Recipe"),
    "edgecnn.records": (
        "CalibrationInfo",
        "FileInfo",
        "GraphInfo",
        "Manifest",
        "ModelInfo",
        "ModelSpec",
        "ParityInfo",
        "Preprocessing",
        "TensorInfo",
    ),
    "edgecnn.reporting.page.making": ("ReportResult", "report"),
    "edgecnn.sweeping.records": ("PointRecord", "SweepReport"),
    "edgecnn.sweeping.run": ("SweepOptions", "sweep"),
    "edgecnn.tflm.arena": ("ArenaEstimate",),
    "edgecnn.verifying": ("VerifiedFile", "VerifyResult", "verify"),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}


def models() -> tuple[ModelSpec, ...]:
    """Return the zoo: the networks that `export` builds by name, in the order of the table.

    `export` also takes `keras:NAME` and paths of the user's own models.
    """
    from edgecnn.zoo import MODELS

    return tuple(MODELS.values())


def onnx_operators() -> tuple[Support, ...]:
    """Return the ONNX operators that `export` turns into TensorFlow Lite, from its own table."""
    from edgecnn.convert.onnx_import import supported

    return tuple(supported())


def _version() -> str:
    from importlib import metadata

    try:
        return metadata.version("edgecnn")
    except metadata.PackageNotFoundError:  # a source tree on the path, not an installed package
        return "0+uninstalled"


def __getattr__(name: str) -> object:
    """Import a public name when it is first used."""
    import importlib

    value: object
    if name == "__version__":
        value = _version()
    elif name in _HOME_OF:
        value = getattr(importlib.import_module(_HOME_OF[name]), name)
    else:
        raise AttributeError(f"module 'edgecnn' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """The public names, imported or not."""
    return sorted({*globals(), *__all__})
