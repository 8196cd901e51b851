"""Everything a report is made of, read once: records, verdicts, the user's results and files."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecnn import files, manifest
from edgecnn.errors import InputError
from edgecnn.evidence.files import DEFAULT as RECORDS
from edgecnn.evidence.files import Evidence, read_all

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from edgecnn.claims.record import VerdictReport
    from edgecnn.measurements import BenchResult
    from edgecnn.records import Manifest
    from edgecnn.sweeping.records import PointRecord

ARTIFACTS = Path("artifacts")
RESULTS = "results.jsonl"
_BENCHMARKS = ("export", "fidelity", "harness", "latency", "predictor")


@dataclass(frozen=True)
class Material:
    """What the figures are gathered from.

    Attributes:
        evidence: the records of experiments.
        verdicts: what the claims make of them; None where there is no record at all.
        results: what the user measured, in the order of results.jsonl.
        manifests: the user's artifacts, by folder.
        sweeps: what became of each point of a sweep, by the sweep's name.
        benchmarks: the comparisons of this repository, by name, as parsed JSON.
        problems: files that could not be read, one sentence each.
    """

    evidence: Evidence = field(default_factory=Evidence)
    verdicts: VerdictReport | None = None
    results: tuple[BenchResult, ...] = ()
    manifests: Mapping[str, Manifest] = field(default_factory=dict)
    sweeps: Mapping[str, tuple[PointRecord, ...]] = field(default_factory=dict)
    benchmarks: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    problems: tuple[str, ...] = ()


def read(records: Path | None, artifacts: Path) -> Material:
    """Read all there is.

    Args:
        records: the folder of experiments; None takes artifacts/experiments if it is there, and
            does without where it is not.
        artifacts: what the user exported and measured; need not exist.

    Raises:
        InputError: a named folder holds no record, or one is damaged.
    """
    problems: list[str] = []
    results = _results(artifacts / RESULTS, problems)
    evidence, verdicts = _evidence(records, artifacts / RESULTS)
    return Material(
        evidence=evidence,
        verdicts=verdicts,
        results=results,
        manifests=_manifests(artifacts, problems),
        sweeps=_sweeps(artifacts / "sweeps", problems),
        benchmarks=_benchmarks(artifacts / "benchmarks", problems),
        problems=tuple(problems),
    )


def _evidence(records: Path | None, results: Path) -> tuple[Evidence, VerdictReport | None]:
    """The records, and the verdicts on them, with the user's measurements in both."""
    from edgecnn.claims.judging import verdict
    from edgecnn.claims.measured import with_measurements

    if records is None and not RECORDS.is_dir():
        return Evidence(), None
    folder = records or RECORDS
    measured = results if results.exists() else None
    evidence = with_measurements(read_all(folder), measured)
    return evidence, verdict(records=folder, results=measured)


def _results(path: Path, problems: list[str]) -> tuple[BenchResult, ...]:
    from edgecnn.evidence import results

    if not path.exists():
        return ()
    bench_results, damaged = results.read(path)
    problems.extend(damaged)
    return bench_results


def _manifests(artifacts: Path, problems: list[str]) -> dict[str, Manifest]:
    manifests: dict[str, Manifest] = {}
    for path in sorted(artifacts.glob(f"*/*/{manifest.NAME}")):
        if (loaded := _manifest(path, problems)) is not None:
            manifests[path.parent.as_posix()] = loaded
    return manifests


def _manifest(path: Path, problems: list[str]) -> Manifest | None:
    try:
        return manifest.load(path)
    except InputError as error:
        problems.append(error.message)
        return None


def _sweeps(folder: Path, problems: list[str]) -> dict[str, tuple[PointRecord, ...]]:
    sweeps: dict[str, tuple[PointRecord, ...]] = {}
    for path in sorted(folder.glob("*/sweep.jsonl")):
        if points := sweep_records(path, problems):
            sweeps[path.parent.name] = points
    return sweeps


def sweep_records(path: Path, problems: list[str]) -> tuple[PointRecord, ...]:
    """Each point of a sweep.jsonl as it ended last: one that is done was not undone later.

    Args:
        path: of the file.
        problems: takes a sentence for each line that holds no record.
    """
    from edgecnn.sweeping import journal

    points: dict[str, PointRecord] = {}
    try:
        for record in journal.read(path, problems.append):
            if record.key not in points or points[record.key].status != "done":
                points[record.key] = record
    except InputError as error:
        problems.append(error.message)
    return _in_order(points.values())


def _in_order(records: Iterable[PointRecord]) -> tuple[PointRecord, ...]:
    """The same whichever point ended first."""
    from edgecnn.sweeping.points import title

    return tuple(sorted(records, key=lambda record: (title(record.point), record.key)))


def _benchmarks(folder: Path, problems: list[str]) -> dict[str, Mapping[str, Any]]:
    benchmarks: dict[str, Mapping[str, Any]] = {}
    for name in _BENCHMARKS:
        path = folder / f"{name}.json"
        if path.exists() and (content := _parsed(path, problems)) is not None:
            benchmarks[name] = content
    return benchmarks


def _parsed(path: Path, problems: list[str]) -> Mapping[str, Any] | None:
    try:
        content = json.loads(files.read_text(path))
    except (OSError, ValueError, RecursionError) as error:
        problems.append(f"{path} cannot be read: {error}.")
        return None
    if not isinstance(content, dict):
        problems.append(f"{path} holds no JSON object.")
        return None
    return content
