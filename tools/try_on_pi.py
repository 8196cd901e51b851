"""Takes files that others made to an emulated Raspberry Pi: bench, and deploy with its proof.

`python tools/try_on_pi.py [NAME...]` exports each file as `try_models.py` does, but at a small size
where the size is open, since emulation is some fifty times slower than the device; benches every
file there, deploys int8 (`--deploy float32,int8`: both), and writes what came of it to
artifacts/benchmarks/real_files_pi.json, where records of other names stay. The outputs are what is
asked about: no latency is kept.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
from fetch_models import files_named
from measure.emulated import EmulatedPi
from measure.measuring import BENCHMARKS, child_environment, edgecnn_command, write_report
from trials.file_trials import TRIALS, Trial

from edgecnn.benchmark import outputs, session
from edgecnn.benchmark.files import collect
from edgecnn.caching import cache_folder
from edgecnn.devices import open_device
from edgecnn.measurements import BenchPlan

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgecnn.measurements import BenchResult, DeviceFailure

MACHINE = "raspberry-pi-4b"
SAMPLES = 16
_RECIPES = ("float32", "int8")
# Enough to hold the outputs to this machine's; the times are qemu's.
_PLAN = BenchPlan("quick", warmup_s=0.0, min_runs=1, min_s=0.0)


@dataclass
class Record:
    """What came of a file there; commands map to "" or the error they ended with.

    Attributes:
        name: the trial's.
        shape: that it was tried at.
        date: when.
        commands: export, bench of each file, deploy of each recipe.
        outputs_match: by file, whether the device computes what this machine computes.
        proofs: by recipe, what deploy's proof found of every output.
    """

    name: str
    shape: tuple[int, ...]
    date: str
    commands: dict[str, str] = field(default_factory=dict)
    outputs_match: dict[str, bool | None] = field(default_factory=dict)
    proofs: dict[str, Any] = field(default_factory=dict)


def attempt(
    trial: Trial, source: Path, target: str, folder: Path, deployed: Sequence[str]
) -> Record:
    """Export one file, and take it there; `deployed` are the recipes that stay there."""
    date = datetime.now(timezone.utc).isoformat(timespec="seconds")
    record = Record(trial.name, trial.small or trial.shape, date)
    _export(record, trial, source, folder)
    for recipe in _RECIPES:
        if (folder / recipe / "manifest.json").is_file():
            _bench(record, folder / recipe, target)
            if recipe in deployed:
                _deploy(record, folder / recipe, target)
    return record


def _export(record: Record, trial: Trial, source: Path, folder: Path) -> None:
    samples = folder / "samples.npz"
    np.savez(samples, **trial.samples(record.shape, SAMPLES))  # type: ignore[arg-type] # numpy means allow_pickle
    shape = ["--input-shape", "x".join(map(str, record.shape))] if trial.open else []
    recipes = [f"--{recipe}" for recipe in _RECIPES]
    _run(record, "export", "export", str(source), *recipes, *shape, "--calibration", str(samples),
         "--calibration-samples", str(SAMPLES), "--out", str(folder))  # fmt: skip


def _deploy(record: Record, folder: Path, target: str) -> None:
    arguments = (str(folder), target, "--task", "none")
    deployed = _run(record, f"deploy {folder.name}", "deploy", *arguments)
    if deployed is not None:
        record.proofs[folder.name] = deployed["deployed"]["proof"]


def _bench(record: Record, folder: Path, target: str) -> None:
    """Run each file of a folder there, and compare its outputs."""

    def take(results: Sequence[BenchResult], failures: Sequence[DeviceFailure]) -> None:
        for result in results:
            record.outputs_match[_title(result.file)] = result.outputs_match
        for failure in failures:
            record.commands[f"bench {_title(failure.file)}"] = failure.message

    print(f"{record.name}: bench {folder.name}", flush=True)
    files = collect([folder], ("tflite", "onnx"))
    here = {file.sha256: outputs.compute_here(file) for file in files}
    job = session.Job(files, (1,), _PLAN, keep=True, here=here)
    device = open_device(target)
    try:
        session.measure(device, job, take)
    finally:
        device.close()


def _title(path: str) -> str:
    return "/".join(Path(path).parts[-2:])


def _run(record: Record, title: str, *arguments: str) -> dict[str, Any] | None:
    """Run a command of edgecnn; its JSON, or None where it failed."""
    print(f"{record.name}: {title}", flush=True)
    done = subprocess.run(
        edgecnn_command(*arguments, "--json"),
        env=child_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    errors = " ".join(done.stderr.strip().splitlines()[-3:]) or f"exit {done.returncode}"
    record.commands[title] = errors if done.returncode else ""
    return None if done.returncode else dict(json.loads(done.stdout))


def summary(record: Record) -> str:
    """A line for the screen."""
    failed = [f"{title}: {error}" for title, error in record.commands.items() if error]
    other = [title for title, match in record.outputs_match.items() if match is not True]
    proofs = [
        f"{recipe} {'bit-identical' if proof['bit_identical'] else 'within its limits'}"
        for recipe, proof in record.proofs.items()
    ]
    matched = f"{len(record.outputs_match) - len(other)} of {len(record.outputs_match)} files match"
    return "; ".join([f"{record.name}: {matched}", *other, *proofs, *failed])


def main(arguments: Sequence[str] | None = None) -> None:
    """Try the files named, or all."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("names", nargs="*", help="parts of names; all by default")
    parser.add_argument("--deploy", default="int8", help="recipes, behind commas")
    parser.add_argument("--into", type=Path, default=cache_folder() / "models")
    parser.add_argument("--out", type=Path, default=BENCHMARKS / "real_files_pi.json")
    options = parser.parse_args(arguments)
    paths = files_named((trial.file for trial in TRIALS), options.into)
    chosen = [trial for trial in TRIALS if not options.names
              or any(name in trial.name for name in options.names)]  # fmt: skip
    records = {record["name"]: record for record in _kept(options.out)}
    with TemporaryDirectory() as place, EmulatedPi(MACHINE, Path(place)) as pi:
        os.environ["EDGECNN_SSH_CONFIG"] = str(pi.ssh_config)
        for trial in chosen:
            with TemporaryDirectory() as folder:
                record = attempt(
                    trial,
                    paths[trial.file],
                    f"ssh://{pi.alias}",
                    Path(folder),
                    options.deploy.split(","),
                )
            print(summary(record), flush=True)
            records[trial.name] = asdict(record)
            ordered = [records[trial.name] for trial in TRIALS if trial.name in records]
            write_report(options.out, {"results": ordered}, [])


def _kept(path: Path) -> list[dict[str, Any]]:
    """The records of an earlier run."""
    return list(json.loads(path.read_text("utf-8"))["results"]) if path.is_file() else []


if __name__ == "__main__":
    main()
