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
class Asked:
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


def _export(asked: Asked) -> list[str]:
    form = "onnx" if asked.file.suffix == ".onnx" else "tflite"
    return ["export", asked.model, "--int8", *_written(form, asked), *_FEW_SAMPLES]


def _written(form: str, asked: Asked) -> tuple[str, ...]:
    return ("--format", form, "--out", str(asked.out))


def _calibrated_on(source: Path, corpus: Path, asked: Asked) -> list[str]:
    options = ("--calibration", str(source), *_written("tflite", asked), *_FEW_SAMPLES[2:])
    return ["export", str(corpus / "float.tflite"), "--int8", *options]


COMMANDS: dict[str, Callable[[Asked], list[str]]] = {
    "inspect": lambda asked: ["inspect", str(asked.file)],
    "predict": lambda asked: ["predict", asked.model, *_DEVICE],
    "fit": lambda asked: ["fit", asked.model, *_DEVICE, "--latency", "40ms"],
    "export": _export,
    "bench": lambda asked: ["bench", str(asked.file), "--no-results"],
    "compare": lambda asked: ["compare", *[str(asked.file)] * 2, "--no-results"],
    "verify": lambda asked: ["verify", str(asked.folder)],
    "check": lambda asked: ["check", str(asked.folder), "--size", "1MB"],
    "diagnose": lambda asked: [
        *("diagnose", str(asked.folder), "--against", str(asked.beside / "float.tflite"))
    ],
    "evaluate": lambda asked: [
        *("evaluate", str(asked.folder), "--data", str(asked.beside / "data.npz"))
    ],
    "data": lambda asked: [
        *("evaluate", str(asked.folder / "model"), "--data", str(asked.file))
    ],
    "calibrate": lambda asked: _calibrated_on(asked.file, asked.folder, asked),
    "calibrate-on-pictures": lambda asked: _calibrated_on(asked.folder, asked.beside, asked),
    "evaluate-on-pictures": lambda asked: [
        *("evaluate", str(asked.beside / "model"), "--data", str(asked.folder)),
        *("--agreement", "--against", str(asked.beside / "float.tflite")),
        *_FEW_SAMPLES[2:],
    ],
    "verdict": lambda asked: ["verdict", "--records", str(asked.folder)],
    "results": lambda asked: [
        *("verdict", "--records", str(asked.folder / "records"), "--results", str(asked.file))
    ],
    "report": lambda asked: ["report", *_reported(asked), "--out", str(asked.out / "r.html")],
    "profile": lambda asked: [
        *("predict", str(asked.folder / "float.tflite"), "--device", str(asked.file))
    ],
    "sweep": lambda asked: ["sweep", str(asked.file), "--dry-run", "--out", str(asked.out)],
    "journal": lambda asked: [
        *("sweep", str(asked.beside / "sweep.toml"), "--dry-run", "--out", str(asked.folder))
    ],
}  # fmt: skip
READERS: dict[str, Callable[[Asked], object]] = {
    "deploy": lambda asked: artifact.read(asked.folder, Silent()),
    "labels": lambda asked: tasking.read_labels(asked.file),
    "cache": lambda asked: caching.problem_of(asked.folder),
    "anchors": lambda asked: _in_evaluate(lambda: texts.read_anchors(asked.file)),
    "annotations": lambda asked: _in_evaluate(
        lambda: coco.open_coco(asked.folder / "pictures", asked.file)
    ),
    "masks": lambda asked: _in_evaluate(lambda: _mask(asked.file)),
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


def _reported(asked: Asked) -> tuple[str, ...]:
    """Of mutated records their own folder, of mutated results the one they lie in."""
    records = asked.folder if asked.file.suffix == ".json" else asked.folder / "records"
    return ("--records", str(records), "--artifacts", str(records.parent))
