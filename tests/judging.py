"""Holds an exported folder against answers that its source gave: run anew, judged here.

The measures are this file's own, so that a mistake in `edgecnn.parity` cannot hide another.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

import edgecnn
from edgecnn import layouts
from edgecnn.runtime.session import dequantize_output, open_session, quantize_input

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from edgecnn.records import FileInfo, Manifest, OutputInfo

    Array = np.ndarray[Any, Any]

FLOAT_DB, INT8_DB = 60.0, 18.0
_MOST_GROUPS = 16


@dataclass(frozen=True, eq=False)
class Source:
    """A network as its user has it, and what it answers.

    Attributes:
        path: of the model.
        inputs: by name in the model's order, samples along axis 0: none of them calibrates.
        outputs: likewise, what the source's own framework makes of them.
        calibration: an .npz for `export`.
    """

    path: Path
    inputs: dict[str, Array]
    outputs: dict[str, Array]
    calibration: Path

    def export(self, out: Path, **options: Any) -> edgecnn.ExportResult:  # noqa: ANN401 - ExportOptions' fields
        """As float32 and int8 in both formats, unless the options say otherwise."""
        chosen: dict[str, Any] = {
            "recipes": ("float32", "int8"), "calibration": str(self.calibration),
            "calibration_samples": 80,
        }  # fmt: skip
        return edgecnn.export(str(self.path), out=out, **{**chosen, **options})


def snr_db(wanted: Array, found: Array) -> float:
    """Of the variance about the mean over samples, over the error's power."""
    wanted, found = wanted.astype(np.float64), found.astype(np.float64)
    assert wanted.shape == found.shape
    noise = np.square(wanted - found).sum()
    signal = np.square(wanted - wanted.mean(axis=0)).sum()
    return math.inf if noise == 0 else float(10 * np.log10(signal / noise))


def worst_db(wanted: Array, found: Array) -> float:
    """The least SNR of the whole and of each slice along an axis of few."""
    ratios = [snr_db(wanted, found)]
    for axis in range(1, wanted.ndim):
        if 1 < wanted.shape[axis] <= _MOST_GROUPS:
            for k in range(wanted.shape[axis]):
                part = np.take(wanted, k, axis)
                if part.std(axis=0).any():
                    ratios.append(snr_db(part, np.take(found, k, axis)))
    return min(ratios)


def answers(
    folder: Path, manifest: Manifest, file: FileInfo, inputs: Sequence[Array]
) -> list[Array]:
    """A file's answers to samples in the source's layout, in that layout, one sample a run."""
    session = open_session(folder / file.path, threads=1)
    assert [info.name for info in session.inputs] == [end.name for end in manifest.inputs]
    assert [info.name for info in session.outputs] == [end.name for end in manifest.outputs]
    rows = []
    for k in range(len(inputs[0])):
        fed = [
            quantize_input(layouts.convert(values[k : k + 1], end.layout, info.layout), info)
            for values, end, info in zip(inputs, manifest.inputs, file.inputs, strict=True)
        ]
        rows.append(
            [
                layouts.convert(dequantize_output(values, info), info.layout, end.layout)
                for values, info, end in zip(
                    session.run(fed), file.outputs, manifest.outputs, strict=True
                )
            ]
        )
    return [np.concatenate([row[k] for row in rows]) for k in range(len(manifest.outputs))]


def hold(source: Source, result: edgecnn.ExportResult, **least_db: float) -> None:
    """Hold every file to the source: ends in its order and by its names, and each output's SNR.

    Args:
        source: what was exported.
        result: what was written; nothing may have been refused.
        **least_db: by recipe, where it is not 60 dB for float32 and 18 dB for any other.
    """
    refused = [(each.recipe, each.format, each.error.message) for each in result.refused]
    assert not refused, refused
    for artifact in result.artifacts:
        manifest = artifact.manifest
        assert [end.name for end in manifest.inputs] == list(source.inputs)
        assert [end.name for end in manifest.outputs] == list(source.outputs)
        usual = FLOAT_DB if manifest.recipe == "float32" else INT8_DB
        for file in manifest.files:
            made = answers(artifact.folder, manifest, file, list(source.inputs.values()))
            for info, wanted, found in zip(
                manifest.outputs, source.outputs.values(), made, strict=True
            ):
                ratio = judged_db(info, wanted, found)
                least = least_db.get(manifest.recipe, usual)
                assert ratio >= least, (manifest.recipe, file.format, info.name, ratio)


def judged_db(info: OutputInfo, wanted: Array, found: Array) -> float:
    """Of indices of classes, the share that is right, as a ratio; of numbers, the worst SNR."""
    if info.dtype.startswith("int"):
        differing = float((wanted != found).mean())
        return math.inf if differing == 0 else -10 * math.log10(differing)
    return worst_db(wanted, found)


def files(result: edgecnn.ExportResult, recipe: str) -> dict[str, FileInfo]:
    """The files of a recipe by format."""
    (manifest,) = (a.manifest for a in result.artifacts if a.manifest.recipe == recipe)
    return {file.format: file for file in manifest.files}
