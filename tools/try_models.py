"""Takes files that others made through edgecnn: export, verify, inspect, bench, predict.

`python tools/try_models.py [NAME...]` fetches them (`fetch_models.py`), exports each as float32 and
int8 to every format the source allows, and writes what came of it to
artifacts/benchmarks/real_files.json, where records of other names stay, and as a table to the
screen. Whatever fails is recorded with its error and does not end the run. `try_on_pi.py` takes
them to an emulated device.
"""

from __future__ import annotations

import argparse
import json
import subprocess
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
from fetch_models import files_named
from measure.measuring import BENCHMARKS, checkout, child_environment, edgecnn_command, write_report
from measure.paired_timing import compare
from trials.file_trials import SAMPLES, TRIALS, Trial

from edgecnn import digests, manifest
from edgecnn.caching import cache_folder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgecnn.records import FileInfo

DEVICE = "raspberry-pi-4b"
_RECIPES = ("float32", "int8")


@dataclass
class Record:
    """What came of a file at a commit; commands map to "" or the error they ended with."""

    name: str
    commit: str
    source: str
    sha256: str
    shape: tuple[int, ...]
    commands: dict[str, str] = field(default_factory=dict)
    files: list[dict[str, Any]] = field(default_factory=list)
    partitions: int | None = None
    latency: dict[str, float] | None = None
    bench: dict[str, Any] | None = None
    predicted: dict[str, float] | None = None


def attempt(trial: Trial, source: Path, folder: Path, commit: str) -> Record:
    """Take one file through all of it."""
    record = Record(trial.name, commit, source.name, digests.of_file(source), trial.shape)
    samples = folder / "samples.npz"
    np.savez(samples, **trial.samples(trial.shape, SAMPLES))  # type: ignore[arg-type] # numpy means allow_pickle
    shape = ["--input-shape", "x".join(map(str, trial.shape))] if trial.open else []
    recipes = [f"--{recipe}" for recipe in _RECIPES]
    calibration = ("--calibration", str(samples), "--calibration-samples", str(SAMPLES))
    _run(record, "export", str(source), *recipes, *calibration, *shape, "--out", str(folder))
    for recipe in _RECIPES:
        if (folder / recipe / "manifest.json").is_file():
            _run(record, "verify", str(folder / recipe), label=recipe)
            written = manifest.load(folder / recipe / "manifest.json")
            record.files += [_described(recipe, written.notes, info) for info in written.files]
    plain, integer = (folder / recipe / "model.tflite" for recipe in _RECIPES)
    if integer.is_file():
        _look(record, integer)
    if integer.is_file() and plain.is_file():
        record.latency = asdict(compare(integer, plain, threads=1))
    return record


def _described(recipe: str, notes: Sequence[str], info: FileInfo) -> dict[str, Any]:
    return {
        "recipe": recipe,
        "format": info.format,
        "bytes": info.bytes,
        "integer": info.integer,
        "float_ops": info.float_ops,
        "notes": list(notes),
        "outputs": [
            {"name": output.name, "snr_db": parity.snr_db, "worst_group_db": parity.worst_group_db}
            for output, parity in zip(info.outputs, info.parities, strict=True)
        ],
    }


def _look(record: Record, path: Path) -> None:
    inspected = _run(record, "inspect", str(path))
    if inspected is not None:
        record.partitions = inspected["graph"]["delegate_partitions"]
    benched = _run(record, "bench", str(path), "--no-results")
    if benched is not None:
        result = benched["results"][0]
        record.bench = {"latency_ms": result["latency_ms"], "trust": result.get("trust")}
    predicted = _run(record, "predict", str(path), "--device", DEVICE)
    if predicted is not None:
        first = predicted["predictions"][0]
        record.predicted = {key: first[key] for key in ("latency_ms", "low_ms", "high_ms")}


def _run(record: Record, command: str, *arguments: str, label: str = "") -> dict[str, Any] | None:
    """Run a command of edgecnn; its JSON, or None where it failed."""
    print(f"{record.name}: {command} {label}", flush=True)
    done = subprocess.run(
        edgecnn_command(command, *arguments, "--json"),
        env=child_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    errors = done.stderr.strip().splitlines()[-3:]
    failed = " ".join(errors) or f"exit {done.returncode}"
    record.commands[" ".join(filter(None, (command, label)))] = failed if done.returncode else ""
    return None if done.returncode else dict(json.loads(done.stdout))


def table(records: Sequence[Record]) -> str:
    """The records as Markdown."""
    title = (
        "| file, input | float32, dB | int8 .tflite, dB | int8 .onnx, dB | int8 .tflite holds | "
        "partitions | int8 time over float32's | Pi 4, predicted |"
    )
    return "\n".join((title, "|---|---|---|---|---|---|---|---|", *map(_row, records)))


def _row(record: Record) -> str:
    integer = next((f for f in _files(record, "int8") if f["format"] == "tflite"), None)
    cells = [
        f"{record.name}, {'x'.join(map(str, record.shape))}",
        _decibels(record, "float32", "tflite"),
        _decibels(record, "int8", "tflite"),
        _decibels(record, "int8", "onnx"),
        _precision(integer),
        "-" if record.partitions is None else str(record.partitions),
        "-" if record.latency is None else f"{record.latency['ratio']:.2f}",
        "-" if record.predicted is None else f"{record.predicted['latency_ms']:.3g} ms",
    ]
    return f"| {' | '.join(cells)} |"


def _files(record: Record, recipe: str) -> list[dict[str, Any]]:
    return [file for file in record.files if file["recipe"] == recipe]


def _decibels(record: Record, recipe: str, file_format: str) -> str:
    file = next((f for f in _files(record, recipe) if f["format"] == file_format), None)
    if file is None:
        return "-"
    return ", ".join(_output_text(output) for output in file["outputs"])


def _output_text(output: dict[str, Any]) -> str:
    if output["snr_db"] is None:
        return "same"
    worst = output["worst_group_db"]
    return f"{output['snr_db']:.1f}" + ("" if worst is None else f" ({worst:.1f})")


def _precision(file: dict[str, Any] | None) -> str:
    if file is None:
        return "-"
    counts = ", ".join(f"{count} {name}" for name, count in sorted(file["float_ops"].items()))
    return f"{file['integer']}: {counts} in float" if counts else str(file["integer"])


def main(arguments: Sequence[str] | None = None) -> None:
    """Try the files named, or all."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("names", nargs="*", help="parts of names; all by default")
    parser.add_argument("--into", type=Path, default=cache_folder() / "models")
    parser.add_argument("--out", type=Path, default=BENCHMARKS / "real_files.json")
    options = parser.parse_args(arguments)
    paths = files_named((trial.file for trial in TRIALS), options.into)
    commit = checkout()
    records = {record.name: record for record in _kept(options.out)}
    for trial in TRIALS:
        if not options.names or any(name in trial.name for name in options.names):
            with TemporaryDirectory() as folder:
                records[trial.name] = attempt(trial, paths[trial.file], Path(folder), commit)
            ordered = [records[known.name] for known in TRIALS if known.name in records]
            write_report(options.out, {"results": [asdict(record) for record in ordered]}, [])
    print(table(list(records.values())))


def _kept(path: Path) -> list[Record]:
    """The records of an earlier run."""
    if not path.is_file():
        return []
    report = json.loads(path.read_text("utf-8"))
    return [Record(**{"commit": report.get("commit"), **row}) for row in report["results"]]


if __name__ == "__main__":
    main()
