"""Fits the parameters of `latency_model` on published rows: the maximum a posteriori, robustly."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from predictor.latency_model import Design, Names, Times
from predictor.latency_sources import publisher

if TYPE_CHECKING:
    from collections.abc import Sequence

    from predictor.latency_rows import Row

Array = np.ndarray
# Repeated measurements of one network differ by about as much (log-scale).
_NOISE = 0.07
# Residuals beyond so many times the noise are outliers: their pull fades (Cauchy's loss).
_OUTLIER = 2.0
# All of a device's NAS-Bench-201 networks weigh as much as so many others.
_NASBENCH_WEIGHT = 150.0
_MAX_STEPS, _DAMPING, _LEAST_DAMPING = 100, 1.0, 0.05
# A step that makes the loss smaller by less is the last.
_ENOUGH = 0.05


def weights(rows: Sequence[Row]) -> Array:
    """How much each row counts: what was measured several times counts once."""
    keys = [(r.device, r.runtime, r.precision, r.clusters, r.model, r.input_size) for r in rows]
    same = Counter(keys)
    result = np.array([1.0 / same[key] for key in keys])
    for device in {row.device for row in rows}:
        bench = np.array([r.device == device and r.model.startswith("|") for r in rows])
        if bench.any():
            result[bench] *= _NASBENCH_WEIGHT / bench.sum()
    return result


def fit(rows: Sequence[Row], names: Names, start: Array | None = None) -> Array:
    """The most probable parameters, by Gauss and Newton's steps with Levenberg's damping.

    Args:
        rows: to fit on.
        names: of all rows, so that parameters keep their places whichever rows are left out.
        start: parameters to begin with.
    """
    design, weight = Design(rows, names), weights(rows)
    x = np.zeros(design.layout.size) if start is None else start
    times, damping = Times(x, design), _DAMPING
    loss = _loss(times, weight)
    for _ in range(_MAX_STEPS):
        slope, curvature = _newton(times, weight)
        tried = Times(x - np.linalg.solve(curvature + damping * np.eye(x.size), slope), design)
        gained = loss - _loss(tried, weight)
        if gained < 0.0:
            damping *= 8.0
            continue
        times, x, loss, damping = tried, tried.x, loss - gained, max(damping / 4.0, _LEAST_DAMPING)
        if gained < _ENOUGH:
            break
    return x


def _loss(times: Times, weight: Array) -> float:
    """Of Cauchy's errors and the unit normal prior."""
    outlying = ((times.log_ms - times.design.log_ms) / _NOISE / _OUTLIER) ** 2
    errors = (weight * _OUTLIER**2 * np.log1p(outlying)).sum()
    return float(0.5 * errors + 0.5 * times.x @ times.x)


def _newton(times: Times, weight: Array) -> tuple[Array, Array]:
    """The loss's slope, and its curvature as the squares of the derivatives have it."""
    error = (times.log_ms - times.design.log_ms) / _NOISE
    pull = weight / (1 + (error / _OUTLIER) ** 2) / _NOISE
    jacobian = times.jacobian()
    slope = jacobian.T @ (pull * error) + times.x
    curvature = (jacobian.T @ (jacobian * (pull / _NOISE)[:, None])).toarray()
    return np.asarray(slope), np.asarray(curvature) + np.eye(times.x.size)


def log_errors(x: Array, rows: Sequence[Row], names: Names, kept: Sequence[Row] = ()) -> Array:
    """Log of measured over predicted time, as the predictor would say it: no source known.

    Args:
        x: parameters.
        rows: that were left out.
        names: of all rows.
        kept: the rows of the fit; what those of the same device, precision and runtime have in
            common is taken for the device's own (`shifts`).
    """
    design = Design(rows, names)
    own = shifts(x, kept, names)
    shift = [own.get((r.device, r.precision, r.runtime), 0.0) for r in rows]
    return np.asarray(design.log_ms - Times(x, design, sources=False).log_ms - shift)


def shifts(x: Array, rows: Sequence[Row], names: Names) -> dict[tuple[str, str, str], float]:
    """Mean log effect of the sources that measured a device, precision and runtime, each once.

    What a device's only source does otherwise cannot be told from the device: it stays with it.
    """
    if not rows:
        return {}
    design = Design(rows, names)
    effects = Times(x, design).log_ms - Times(x, design, sources=False).log_ms
    by_group: dict[tuple[str, str, str], dict[str, list[float]]] = {}
    for row, effect in zip(rows, effects.tolist(), strict=True):
        by_source = by_group.setdefault((row.device, row.precision, row.runtime), {})
        by_source.setdefault(publisher(row), []).append(effect)
    return {
        key: float(np.mean([np.mean(own) for own in by_source.values()]))
        for key, by_source in by_group.items()
    }
