"""The validation's record as Markdown tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from predictor.latency_report import BasisLine, BenchLine, CalibrationLine, Line, Missed, Report


def show(report: Report) -> None:
    """Print everything."""
    _headline(report.headline)
    print(
        f"\nOne source left out: median error {report.median_error:.1%}. Intervals stated at 80%"
        f" hold {report.coverage:.0%}, each source counting the same.\n"
    )
    _devices("one source left out", report.imagenet)
    _devices("another build than any other source's: no claim", report.other_builds)
    _devices("one family left out, its sources kept", report.families)
    _calibration(report.calibration)
    print(
        f"\nMedian device: {report.calibration_before:.1%} before, {report.calibration_after:.1%}"
        f" after; the interval holds {report.calibrated_in_interval:.0%}.\n"
    )
    _bench(report.nasbench)
    _worst(report.worst)


def _table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    print("|", " | ".join(columns), "|")
    print("|" + "---|" * len(columns))
    for row in rows:
        print("|", " | ".join(str(cell) for cell in row), "|")


def _headline(lines: Sequence[BasisLine]) -> None:
    columns = ("left out", "basis", "rows", "sources", "median error", "the same by source",
               "in 80% interval", "the same by source", "interval")  # fmt: skip
    _table(columns, (
        (line.without, line.basis, line.rows, line.sources, f"{line.median_error:.1%}",
         f"{line.median_error_by_source:.1%}", f"{line.in_interval:.0%}",
         f"{line.in_interval_by_source:.0%}", f"{line.low:.2f}-{line.high:.2f}")
        for line in lines
    ))  # fmt: skip


def _devices(what: str, lines: Sequence[Line]) -> None:
    _table((what, "rows", "median error", "within 30%", "in interval"), (
        (f"{line.device} {line.precision}", line.rows, f"{line.median_error:.1%}",
         f"{line.within_30_percent:.0%}", f"{line.in_interval:.0%}")
        for line in lines
    ))  # fmt: skip
    print()


def _calibration(lines: Sequence[CalibrationLine]) -> None:
    _table(("device taken for new", "build", "rows", "median error", "after ten probes"), (
        (f"{line.device} {line.precision}", line.build, line.rows,
         f"{line.median_error_before:.1%}", f"{line.median_error_after:.1%}")
        for line in lines
    ))  # fmt: skip


def _bench(lines: Sequence[BenchLine]) -> None:
    columns = ("NAS-Bench-201, other half", "networks", "Spearman", "of MACs", "median error",
               "over 2 ms", "of 60 over 2 ms: 5%, median, 95%")  # fmt: skip
    _table(columns, (
        (line.device, line.networks, f"{line.spearman:.3f}", f"{line.spearman_of_macs:.3f}",
         f"{line.median_error:.1%}", f"{line.spearman_over_2_ms:.3f}",
         ", ".join(f"{coefficient:.3f}" for coefficient in line.spearman_of_few))
        for line in lines
    ))  # fmt: skip
    print()


def _worst(lines: Sequence[Missed]) -> None:
    _table(("worst rows, one source left out", "measured ms", "predicted ms"), (
        (f"{line.model}, {line.precision}, {line.device}, {line.threads} threads, {line.runtime}",
         f"{line.measured_ms:.1f}", f"{line.predicted_ms:.1f}")
        for line in lines
    ))  # fmt: skip
