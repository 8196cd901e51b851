"""Adaptive rounding: which way to round each weight so that a layer's output changes least.

Rounding to nearest treats weights one by one; what counts is the error of their sum on real inputs,
tr(dW C dW^T) with C the covariance of the inputs (their mean is left to the bias). Weights are
rounded one input at a time, and what an input's rounding did wrong is spread over the inputs that
are still free, in closed form: OBQ and GPTQ (Frantar et al. 2022, arXiv:2210.17323), with the
largest diagonal of C first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgecnn.quantize.onnx_saturation import LARGEST_PAIR, Neighbours, largest_pairs

if TYPE_CHECKING:
    from numpy.typing import NDArray

INT8_MAX = 127
_BLOCK = 32
# Relative to the mean diagonal: keeps C invertible when there are fewer images than inputs.
_DAMPING = 0.01
# Steps that are tried between a row's own (0) and the one at which no pair overflows (1).
_POWERS = (0.0, 0.5, 1.0)
# Of the noise without regard to pairs: less is not worth another step's trial.
_NEARLY_FREE = 1.1


def symmetric_scale(weights: NDArray[np.floating]) -> NDArray[np.float64]:
    """Scale of each row so that its largest magnitude becomes 127; 1 for a row of zeros.

    Args:
        weights: (outputs, inputs).
    """
    largest = np.abs(weights).max(axis=1).astype(np.float64)
    return np.where(largest > 0, largest / INT8_MAX, 1.0)


def nearest(weights: NDArray[np.floating], scale: NDArray[np.float64]) -> NDArray[np.int8]:
    """Each weight rounded on its own; (outputs, inputs)."""
    rounded = np.rint(weights / scale[:, None])
    return np.clip(rounded, -INT8_MAX, INT8_MAX).astype(np.int8)


def nearest_along(
    weights: NDArray[np.floating], axis: int
) -> tuple[NDArray[np.int8], NDArray[np.float64]]:
    """Weights of any shape rounded on their own, and the scale of each output along the axis."""
    values = np.moveaxis(weights, axis, 0)
    rows = values.reshape(len(values), -1)
    scale = symmetric_scale(rows)
    integers = nearest(rows, scale).reshape(values.shape)
    return np.ascontiguousarray(np.moveaxis(integers, 0, axis)), scale


def gptq(
    weights: NDArray[np.floating],
    scale: NDArray[np.float64],
    covariance: NDArray[np.floating],
) -> NDArray[np.int8]:
    """Weights rounded together.

    Args:
        weights: (outputs, inputs), float.
        scale: (outputs,), the step of each output's weights.
        covariance: (inputs, inputs) of the layer's inputs, symmetric, positive semi-definite.

    Returns:
        int8 in -127..127, (outputs, inputs).
    """
    order = np.argsort(-np.diag(covariance), kind="stable")
    factor = _inverse_factor(covariance[np.ix_(order, order)])
    if factor is None:
        return nearest(weights, scale)
    return _adaptive(weights, scale, order, factor)


def in_pairs(
    weights: NDArray[np.floating],
    scale: NDArray[np.float64],
    covariance: NDArray[np.floating],
    free: tuple[NDArray[np.int8], NDArray[np.float64]] | None = None,
) -> tuple[NDArray[np.int8], NDArray[np.float64]]:
    """As `gptq`, such that no two neighbours overflow 16 bits (`onnx_saturation`).

    Rows of which none do stay as they are without that care. For the others, where some would at
    a row's own step, larger steps are tried as well, up to the one at which none would: a small
    step cuts off the largest pairs, a large one is coarse for all.

    Args:
        weights: (outputs, inputs), float, in the order in which inputs are summed.
        scale: (outputs,), the smallest step of each output's weights.
        covariance: (inputs, inputs); of zeros, weights are rounded one by one.
        free: the integers and steps that `gptq` gave, where that was done already.

    Returns:
        int8 in -127..127, (outputs, inputs), and each output's step.
    """
    moments = covariance if covariance.any() else np.eye(len(covariance), dtype=np.float32)
    best, step = free or (gptq(weights, scale, moments), scale)
    rows = np.flatnonzero(largest_pairs(best) > LARGEST_PAIR)
    if not rows.size:
        return best, step
    best, step = best.copy(), step.copy()
    enough = np.full(len(scale), np.inf)
    enough[rows] = _NEARLY_FREE * error(weights[rows], best[rows], step[rows], moments)
    order = np.argsort(-np.diag(moments), kind="stable")
    factor = _inverse_factor(moments[np.ix_(order, order)])
    assert factor is not None  # noqa: S101 - something stirs
    neighbours = Neighbours(order, np.diag(factor))
    ratio = np.maximum(largest_pairs(weights) / (LARGEST_PAIR * scale), 1.0)
    least = np.full(len(scale), np.inf)
    for power in _POWERS:
        tried = scale[rows] * ratio[rows] ** power
        chosen = _adaptive(weights[rows], tried, order, factor, neighbours)
        noise = error(weights[rows], chosen, tried, moments)
        won = noise < least[rows]
        better = rows[won]
        best[better], step[better], least[better] = chosen[won], tried[won], noise[won]
        rows = rows[(least[rows] > enough[rows]) & (ratio[rows] > 1.0)]
        if not rows.size:
            break
    return best, step


def error(
    weights: NDArray[np.floating],
    chosen: NDArray[np.int8],
    scale: NDArray[np.float64],
    covariance: NDArray[np.floating],
) -> NDArray[np.float64]:
    """The variance of what rounding does to each output, dW C dW^T."""
    wrong = (chosen * scale[:, None] - weights).astype(np.float32)
    result: NDArray[np.float64] = ((wrong @ covariance) * wrong).sum(axis=1, dtype=np.float64)
    return result


def _adaptive(
    weights: NDArray[np.floating],
    scale: NDArray[np.float64],
    order: NDArray[np.int64],
    factor: NDArray[np.float32],
    neighbours: Neighbours | None = None,
) -> NDArray[np.int8]:
    # One input a row: what is read and written together lies together.
    rest = (weights[:, order] / scale[:, None]).T.astype(np.float32, order="C")
    result = np.empty(rest.shape, np.int8)
    for start in range(0, len(rest), _BLOCK):
        stop = min(start + _BLOCK, len(rest))
        errors = _round_block(rest, factor, result, (start, stop), neighbours)
        rest[stop:] -= factor[start:stop, stop:].T @ errors
    restored = np.empty((len(scale), len(order)), np.int8)
    restored[:, order] = result.T
    return restored


def gptq_by_row(
    weights: NDArray[np.floating], scale: NDArray[np.float64], covariances: NDArray[np.floating]
) -> NDArray[np.int8]:
    """As `gptq`, with a covariance for every row: what a depthwise convolution needs.

    Args:
        weights: (channels, taps).
        scale: (channels,).
        covariances: (channels, taps, taps).
    """
    taps = weights.shape[1]
    diagonal = np.einsum("ckk->ck", covariances).astype(np.float64)
    damped = covariances.astype(np.float64) + 1e-12 * np.eye(taps)
    damped += (_DAMPING * diagonal.mean(axis=1))[:, None, None] * np.eye(taps)
    inverse = np.linalg.inv(damped)
    factors = np.linalg.cholesky((inverse + inverse.transpose(0, 2, 1)) / 2).transpose(0, 2, 1)
    rest = weights / scale[:, None]
    result = np.empty(rest.shape, np.int8)
    for tap in range(taps):
        rounded = np.clip(np.rint(rest[:, tap]), -INT8_MAX, INT8_MAX)
        result[:, tap] = rounded
        error = (rest[:, tap] - rounded) / factors[:, tap, tap]
        rest[:, tap:] -= error[:, None] * factors[:, tap, tap:]
    return result


def _round_block(
    rest: NDArray[np.float32],
    factor: NDArray[np.float32],
    result: NDArray[np.int8],
    block: tuple[int, int],
    neighbours: Neighbours | None,
) -> NDArray[np.float32]:
    """Round these inputs one after the other; returns each one's error over its pivot."""
    start, stop = block
    errors = np.empty((stop - start, rest.shape[1]), np.float32)
    low: float | NDArray[np.float32] = -INT8_MAX
    high: float | NDArray[np.float32] = INT8_MAX
    for row in range(start, stop):
        values = rest[row]
        if neighbours is not None:
            low, high = neighbours.limits(row, rest, result)
        rounded = np.clip(np.rint(values), low, high)
        result[row] = rounded
        errors[row - start] = (values - rounded) / factor[row, row]
        rest[row + 1 : stop] -= factor[row, row + 1 : stop, None] * errors[row - start]
    return errors


def _inverse_factor(covariance: NDArray[np.floating]) -> NDArray[np.float32] | None:
    """Upper Cholesky factor of the damped inverse; None when nothing varies.

    With C = U U^T (a Cholesky factorization from the last input to the first) it is U^-1: a third
    of the work of inverting C and factorizing that, and safe in single precision.
    """
    from scipy.linalg import solve_triangular

    diagonal = float(np.mean(np.diag(covariance)))
    if diagonal <= 0:
        return None
    damped = covariance[::-1, ::-1].astype(np.float32)
    damped[np.diag_indices_from(damped)] += np.float32(_DAMPING * diagonal)
    lower = np.linalg.cholesky(damped)
    identity = np.eye(len(lower), dtype=np.float32)
    inverse = solve_triangular(lower, identity, lower=True, check_finite=False)
    factor: NDArray[np.float32] = np.ascontiguousarray(inverse[::-1, ::-1])
    return factor
