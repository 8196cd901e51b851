"""Results as `export` and `verify` return them, made by hand for tests of printing."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from edgecnn.exporting import Artifact, ExportResult
from edgecnn.records import (
    FileInfo,
    GraphInfo,
    Manifest,
    ModelInfo,
    ParityInfo,
    Preprocessing,
    TensorInfo,
)
from edgecnn.verifying import VerifiedFile, VerifyResult

if TYPE_CHECKING:
    from pathlib import Path

PARITY = ParityInfo(
    snr_db=24.31, cosine=0.998, max_abs_error=0.41, top1_agreement=0.9844, samples=64
)
GRAPH = GraphInfo({"CONV_2D": 40}, {"int8": 8_470_752_656}, {"int8": 22_800_000}, 1, {})
TENSOR = TensorInfo("input", "int8", (1, 299, 299, 3), 0.0078, -1)
TFLITE = FileInfo(
    "model.tflite", "tflite", "ab" * 32, 23_412_345, (TENSOR,), (TENSOR,), GRAPH, PARITY
)
ONNX = dataclasses.replace(
    TFLITE,
    path="model.onnx",
    format="onnx",
    bytes=23_012_345,
    graph=dataclasses.replace(GRAPH, delegate_partitions=None),
    parity=dataclasses.replace(PARITY, snr_db=None, top1_agreement=1.0),
)


def manifest(recipe: str = "int8", weights: str = "random") -> Manifest:
    """A manifest of xception with both files."""
    model = ModelInfo(
        "xception", 22_910_480, 22_855_952, 8_470_752_656, (1, 299, 299, 3), 1000, weights
    )
    return Manifest(
        edgecnn="0.1.0",
        model=model,
        recipe=recipe,
        seed=0,
        preprocessing=Preprocessing(),
        calibration=None,
        versions={},
        files=(TFLITE, ONNX),
    )


def export_result(folder: Path, *recipes: str, weights: str = "random") -> ExportResult:
    """What an export into `folder` returns."""
    return ExportResult(
        artifacts=tuple(Artifact(folder / recipe, manifest(recipe, weights)) for recipe in recipes),
        warnings=("the photographs are not yours",),
        float32_size_bytes={"tflite": 91_000_000, "onnx": 92_000_000},
    )


def verify_result(folder: Path, *problems: str, note: str = "") -> VerifyResult:
    """What verifying `folder` returns, with these problems of model.tflite."""
    tflite = VerifiedFile("model.tflite", ok=not problems, problems=problems, parity=PARITY)
    onnx_parity = None if note else ONNX.parity
    onnx = VerifiedFile("model.onnx", ok=True, problems=(), parity=onnx_parity, note=note)
    return VerifyResult(folder, "int8", (tflite, onnx))
