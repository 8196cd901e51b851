"""Hold estimated arenas against those that TensorFlow Lite Micro's interpreter takes.

    python tools/measure_arena.py PATH [PATH ...] [--out artifacts/benchmarks/arena.json]
    python tools/measure_arena.py --sources FOLDER --out artifacts/benchmarks/arena.json
    python tools/measure_arena.py --blind FOLDER --out artifacts/benchmarks/arena_blind.json

Prints one JSON object a file or artifact folder, and the largest errors last; --out keeps them
beside those of other files that it has. Estimates are of the file, and (`fit_...`) what `edgecnn
fit` says before there is one: of a network of the zoo, and of files in --sources that are named as
an artifact's folder is, with NAME.calibration.npz beside them. --blind writes the networks of
`blind_nets` into FOLDER, exports them to int8 as anybody would, measures the files and asks `fit`
about the sources; what is in FOLDER already is not made again. Needs `pip install 'edgecnn[mcu]'`,
and TensorFlow for sources.
"""

from __future__ import annotations

import argparse
import json
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blind_nets import exporting, writing
from measure.measuring import write_json

import edgecnn
from edgecnn import manifest as manifests
from edgecnn.errors import EdgeCnnError
from edgecnn.latency.candidates import TINY
from edgecnn.latency.micro_footprint import of_costs
from edgecnn.latency.subjects import Shape
from edgecnn.latency.zoo_nets import costs_of_zoo
from edgecnn.micro import interpreter
from edgecnn.tflm.arena import TOLERANCE
from edgecnn.zoo import MODELS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_ANY = 1 << 40


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


def of_source(path: Path, row: dict[str, Any], fed: dict[str, Any]) -> dict[str, Any]:
    """The row with what `fit` estimates of a network from its source alone.

    Args:
        path: of the source.
        row: of the file that was exported from it.
        fed: what `fit` is told of its inputs.
    """
    try:
        report = edgecnn.fit_micro(path, arena_bytes=_ANY, flash_bytes=_ANY, **fed)
    except EdgeCnnError as error:
        return {**row, "fit_problem": error.message}
    (net,) = report.candidates
    row["fit_float_ops"] = net.float_ops
    ends = (net.arena_low_bytes, net.arena_high_bytes)
    return with_errors(row, net.arena_bytes, net.flash_bytes, ends)


def with_errors(
    row: dict[str, Any], arena_bytes: int, flash_bytes: int, ends: tuple[float, float]
) -> dict[str, Any]:
    """The row with estimates made before the export, and how far they are off."""
    row |= {
        "fit_arena_bytes": arena_bytes,
        "fit_arena_ends_bytes": [int(end) for end in ends],
        "fit_flash_bytes": flash_bytes,
        "fit_flash_error": round(flash_bytes / row["flash_bytes"] - 1, 4),
    }
    if measured_bytes := row.get("measured_bytes"):
        low, high = ends[0] * (1 - TOLERANCE), ends[1] * (1 + TOLERANCE)
        row["fit_error"] = round(arena_bytes / measured_bytes - 1, 4)
        row["fit_ends_hold"] = low <= measured_bytes <= high
    return row


def of_zoo_before_export(model: str, shape: Shape, row: dict[str, Any]) -> dict[str, Any]:
    """The row with what `fit` estimates of a network of the zoo."""
    expected, parted = (
        costs_of_zoo(
            model, input_size=shape.side, width=shape.width, classes=shape.classes, recipe="int8",
            parted=parted,
        )
        for parted in (False, True)
    )  # fmt: skip
    takes = of_costs(expected, [parted])
    ends = (takes.arena.low, takes.arena.high)
    return with_errors(row, int(takes.arena.middle), int(takes.flash.middle), ends)


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


def blind(folder: Path, names: set[str]) -> Iterator[dict[str, Any]]:
    """Rows of the networks that no estimate was set on; one a network, measured or not."""
    for source, artifact, problem in exporting.export(folder, names):
        row: dict[str, Any] = {"file": f"{source.stem}/int8"}
        if artifact is None:
            yield {**row, "not_exported": problem}
            continue
        info = manifests.load(artifact / "manifest.json").files[0]
        row = measured(artifact) | {"float_ops": info.float_ops, "trained": is_trained(source)}
        yield of_source(source, row, exporting.samples_of(source))


def is_trained(source: Path) -> bool:
    """Whether one of the blind networks learned something."""
    return source.stem in writing.TRAINED


def summary(rows: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """How many were measured, and how far estimates are off."""
    rows = list(rows)
    most = {
        name: max((abs(row[key]) for row in rows if key in row), default=None)
        for name, key in (("largest_error", "error"), ("fit_largest_error", "fit_error"),
                          ("fit_largest_flash_error", "fit_flash_error"))
    }  # fmt: skip
    return {
        "files": sum("error" in row for row in rows),
        "fit_files": sum("fit_error" in row for row in rows),
        "fit_within_tenth": sum(abs(row.get("fit_error", 1)) <= TOLERANCE for row in rows),
        "fit_ends_hold": sum(row.get("fit_ends_hold", False) for row in rows),
        "refused": sum("problems" in row or "not_exported" in row for row in rows),
        **most,
    }


def rows_of(options: argparse.Namespace, rows: dict[str, dict[str, Any]]) -> Iterator[Any]:
    """Everything that is asked for, row by row.

    Args:
        options: the command line.
        rows: by file, those that are known already.
    """
    for path in options.files:
        row = measured(path)
        known = of_zoo(path)
        yield of_zoo_before_export(*known, row) if known else row
    for row in list(rows.values()) if options.sources else ():
        if source := source_of(row, options.sources):
            arrays = options.sources / f"{source.name.partition('.')[0]}.calibration.npz"
            fed = {"calibration": str(arrays)} if arrays.is_file() else {}
            yield of_source(source, row, fed)
    if options.blind:
        yield from blind(options.blind, set(options.names or writing.NAMES))


def main() -> None:
    """Measure every file that is named."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--sources", type=Path, metavar="FOLDER", help="what artifacts came from")
    parser.add_argument("--blind", type=Path, metavar="FOLDER", help="networks of their own")
    parser.add_argument("--names", nargs="+", choices=writing.NAMES, help="of --blind; all")
    parser.add_argument("--out", type=Path, metavar="FILE.json", help="write the record there")
    options = parser.parse_args()
    rows = kept(options.out)
    for row in rows_of(options, rows):
        rows[row["file"]] = row
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
