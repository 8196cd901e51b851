"""What left-out rows say of the predictor, as one record."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import published_nets
from scipy.stats import spearmanr

from predictor import latency_conformal
from predictor.latency_conformal import APART, BASES, counted, held, weighted_quantile, weights

if TYPE_CHECKING:
    from collections.abc import Sequence

    from predictor.latency_probes import Probed
    from predictor.latency_rows import Row
    from predictor.latency_validation import LeftOut, Without

_WITHIN, _WORST = 0.3, 10
_HEADLINE: tuple[Without, ...] = ("source", "source and family", "source and device")
# Those kept aside elsewhere were so many, all over so many milliseconds.
_FEW, _MIN_MS, _DRAWS = 60, 2.0, 1000


@dataclasses.dataclass(frozen=True)
class BasisLine:
    """Left-out rows of one basis.

    Attributes:
        without: what was left out with them; "all" for the three ways together.
        basis: what the predictor calls them.
        rows, sources: how many.
        median_error: of all rows, the median of |predicted / measured - 1|.
        median_error_by_source: the same with each source, and campaign in it, counting the same.
        in_interval: share within the interval that the other sources give.
        in_interval_by_source: the same with each source counting the same.
        low, high: the interval all sources give, over the prediction.
    """

    without: str
    basis: str
    rows: int
    sources: int
    median_error: float
    median_error_by_source: float
    in_interval: float
    in_interval_by_source: float
    low: float
    high: float


@dataclasses.dataclass(frozen=True)
class Line:
    """One device's left-out rows of one source (or family) at a time."""

    device: str
    precision: str
    rows: int
    median_error: float
    within_30_percent: float
    in_interval: float


@dataclasses.dataclass(frozen=True)
class CalibrationLine:
    """One device taken for new, before and after ten of its networks were measured."""

    device: str
    precision: str
    source: str
    build: str
    rows: int
    median_error_before: float
    median_error_after: float


@dataclasses.dataclass(frozen=True)
class BenchLine:
    """One device's other half of NAS-Bench-201; `few`: of 60 networks over 2 ms, drawn often.

    Attributes:
        spearman_of_few: its 5th, 50th and 95th percentile over the draws.
    """

    device: str
    networks: int
    spearman: float
    spearman_of_macs: float
    median_error: float
    spearman_over_2_ms: float
    spearman_of_few: tuple[float, float, float]


@dataclasses.dataclass(frozen=True)
class Missed:
    """A row far from its prediction."""

    device: str
    threads: int
    runtime: str
    precision: str
    model: str
    source: str
    measured_ms: float
    predicted_ms: float


@dataclasses.dataclass(frozen=True)
class Report:
    """Everything the validation finds out; `imagenet` is of left-out sources, by device.

    Attributes:
        headline: by basis, for each way of leaving a source out.
        coverage: of all rows of the headline, each source counting the same.
        median_error: of the rows whose source alone was left out.
        other_builds: rows of builds that no other source has: no claim is made for them.
        imagenet: by device, one source left out.
        families: by device, a family left out and the sources kept.
        calibration: devices taken for new, before and after ten probe networks.
        nasbench: the other half of NAS-Bench-201.
        worst: of each network, runtime and precision the worst row, one source left out.
    """

    headline: tuple[BasisLine, ...]
    coverage: float
    median_error: float
    other_builds: tuple[Line, ...]
    imagenet: tuple[Line, ...]
    families: tuple[Line, ...]
    calibration: tuple[CalibrationLine, ...]
    calibration_before: float
    calibration_after: float
    calibrated_in_interval: float
    nasbench: tuple[BenchLine, ...]
    worst: tuple[Missed, ...]
    schema: int = 2


def make(
    errors: Sequence[LeftOut],
    families: Sequence[LeftOut],
    probes: Sequence[Probed],
    bench: Sequence[LeftOut],
) -> Report:
    """Count errors by basis and device, and look at the worst."""
    sources = [error for error in errors if error.without == "source"]
    known = [error for basis in BASES for error in counted(sources, basis)]
    inside = _inside(errors)
    headline = [error for error in errors if error in inside]
    others = [error for error in sources if error not in inside]
    calibration = _calibration(probes)
    after = [probed.after for probed in probes]
    return Report(
        headline=tuple(_basis_lines(errors, inside)),
        coverage=_mean([inside[error] for error in headline], weights(headline)),
        median_error=float(np.median(_sizes(known))),
        other_builds=tuple(_lines(others, _stated(others, errors))),
        imagenet=tuple(_lines(known, inside)),
        families=tuple(_lines(families, _stated(families, errors))),
        calibration=tuple(calibration),
        calibration_before=float(np.median([line.median_error_before for line in calibration])),
        calibration_after=float(np.median([line.median_error_after for line in calibration])),
        calibrated_in_interval=_mean(held(after), weights(after)),
        nasbench=tuple(_bench_lines(bench)),
        worst=tuple(_worst(known)),
    )


