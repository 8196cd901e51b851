"""Compare the predictor with published latencies it was not fitted on.

    python tools/validate_predictor.py [--json]        # about five minutes

NAS-Bench-201 networks: fitted on every other one, the others predicted. ImageNet-size networks: one
family at a time left out of the fit, on all devices. Rows of TFLite builds without XNNPACK, and of
XNNPACK's own benchmark, are predicted with what sets those apart in the rows that stayed.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from typing import TYPE_CHECKING

import latency_fit
import latency_validation
import numpy as np
from fit_profiles import APART, interval
from scipy.stats import spearmanr

if TYPE_CHECKING:
    from collections.abc import Sequence

    from latency_rows import Row
    from latency_validation import LeftOut

_WITHIN = 0.3
_WORST = 10
_DISTURBED = 0.8
# Why such rows are missed; looked at one by one.
_REASONS = (
    ("mobilenet_v2", "ruy", "MobileNetV1 and V3 alone tell how fast these kernels' products are"),
    ("mobilenet_v1", "ruy", "MobileNetV2 and V3 alone tell how fast these kernels' products are"),
    ("mobilenet_v2", "xnnpack", "the Pi 3B and 3B+ differ 1.4 times at 1.17 times the clock"),
    ("regnet", "", "no other family has convolutions in groups: their cost is the prior's"),
    ("resnet", "ruy", "no other family tells how these kernels do 3 x 3 convolutions"),
    ("feature_pyramid", "", "20 times the MACs of any other network; memory-bound on a Pi 3"),
    ("", "library", "XNNPACK's own benchmark runs without TFLite: faster than TFLite's rows"),
    ("mobilenet_v3", "", "squeeze-and-excitation and hard-swish stay unseen"),
    ("ghostnet", "", "tiny operators; the overhead of each decides, and differs between devices"),
    ("mnasnet", "", "5 x 5 depthwise kernels with squeeze-and-excitation stay unseen"),
)


@dataclasses.dataclass(frozen=True)
class Line:
    """One device's left-out rows."""

    device: str
    precision: str
    rows: int
    median_error: float
    within_30_percent: float
    in_interval: float


@dataclasses.dataclass(frozen=True)
class BenchLine:
    """One device's other half of NAS-Bench-201."""

    device: str
    networks: int
    spearman: float
    spearman_of_macs: float
    median_error: float


@dataclasses.dataclass(frozen=True)
class Missed:
    """A row far from its prediction."""

    device: str
    threads: int
    runtime: str
    precision: str
    model: str
    measured_ms: float
    predicted_ms: float
    reason: str


@dataclasses.dataclass(frozen=True)
class Report:
    """Everything this script finds out."""

    nasbench: tuple[BenchLine, ...]
    imagenet: tuple[Line, ...]
    coverage: float
    worst: tuple[Missed, ...]
    schema: int = 1


def main() -> None:
    """Validate and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    wants_json = parser.parse_args().json
    validation = latency_validation.load(lambda what: print(f"fitting {what} ...", file=sys.stderr))
    report = make_report(validation.by_family(), validation.bench_halves())
    if wants_json:
        print(json.dumps(dataclasses.asdict(report)))
    else:
        show(report)


def make_report(families: Sequence[LeftOut], bench: Sequence[LeftOut]) -> Report:
    """Count errors by device, and look at the worst."""
    inside = covered(families)
    lines = [
        _line(device, precision, families, inside)
        for device in sorted({each.row.device for each in families})
        for precision in ("float32", "int8")
    ]
    counted = np.array([each.row.device not in APART for each in families])
    weights = latency_fit.weights([each.row for each in families]) * counted
    return Report(
        nasbench=tuple(
            _bench_line(device, [each for each in bench if each.row.device == device])
            for device in sorted({each.row.device for each in bench})
        ),
        imagenet=tuple(line for line in lines if line is not None),
        coverage=float((inside * weights).sum() / weights.sum()),
        worst=tuple(_worst(families)),
    )


def covered(families: Sequence[LeftOut]) -> np.ndarray:
    """Whether each row lies in the 80% interval that the other families' left-out rows give."""
    inside = np.zeros(len(families), bool)
    for family in {each.left_out for each in families}:
        for precision in ("float32", "int8"):
            others = [
                each
                for each in families
                if each.left_out != family
                and each.row.precision == precision
                and each.row.device not in APART
            ]
            common = interval(others)
            for place, each in enumerate(families):
                if each.left_out == family and each.row.precision == precision:
                    inside[place] = common.low <= np.exp(each.log_error) <= common.high
    return inside


