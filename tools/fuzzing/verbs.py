"""What is done with a mutated file: command lines, and what a verb reads before its work."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgecnn import caching, gate
from edgecnn.datasets import coco, masks
from edgecnn.deploying import artifact, tasking
from edgecnn.errors import InputError
from edgecnn.evaluating import texts
from edgecnn.progress import Silent

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_FEW_SAMPLES = ("--calibration-samples", "4", "--input-range", "-1,1")
_DEVICE = ("--device", "raspberry-pi-4b")


@dataclass(frozen=True)
class Request:
    """What a verb is called with.

    Attributes:
        file: the mutated file.
        folder: the artifact, the SavedModel, the pictures or the other folder it belongs to.
        out: a folder for what is written.
    """

    file: Path
    folder: Path
    out: Path

    @property
    def beside(self) -> Path:
        """The corpus, where the mutated file is one of a folder."""
        return self.folder.parent

    @property
    def model(self) -> str:
        """What an own model is named by: its file, or the SavedModel's folder."""
        return str(self.folder if (self.folder / "saved_model.pb").exists() else self.file)


def _export(request: Request) -> list[str]:
    form = "onnx" if request.file.suffix == ".onnx" else "tflite"
    return ["export", request.model, "--int8", *_written(form, request), *_FEW_SAMPLES]


def _written(form: str, request: Request) -> tuple[str, ...]:
    return ("--format", form, "--out", str(request.out))


def _calibrated_on(source: Path, corpus: Path, request: Request) -> list[str]:
    options = ("--calibration", str(source), *_written("tflite", request), *_FEW_SAMPLES[2:])
    return ["export", str(corpus / "float.tflite"), "--int8", *options]


COMMANDS: dict[str, Callable[[Request], list[str]]] = {
    "inspect": lambda request: ["inspect", str(request.file)],
    "predict": lambda request: ["predict", request.model, *_DEVICE],
    "fit": lambda request: ["fit", request.model, *_DEVICE, "--latency", "40ms"],
    "export": _export,
    "bench": lambda request: ["bench", str(request.file), "--no-results"],
    "compare": lambda request: ["compare", *[str(request.file)] * 2, "--no-results"],
    "verify": lambda request: ["verify", str(request.folder)],
    "check": lambda request: ["check", str(request.folder), "--size", "1MB"],
    "diagnose": lambda request: [
        *("diagnose", str(request.folder), "--against", str(request.beside / "float.tflite"))
    ],
    "evaluate": lambda request: [
        *("evaluate", str(request.folder), "--data", str(request.beside / "data.npz"))
    ],
    "data": lambda request: [
        *("evaluate", str(request.folder / "model"), "--data", str(request.file))
    ],
    "calibrate": lambda request: _calibrated_on(request.file, request.folder, request),
    "calibrate-on-pictures": lambda req: _calibrated_on(req.folder, req.beside, req),
    "evaluate-on-pictures": lambda request: [
        *("evaluate", str(request.beside / "model"), "--data", str(request.folder)),
        *("--agreement", "--against", str(request.beside / "float.tflite")),
        *_FEW_SAMPLES[2:],
    ],
    "verdict": lambda request: ["verdict", "--records", str(request.folder)],
    "results": lambda request: [
        *("verdict", "--records", str(request.folder / "records"), "--results", str(request.file))
    ],
    "report": lambda request: ["report", *_reported(request), "--out", str(request.out / "r.html")],
    "profile": lambda request: [
        *("predict", str(request.folder / "float.tflite"), "--device", str(request.file))
    ],
    "sweep": lambda request: ["sweep", str(request.file), "--dry-run", "--out", str(request.out)],
    "journal": lambda request: [
        *("sweep", str(request.beside / "sweep.toml"), "--dry-run", "--out", str(request.folder))
    ],
}  # fmt: skip
READERS: dict[str, Callable[[Request], object]] = {
    "deploy": lambda request: artifact.read(request.folder, Silent()),
    "labels": lambda request: tasking.read_labels(request.file),
    "cache": lambda request: caching.problem_of(request.folder),
    "anchors": lambda request: _in_evaluate(lambda: texts.read_anchors(request.file)),
    "annotations": lambda request: _in_evaluate(
        lambda: coco.open_coco(request.folder / "pictures", request.file)
    ),
    "masks": lambda request: _in_evaluate(lambda: _mask(request.file)),
}
# How often a verb is taken where its file has others: those that take seconds more seldom.
WEIGHTS = {
    "inspect": 4, "predict": 3, "fit": 3, "export": 3, "bench": 2, "verdict": 3, "results": 3,
    "data": 3, "evaluate-on-pictures": 3,
}  # fmt: skip
OF_FILES = ("inspect", "predict", "export", "fit")
SLOW = ("bench", "compare")  # they measure
OF_FOLDERS = ("verify", "verify", "check", "diagnose", "evaluate", "deploy")
OF_OWN_MODELS = ("export", "export", "predict")
OF_PICTURES = ("calibrate-on-pictures", "evaluate-on-pictures")


def _in_evaluate(read: Callable[[], object]) -> object:
    """What `evaluate` reads once it knows a network that finds boxes or masks."""
    with gate.foreign_errors("evaluating"):
        return read()


def _mask(file: Path) -> object:
    """A mask that cannot be read is left out and told of: no fault of the whole."""
    try:
        return masks.read_mask(file)
    except masks.UnreadableMaskError as error:
        raise InputError(str(error)) from error


def _reported(request: Request) -> tuple[str, ...]:
    """Of mutated records their own folder, of mutated results the one they lie in."""
    records = request.folder if request.file.suffix == ".json" else request.folder / "records"
    return ("--records", str(records), "--artifacts", str(records.parent))
