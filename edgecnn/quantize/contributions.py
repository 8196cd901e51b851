"""What each layer's quantization adds to the logits' squared error, predicted.

A tensor's rounding adds step^2 / 12 to every value, and what its range cuts off adds the square of
what is cut off; a convolution's rounded weights add dW C dW^T to each output, with C the covariance
of its inputs, and the square of what they move the mean by. `sensitivity` carries each to the
logits. All of it is of one image, on average, in squared units of the logits.

The errors are taken as independent of each other, and `sensitivity` rests on a mean-field
assumption: shares tell layers apart, their sum is no promise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn.formats import tflite_file as tfl

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edgecnn.calibration.layer_inputs import LayerInputs
    from edgecnn.calibration.statistics import TensorStatistics

    Floats = NDArray[np.floating[Any]]

_DEPTHWISE = "DEPTHWISE_CONV_2D"


def of_tensor(statistics: TensorStatistics, h: Floats, step: Floats, limits: Floats) -> float:
    """Error of the logits from storing a tensor in steps.

    Args:
        statistics: of the float tensor.
        h: its sensitivity, (C,).
        step: (C,) or one; in the float tensor's units.
        limits: the range's (low, high), each (C,) or one, likewise.
    """
    sample = statistics.sample
    low, high = limits
    beyond = sample - np.clip(sample, low, high)
    # Zero is a step of its own: what is exactly zero stays so.
    rounded = np.square(step) / 12 * (sample != 0).mean(axis=0)
    error = rounded + np.square(beyond, dtype=np.float64).mean(axis=0)
    return float(h @ error)


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
        each: Floats = np.einsum("ck,ckl,cl->c", rows, covariance, rows)
        return each
    together: Floats = ((rows @ inputs.covariance) * rows).sum(axis=1)
    return together


def real_values(model: tfl.ModelT, graph: tfl.SubGraphT, index: int) -> NDArray[np.float64] | None:
    """A constant's values as real numbers, whatever it is stored in; None for no constant."""
    values = tfl.constant(model, graph, index)
    if values is None:
        return None
    quantization = tfl.quantization_of(graph.tensors[index])
    real = values.astype(np.float64)
    if quantization is None or values.dtype.kind == "f":
        return real
    scale, zero_point = quantization
    axis = int(graph.tensors[index].quantization.quantizedDimension)
    shape = [-1 if len(scale) > 1 and each == axis else 1 for each in range(real.ndim)]
    return (real - zero_point.reshape(shape)) * scale.astype(np.float64).reshape(shape)