def _line(
    device: str, precision: str, families: Sequence[LeftOut], inside: np.ndarray
) -> Line | None:
    own = [
        place
        for place, each in enumerate(families)
        if each.row.device == device and each.row.precision == precision
    ]
    if not own:
        return None
    errors = np.abs([families[place].error for place in own])
    return Line(
        device,
        precision,
        len(own),
        float(np.median(errors)),
        float((errors <= _WITHIN).mean()),
        float(inside[own].mean()),
    )


def _bench_line(device: str, bench: Sequence[LeftOut]) -> BenchLine:
    import published_nets

    measured = np.array([each.row.latency_ms for each in bench])
    predicted = measured * np.exp([-each.log_error for each in bench])
    macs = [published_nets.find(each.row.model, each.row.input_size).macs for each in bench]
    return BenchLine(
        device,
        len(bench),
        float(spearmanr(predicted, measured).statistic),
        float(spearmanr(macs, measured).statistic),
        float(np.median(np.abs(predicted / measured - 1.0))),
    )


def _worst(families: Sequence[LeftOut]) -> list[Missed]:
    """The worst rows: of each network, runtime and precision only the worst."""
    found: dict[tuple[str, str, str], Missed] = {}
    for each in sorted(families, key=lambda each: -abs(each.log_error)):
        row = each.row
        key = row.model, row.runtime, row.precision
        if row.device not in APART and key not in found:
            found[key] = Missed(
                row.device, row.threads, row.runtime, row.precision, row.model, row.latency_ms,
                float(row.latency_ms * np.exp(-each.log_error)), _reason(each, families),
            )  # fmt: skip
        if len(found) == _WORST:
            break
    return list(found.values())


def _reason(each: LeftOut, families: Sequence[LeftOut]) -> str:
    if _is_disturbed(each.row, families):
        return "the measurement: fewer threads, or the same again, took much less"
    for family, runtime, reason in _REASONS:
        if family in {"", each.row.family} and runtime in {"", each.row.runtime}:
            return reason
    return "not understood"


def _is_disturbed(row: Row, families: Sequence[LeftOut]) -> bool:
    return any(
        other.latency_ms < _DISTURBED * row.latency_ms
        for other in (each.row for each in families)
        if (other.device, other.precision, other.runtime, other.model, other.input_size)
        == (row.device, row.precision, row.runtime, row.model, row.input_size)
        and other.clusters[0] == dataclasses.replace(row.clusters[0], count=other.clusters[0].count)
        and other.threads <= row.threads
    )


def show(report: Report) -> None:
    """Print the report as Markdown tables."""
    print("| NAS-Bench-201, other half | networks | Spearman | of MACs alone | median error |")
    print("|---|---|---|---|---|")
    for bench in report.nasbench:
        print(
            f"| {bench.device} | {bench.networks} | {bench.spearman:.3f}"
            f" | {bench.spearman_of_macs:.3f} | {bench.median_error:.1%} |"
        )
    print(
        "\n| ImageNet-size, family left out | rows | median error | within 30% | in 80% interval |"
    )
    print("|---|---|---|---|---|")
    for line in report.imagenet:
        print(
            f"| {line.device} {line.precision} | {line.rows} | {line.median_error:.1%}"
            f" | {line.within_30_percent:.0%} | {line.in_interval:.0%} |"
        )
    print(f"\nIntervals stated at 80% hold {report.coverage:.0%} of left-out rows.\n")
    print("| worst rows | measured ms | predicted ms | why |")
    print("|---|---|---|---|")
    for miss in report.worst:
        where = (
            f"{miss.model}, {miss.precision}, {miss.device}, {miss.threads} threads, {miss.runtime}"
        )
        print(f"| {where} | {miss.measured_ms:.1f} | {miss.predicted_ms:.1f} | {miss.reason} |")


if __name__ == "__main__":
    main()
