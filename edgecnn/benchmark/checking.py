"""The verb `check`: whether an artifact keeps its budgets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgecnn.benchmark import files as bench_files
from edgecnn.benchmark.budgets import Budgets, check_files, check_result
from edgecnn.benchmark.microcontroller import check_micro
from edgecnn.benchmark.options import BenchOptions
from edgecnn.benchmark.report import BenchReport, CheckReport
from edgecnn.benchmark.run import measure
from edgecnn.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from edgecnn.progress import Progress


def check(
    path: Path | str,
    *,
    p90_ms: float | None = None,
    size_bytes: int | None = None,
    memory_bytes: int | None = None,
    snr_db: float | None = None,
    arena_bytes: int | None = None,
    flash_bytes: int | None = None,
    progress: Progress | None = None,
    **options: Any,  # noqa: ANN401 - the fields of BenchOptions
) -> CheckReport:
    """Hold an artifact against budgets.

    Devices are measured when a latency or memory budget is given, or `on` is; each must then
    also compute what this machine computes. An emulated device cannot answer for latency: that
    budget stays undecided there.

    Args:
        path: an artifact folder, or a model file.
        p90_ms: the 90th percentile of the latency, milliseconds, at most.
        size_bytes: of each file, at most.
        memory_bytes: peak resident memory of a process that runs the file, at most.
        snr_db: of the logits against the float network's, as the manifest recorded it, at least.
        arena_bytes: of TensorFlow Lite Micro's arena, estimated from the file, at most.
        flash_bytes: of the file as a microcontroller's array, at most.
        progress: told of each step.
        **options: the fields of `BenchOptions`; without `on` it is this machine, and that only
            where a budget needs measuring.

    Returns:
        Every budget with its outcome; see `CheckReport.broken` and `CheckReport.undecided`.

    Raises:
        InputError: no budget is given, or the input is wrong, as in `bench`.
        MissingPartError: as in `bench`.
    """
    budgets = Budgets(p90_ms, size_bytes, memory_bytes, snr_db)
    for_micro = arena_bytes is not None or flash_bytes is not None
    if not budgets.any and not for_micro:
        raise InputError(
            "No budget is given, so there is nothing to check.",
            hint="Give at least one: --p90 40ms --size 6MB --memory 64MB --snr 20dB --arena 256kB"
            " --flash 1MB",
        )
    chosen = BenchOptions(**options)
    files = bench_files.collect([path], chosen.formats, chosen.shapes)
    if budgets.snr_db is not None and all(file.parity is None for file in files):
        raise InputError(
            f"{path} has no manifest, and so no recorded SNR to hold --snr against.",
            hint="Name an artifact folder that `edgecnn export` wrote.",
        )
    report = BenchReport((), ())
    if budgets.measured or "on" in options:
        report = measure(files, chosen, progress)
    checks = list(check_files(budgets, files))
    if for_micro:
        checks += check_micro(files, arena_bytes, flash_bytes)
    for result in report.results:
        checks += check_result(budgets, result)
    return CheckReport(tuple(checks), report.results, report.failures, report.warnings)
