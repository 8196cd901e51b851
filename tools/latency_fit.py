"""Fits the parameters of `latency_model` on published rows: the maximum a posteriori, robustly."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
from latency_model import Design, Names, Times
from scipy.optimize import minimize

if TYPE_CHECKING:
    from collections.abc import Sequence

    from latency_rows import Row

Array = np.ndarray
# Repeated measurements of one network differ by about as much (log-scale).
_NOISE = 0.07
# Residuals beyond so many times the noise are outliers: their pull fades (Cauchy's loss).
_OUTLIER = 2.0
# All of a device's NAS-Bench-201 networks weigh as much as so many others.
_NASBENCH_WEIGHT = 150.0
_MAX_STEPS = 4000


def weights(rows: Sequence[Row]) -> Array:
    """How much each row counts: what was measured several times counts once."""
    keys = [(r.device, r.runtime, r.precision, r.clusters, r.model, r.input_size) for r in rows]
    same = Counter(keys)
    found = np.array([1.0 / same[key] for key in keys])
    for device in {row.device for row in rows}:
        bench = np.array([r.device == device and r.model.startswith("|") for r in rows])
        if bench.any():
            found[bench] *= _NASBENCH_WEIGHT / bench.sum()
    return found


def fit(rows: Sequence[Row], names: Names, start: Array | None = None) -> Array:
    """The most probable parameters.

    Args:
        rows: to fit on.
        names: of all rows, so that parameters keep their places whichever rows are left out.
        start: parameters to begin with.
    """
    design, weight = Design(rows, names), weights(rows)

    def loss(x: Array) -> tuple[float, Array]:
        times = Times(x, design)
        error = (times.log_ms - design.log_ms) / _NOISE
        outlying = (error / _OUTLIER) ** 2
        value = 0.5 * (weight * _OUTLIER**2 * np.log1p(outlying)).sum() + 0.5 * x @ x
        return float(value), times.gradient(weight * error / (1 + outlying) / _NOISE) + x

    begin = np.zeros(design.layout.size) if start is None else start
    options = {"maxiter": _MAX_STEPS, "maxfun": 2 * _MAX_STEPS, "ftol": 1e-9, "gtol": 1e-3}
    found = minimize(loss, begin, jac=True, method="L-BFGS-B", options=options)
    return np.asarray(found.x)


def log_errors(x: Array, rows: Sequence[Row], names: Names) -> Array:
    """Log of measured over predicted time, as the predictor would say it: no campaign known."""
    design = Design(rows, names)
    return np.asarray(design.log_ms - Times(x, design, campaigns=False).log_ms)
