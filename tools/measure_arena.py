"""Hold estimated arenas against those that TensorFlow Lite Micro's interpreter takes.

    python tools/measure_arena.py PATH [PATH ...] [--out artifacts/benchmarks/arena.json]
    python tools/measure_arena.py --sources FOLDER --out artifacts/benchmarks/arena.json

Prints one JSON object a file or artifact folder, and the largest errors last; --out keeps them
beside those of other files that it has. Estimates are of the file, and (`fit_...`) what `edgecnn
fit` says before there is one: of a network of the zoo, and of files in --sources that are named as
an artifact's folder is. Needs `pip install 'edgecnn[mcu]'`, and TensorFlow for sources.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from measure.measuring import write_json

import edgecnn
from edgecnn import manifest as manifests
from edgecnn.errors import EdgeCnnError
from edgecnn.latency import micro_memory, sizes
from edgecnn.latency.candidates import TINY
from edgecnn.latency.subjects import Shape, find_subjects
from edgecnn.latency.zoo_nets import costs_of_zoo
from edgecnn.micro import interpreter
from edgecnn.progress import Silent
from edgecnn.zoo import MODELS

if TYPE_CHECKING:
    from collections.abc import Iterable


def measured(path: Path) -> dict[str, Any]:
    """One file's estimate, measurement and relative error; its problems where it has any."""
    report = edgecnn.mcu(path)
    estimate, arena = report.estimate, report.measured
    row: dict[str, Any] = {"file": "/".join(path.parts[-2:]), "flash_bytes": report.size_bytes}
    if estimate is not None:
        row["estimated_bytes"] = estimate.arena_bytes
    if arena is None:
        return {**row, "problems": list(report.problems) or [report.not_measured]}
    row |= {
        "measured_bytes": arena.arena_bytes,
        "bit_identical": arena.bit_identical,
        "boards": [board.board for board in report.boards if board.fits],
    }
    if estimate is not None:
        row["planned_is_exact"] = estimate.planned_bytes == arena.planned_bytes
        row["error"] = round(estimate.arena_bytes / arena.arena_bytes - 1, 4)
    return row


def before_export(model: str, shape: Shape, row: dict[str, Any]) -> dict[str, Any]:
    """The row with what `fit` estimates of a network from its source alone."""
    (subject,) = find_subjects(model, ("int8",), shape, Silent())
    cost = replace(subject.cost, size_bytes=None)
    arena_bytes, flash_bytes = micro_memory.estimate(cost).arena_bytes, sizes.file_bytes(cost)
    row |= {"fit_arena_bytes": arena_bytes, "fit_flash_bytes": flash_bytes}
    row["fit_flash_error"] = round(flash_bytes / row["flash_bytes"] - 1, 4)
    if "measured_bytes" in row:
        row["fit_error"] = round(arena_bytes / row["measured_bytes"] - 1, 4)
    return row


def of_zoo(path: Path) -> tuple[str, Shape] | None:
    """The zoo's network that an artifact is, and how it was shaped; None for any other file."""
    if not (path / "manifest.json").is_file():
        return None
    manifest = manifests.load(path / "manifest.json")
    model = manifest.model
    if model.name not in MODELS:
        return None
    size = manifest.inputs[0].shape[1]
    if not MODELS[model.name].has_width:
        return model.name, Shape(size, None, model.classes)
    for width in TINY.widths:
        cost = costs_of_zoo(model.name, input_size=size, width=width, classes=model.classes)
        if cost.macs == model.macs:
            return model.name, Shape(size, width, model.classes)
    raise SystemExit(f"{path}: no width of `fit` has {model.macs} multiply-accumulates.")


def source_of(row: dict[str, Any], folder: Path) -> Path | None:
    """The file or folder an artifact was made from, by its name."""
    name = str(row["file"]).partition("/")[0]
    found = sorted(path for path in folder.glob(f"{name}*")
                   if path.name.partition(".")[0] == name and path.suffix != ".npz")  # fmt: skip
    return found[0] if found else None


def kept(path: Path | None) -> dict[str, dict[str, Any]]:
    """The rows of an earlier record, by file."""
    if path is None or not path.is_file():
        return {}
    return {row["file"]: row for row in json.loads(path.read_text("utf-8"))["results"]}


def summary(rows: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """How many were measured, and by how much estimates are off at most."""
    rows = list(rows)
    most = {
        name: max((abs(row[key]) for row in rows if key in row), default=None)
        for name, key in (("largest_error", "error"), ("fit_largest_error", "fit_error"),
                          ("fit_largest_flash_error", "fit_flash_error"))
    }  # fmt: skip
    return {
        "files": sum("error" in row for row in rows),
        "fit_files": sum("fit_error" in row for row in rows),
        **most,
    }


def main() -> None:
    """Measure every file that is named."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--sources", type=Path, metavar="FOLDER", help="what artifacts came from")
    parser.add_argument("--out", type=Path, metavar="FILE.json", help="write the record there")
    options = parser.parse_args()
    rows = kept(options.out)
    for path in options.files:
        row = measured(path)
        if known := of_zoo(path):
            row = before_export(*known, row)
        rows[row["file"]] = row
        print(json.dumps(row), flush=True)
    for row in rows.values() if options.sources else ():
        if source := source_of(row, options.sources):
            try:
                before_export(str(source), Shape(), row)
            except EdgeCnnError as error:
                row["fit_problem"] = error.message
            print(json.dumps(row), flush=True)
    total = summary(rows.values())
    print(json.dumps(total))
    if options.out is not None:
        date = datetime.now(timezone.utc).isoformat(timespec="seconds")
        results = list(rows.values())
        record = {"date": date, "runtime": interpreter.runtime(), **total, "results": results}
        write_json(options.out, record)


if __name__ == "__main__":
    main()
