"""What the side-by-side benchmarks share: the machine, pairs, medians, and the JSON they write."""

from __future__ import annotations

import json
import os
import platform
import random
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

SCHEMA = 1
ROOT = Path(__file__).resolve().parents[2]
BENCHMARKS = ROOT / "artifacts" / "benchmarks"
PACKAGES = (
    "edgecnn",
    "tensorflow",
    "keras",
    "ai-edge-litert",
    "litert-quantizer",
    "onnx",
    "onnxruntime",
    "tf2onnx",
    "numpy",
)


@dataclass(frozen=True)
class Machine:
    """The computer a result belongs to."""

    cpu: str
    cores: int
    memory_bytes: int
    kernel: str
    python: str


def describe_machine() -> Machine:
    """Describe this computer; `cores` are those this process may run on."""
    return Machine(
        cpu=cpu_model(Path("/proc/cpuinfo").read_text(encoding="utf-8")),
        cores=len(os.sched_getaffinity(0)),
        memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        kernel=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
    )


def cpu_model(cpuinfo: str) -> str:
    """Return the first CPU's name from the text of /proc/cpuinfo, else the architecture."""
    facts = {
        key.strip(): value.strip()
        for key, _, value in (line.partition(":") for line in reversed(cpuinfo.splitlines()))
    }
    return facts.get("model name") or facts.get("Model") or platform.machine()


def package_versions(names: Sequence[str] = PACKAGES) -> dict[str, str]:
    """Return the installed versions; a package that is not installed says so."""
    return {name: _version(name) for name in names}


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"


def shuffled_rounds(names: Sequence[str], rounds: int, seed: int) -> list[str]:
    """Return the order of runs: every name once a round, in a seeded random order.

    Drift hits all alike, and none gains or loses by who ran before it.
    """
    generator = random.Random(seed)  # noqa: S311 - no secret is made
    return [name for _ in range(rounds) for name in generator.sample(list(names), k=len(names))]


def checkout() -> str:
    """The commit of this checkout, with a + where it was changed since."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty=+", "--exclude=*"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def timed_ms(run: Callable[[], object]) -> float:
    """One run's wall time, ms."""
    start = time.perf_counter()
    run()
    return (time.perf_counter() - start) * 1e3


def paired_ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Return the median of ours/theirs, taken between runs of the same round.

    Raises:
        ValueError: the two have different lengths, or none.
    """
    return median(a / b for a, b in zip(ours, theirs, strict=True))


@dataclass(frozen=True)
class Target:
    """A number the issue asks for, and what was measured.

    Attributes:
        name: what is measured, with its unit.
        measured: the number.
        bound: the number asked for.
        at_most: whether the bound is an upper one.
    """

    name: str
    measured: float
    bound: float
    at_most: bool = True

    @property
    def met(self) -> bool:
        """Whether the measured number keeps the bound."""
        within = self.measured <= self.bound
        return within if self.at_most else self.measured >= self.bound


def write_report(path: Path, results: Mapping[str, Any], targets: Sequence[Target]) -> None:
    """Write the JSON: date, machine, versions, raw results, and each target with its verdict."""
    write_json(path, report_of(results, targets))


def report_of(results: Mapping[str, Any], targets: Sequence[Target]) -> dict[str, Any]:
    """What `write_report` writes."""
    return {
        "schema": SCHEMA,
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
        "machine": asdict(describe_machine()),
        "versions": package_versions(),
        **results,
        "targets": [{**asdict(target), "met": target.met} for target in targets],
    }


def write_json(path: Path, report: Mapping[str, Any]) -> None:
    """Write a report, in a folder that is made where it is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows of text as a table, the first column to the left, numbers to the right."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title)
    for index, column in enumerate(columns):
        table.add_column(column, justify="right" if index else "left")
    for row in rows:
        table.add_row(*row)
    Console().print(table)


def print_targets(targets: Sequence[Target]) -> None:
    """Print each target with its verdict."""
    rows = [
        (
            target.name,
            f"{target.measured:.3g}",
            f"{'<=' if target.at_most else '>='} {target.bound:g}",
            "met" if target.met else "MISSED",
        )
        for target in targets
    ]
    print_table("Targets", ("target", "measured", "asked", ""), rows)


def edgecnn_command(*arguments: str) -> list[str]:
    """Return the command line that runs this checkout's edgecnn in a fresh process."""
    return [sys.executable, "-c", "from edgecnn.cli import main; main()", *arguments]


def child_environment(**extra: str) -> dict[str, str]:
    """Return the environment for child processes: this checkout importable, TensorFlow quiet."""
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    return {**os.environ, "PYTHONPATH": path, "TF_CPP_MIN_LOG_LEVEL": "3", **extra}
