"""What measured networks say of one device: by what each unit of work differs from the prediction.

A device is everywhere slower or faster than its profile says, and at one kind of work more than at
another. Both are found at once, the latter held closer to nothing: a normal prior each, and errors
of measurement beside them (the most probable factors, by Gauss and Newton's steps).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

# Standard deviations of the logs: of the whole device, of one unit, and of a measurement.
_DEVICE, _UNIT, _NOISE = 0.4, 0.25, 0.07
_STEPS = 20


def unit_factors(unit_ms: Sequence[Sequence[float]], measured_ms: Sequence[float]) -> list[float]:
    """Measured over predicted time of each unit of work.

    Args:
        unit_ms: (networks, units): what the profile alone predicts of each network, unit by unit.
        measured_ms: (networks,): what the device took.

    Returns:
        One factor a unit, in the same order; the common one where no network uses the unit.

    >>> factors = unit_factors([[3.0, 0.0], [0.0, 5.0]], [6.0, 10.0])
    >>> [round(each, 1) for each in factors]
    [2.0, 2.0]
    """
    import numpy as np

    parts, logs = np.asarray(unit_ms, float), np.log(np.asarray(measured_ms, float))
    scale = np.array([_DEVICE, *[_UNIT] * parts.shape[1]])
    x = np.zeros(scale.size)
    for _ in range(_STEPS):
        times = parts * np.exp(_log_factors(x, scale))
        total = times.sum(axis=1, keepdims=True)
        slope = np.hstack([np.ones_like(total), times / total]) * scale / _NOISE
        error = (logs - np.log(total[:, 0])) / _NOISE
        curvature = slope.T @ slope + np.eye(scale.size)
        x = x + np.linalg.solve(curvature, slope.T @ error - x)
    return [float(factor) for factor in np.exp(_log_factors(x, scale))]


def _log_factors(x: np.ndarray, scale: np.ndarray) -> np.ndarray:
    logs = x * scale
    factors: np.ndarray = logs[0] + logs[1:]
    return factors