def _inside(errors: Sequence[LeftOut]) -> dict[LeftOut, bool]:
    """Whether each row that counts lies in the interval its basis has from other sources."""
    result: dict[LeftOut, bool] = {}
    for basis in BASES:
        own = counted(errors, basis)
        result |= dict(zip(own, held(own).tolist(), strict=True))
    return result


def _stated(errors: Sequence[LeftOut], all_errors: Sequence[LeftOut]) -> dict[LeftOut, bool]:
    """Whether each lies in the interval that its basis has from all sources."""
    result: dict[LeftOut, bool] = {}
    for basis in BASES:
        own, every = [error for error in errors if error.basis == basis], counted(all_errors, basis)
        if own and every:
            ends = latency_conformal.interval(every)
            result |= {error: ends.low <= np.exp(error.log_error) <= ends.high for error in own}
    return result


def _basis_lines(errors: Sequence[LeftOut], inside: dict[LeftOut, bool]) -> list[BasisLine]:
    result = []
    for basis in BASES:
        every = counted(errors, basis)
        if not every:
            continue
        ends = latency_conformal.interval(every)
        for without in (*_HEADLINE, "all"):
            own = [error for error in every if without in {error.without, "all"}]
            if not own:
                continue
            sizes, weight = _sizes(own), weights(own)
            hits = [inside[error] for error in own]
            result.append(BasisLine(
                without, basis, len(own), len({error.source for error in own}),
                float(np.median(sizes)), weighted_quantile(sizes, weight, 0.5),
                float(np.mean(hits)), _mean(hits, weight), ends.low, ends.high,
            ))  # fmt: skip
    return result


def _sizes(errors: Sequence[LeftOut]) -> np.ndarray:
    return np.abs([error.error for error in errors])


def _mean(values: Sequence[bool] | np.ndarray, weight: np.ndarray) -> float:
    return float((np.asarray(values) * weight).sum() / weight.sum())


def _lines(errors: Sequence[LeftOut], inside: dict[LeftOut, bool]) -> list[Line]:
    result = []
    for device, precision in sorted({(e.row.device, e.row.precision) for e in errors}):
        own = [e for e in errors if (e.row.device, e.row.precision) == (device, precision)]
        sizes = _sizes(own)
        result.append(Line(
            device, precision, len(own), float(np.median(sizes)), float((sizes <= _WITHIN).mean()),
            float(np.mean([inside[error] for error in own if error in inside] or [False])),
        ))  # fmt: skip
    return result


def _calibration(probes: Sequence[Probed]) -> list[CalibrationLine]:
    groups: dict[tuple[str, str, str, str], list[Probed]] = {}
    for probed in probes:
        row = probed.before.row
        key = row.device, row.precision, probed.before.source, row.runtime
        groups.setdefault(key, []).append(probed)
    return [
        CalibrationLine(
            *key,
            len(own),
            float(np.median(_sizes([pair.before for pair in own]))),
            float(np.median(_sizes([pair.after for pair in own]))),
        )
        for key, own in sorted(groups.items())
    ]


def _bench_lines(bench: Sequence[LeftOut]) -> list[BenchLine]:
    result = []
    for device in sorted({error.row.device for error in bench}):
        own = [error for error in bench if error.row.device == device]
        measured = np.array([error.row.latency_ms for error in own])
        predicted = measured * np.exp([-error.log_error for error in own])
        macs = [published_nets.find(error.row.model, error.row.input_size).macs for error in own]
        slow = measured > _MIN_MS
        result.append(BenchLine(
            device, len(own), _spearman(predicted, measured), _spearman(np.array(macs), measured),
            float(np.median(np.abs(predicted / measured - 1.0))),
            _spearman(predicted[slow], measured[slow]), _of_few(predicted[slow], measured[slow]),
        ))  # fmt: skip
    return result


def _spearman(first: np.ndarray, other: np.ndarray) -> float:
    return float(spearmanr(first, other).statistic)


def _of_few(predicted: np.ndarray, measured: np.ndarray) -> tuple[float, float, float]:
    """How the correlation of so few networks varies with which they are."""
    random = np.random.default_rng(0)
    few = min(_FEW, len(measured))
    drawn = [random.choice(len(measured), few, replace=False) for _ in range(_DRAWS)]
    low, middle, high = np.quantile(
        [_spearman(predicted[indices], measured[indices]) for indices in drawn], (0.05, 0.5, 0.95)
    )
    return float(low), float(middle), float(high)


def _worst(errors: Sequence[LeftOut]) -> list[Missed]:
    """The worst rows: of each network, runtime and precision only the worst."""
    worst: dict[tuple[str, str, str], Missed] = {}
    for error in sorted(errors, key=lambda miss: -abs(miss.log_error)):
        row: Row = error.row
        key = row.model, row.runtime, row.precision
        if row.device not in APART and key not in worst:
            worst[key] = Missed(
                row.device, row.threads, row.runtime, row.precision, row.model, error.source,
                row.latency_ms, float(row.latency_ms * np.exp(-error.log_error)),
            )  # fmt: skip
        if len(worst) == _WORST:
            break
    return list(worst.values())
