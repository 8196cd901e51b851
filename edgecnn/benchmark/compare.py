"""The verb `compare`: two files in turns, and whether one is faster."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from edgecnn.benchmark import files as bench_files
from edgecnn.benchmark.options import BenchOptions
from edgecnn.benchmark.run import measure
from edgecnn.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from edgecnn.benchmark.files import BenchFile
    from edgecnn.benchmark.report import BenchReport
    from edgecnn.progress import Progress


def compare(
    a: Path | str,
    b: Path | str,
    *,
    progress: Progress | None = None,
    **options: Any,  # noqa: ANN401 - the fields of BenchOptions
) -> BenchReport:
    """Measure two files in turns (A B A B), so that both meet the same clock and temperature.

    Args:
        a: an artifact folder or a model file.
        b: likewise. The same file twice shows how much of a difference is noise.
        progress: told of each step.
        **options: the fields of `BenchOptions`.

    Returns:
        `comparisons` has one entry for each device and number of threads: b's latency over a's,
        with its 95% confidence interval.

    Raises:
        InputError, MissingPartError: as `bench`.
    """
    chosen = BenchOptions(**options)
    named = _one(a, chosen.formats), _one(b, chosen.formats)
    first, second = bench_files.shaped(named, chosen.shapes)
    if first.name == second.name:
        second = replace(second, name=f"{second.name} (again)")
    return measure((first, second), chosen, progress)


def _one(path: Path | str, formats: Sequence[str]) -> BenchFile:
    files = bench_files.collect([path], formats)
    if len(files) != 1:
        raise InputError(f"{path} is more than one file.", hint="Name one of its files.")
    return files[0]
