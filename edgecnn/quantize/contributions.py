"""What one layer's quantization adds to the logits' squared error, by `sensitivity`'s prediction.

A tensor is rounded to steps and cut off at the ends of its range; a convolution's rounded weights
add dW C dW^T to each output, with C the covariance of its inputs, and the square of what they move
the mean by. All of it is of one image, on average, in squared units of the logits. How much of it
really arrives there is another matter: `noise_flow`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edgecnn.calibration.layer_inputs import LayerInputs
    from edgecnn.calibration.statistics import TensorStatistics
    from edgecnn.formats.tflite_graph import Tensor

    Floats = NDArray[np.floating[Any]]

_DEPTHWISE = "DEPTHWISE_CONV_2D"


def of_tensor(statistics: TensorStatistics, h: Floats, step: Floats, limits: Floats) -> float:
    """Error of the logits from storing a tensor in steps.

    Args:
        statistics: of the float tensor.
        h: its sensitivity, (C,).
        step: of each channel, (C,), in the float tensor's units; 0 where nothing is left of it.
        limits: the range's (low, high), each (C,), likewise.
    """
    sample = statistics.sample.astype(np.float64)
    divisor = np.where(step > 0, step, 1.0)
    stored = np.clip(np.rint(sample / divisor) * divisor, limits[0], limits[1])
    return float(h @ np.square(stored - sample).mean(axis=0))


def of_weights(
    kernel_error: Floats,
    bias_error: Floats,
    operator_name: str,
    inputs: LayerInputs,
    h: Floats,
) -> float:
    """Error of the logits from a convolution's rounded weights and bias.

    Args:
        kernel_error: rounded minus float, in schema.fbs's layout.
        bias_error: likewise, (outputs,).
        operator_name: of the convolution.
        inputs: what its kernel sees.
        h: sensitivity of its output, before the activation, (outputs,).
    """
    depthwise = operator_name == _DEPTHWISE
    rows = kernel_error.astype(np.float64)
    rows = rows[0].reshape(-1, rows.shape[-1]).T if depthwise else rows.reshape(len(rows), -1)
    multiplier = len(rows) // len(inputs.mean) if depthwise else 1
    mean = np.repeat(inputs.mean, multiplier, axis=0) if depthwise else inputs.mean
    moved = (rows * mean).sum(axis=1) + bias_error
    variance = _variance(rows, inputs, multiplier, depthwise=depthwise)
    return float(h @ (np.maximum(variance, 0) + np.square(moved)))


def _variance(rows: Floats, inputs: LayerInputs, multiplier: int, *, depthwise: bool) -> Floats:
    if inputs.covariance is None:
        power = np.maximum(inputs.power - np.square(inputs.mean), 0)
        power = np.repeat(power, multiplier, axis=0) if depthwise else power
        alone: Floats = (np.square(rows) * power).sum(axis=1)
        return alone
    if depthwise:
        covariance = np.repeat(inputs.covariance, multiplier, axis=0)
        variance: Floats = np.einsum("ck,ckl,cl->c", rows, covariance, rows)
        return variance
    together: Floats = ((rows @ inputs.covariance) * rows).sum(axis=1)
    return together


def real_values(tensor: Tensor | None) -> NDArray[np.float64] | None:
    """A constant's values as real numbers, whatever it is stored in; None for no constant."""
    values = None if tensor is None else tensor.data
    if tensor is None or values is None:
        return None
    quantization, real = tensor.quantization, values.astype(np.float64)
    if quantization is None or values.dtype.kind == "f":
        return real
    scale, axis = quantization.scale, quantization.axis
    shape = [-1 if len(scale) > 1 and dimension == axis else 1 for dimension in range(real.ndim)]
    zero_point = quantization.zero_point.reshape(shape)
    return (real - zero_point) * scale.astype(np.float64).reshape(shape)
