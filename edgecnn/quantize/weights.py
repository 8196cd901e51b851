"""int8 weights and biases of a network's convolutions, chosen for what they do to real inputs.

Rounding moves the mean of a layer's output; with the mean of its inputs known, the bias takes that
back exactly (bias correction, Nagel et al. 2019, arXiv:1906.04721, section 4.2). What is left, the
error that varies from input to input, adaptive rounding makes small (`rounding`).
"""

from __future__ import annotations

from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from edgecnn.calibration.layer_inputs import LayerInputs
from edgecnn.formats.tflite_graph import Quantization
from edgecnn.quantize import affine, onnx_saturation, rounding

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from edgecnn.formats.tflite_graph import Graph, Operator, Tensor

_DEPTHWISE = "DEPTHWISE_CONV_2D"
_DEPTHWISE_AXIS = 3
_WEIGHTS, _BIAS = 1, 2
# Steps a bias may count, by its dtype: the sum over the inputs is added to it.
_LARGEST_BIAS = {"int32": 2.0**30, "int64": 2.0**40}


@dataclass(frozen=True)
class QuantizedLayer:
    """One convolution, per-channel symmetric as TFLite's 8-bit specification has it.

    Attributes:
        weights: int8 in -127..127, in schema.fbs's layout.
        scale: float64 (outputs,).
        bias: float64 (outputs,), the corrected one, in real units.
        axis: the axis of `weights` that counts outputs.
    """

    weights: NDArray[np.int8]
    scale: NDArray[np.float64]
    bias: NDArray[np.float64]
    axis: int


@contextmanager
def workers(threads: int) -> Iterator[Executor]:
    """Threads to round layers on; an interrupt waits for none that nobody wants any more.

    OpenBLAS has one thread meanwhile, here and in the caller. Its own spin on the products of a
    matrix and a vector that equalizing is made of: with two cores 25 times the time of one thread.
    """
    from threadpoolctl import threadpool_limits

    pool = ThreadPoolExecutor(threads)
    try:
        with threadpool_limits(1, "blas"):
            yield pool
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown()


def quantize_layers(
    graph: Graph, layers: Mapping[str, LayerInputs], pool: Executor
) -> dict[str, Future[QuantizedLayer]]:
    """Begin with every convolution with float32 weights and known inputs.

    Args:
        graph: float; left as it is.
        layers: by the name of a convolution's output, what its kernel sees.
        pool: see `workers`.

    Returns:
        By the same names.
    """
    work = {}
    for operator in graph.operators:
        if operator.name not in affine.CONVOLUTIONS or operator.output.name not in layers:
            continue
        kernel = affine.known_weights(operator)
        if kernel is not None:
            inputs = layers[operator.output.name]
            work[operator.output.name] = pool.submit(
                quantize_layer,
                kernel,
                affine.bias(operator),
                _of_any_reader(inputs) if _is_shared(graph, operator) else inputs,
                depthwise=operator.name == _DEPTHWISE,
            )
    return work


def _is_shared(graph: Graph, operator: Operator) -> bool:
    """Whether several operators read its weights, as the steps of a recurrence do."""
    weights = operator.inputs[_WEIGHTS]
    return weights is not None and len(graph.consumers(weights)) > 1


def _of_any_reader(inputs: LayerInputs) -> LayerInputs:
    """What decides weights that readers share: nothing that only one of them knows."""
    return replace(inputs, covariance=None, power=np.ones_like(inputs.power))


def quantize_layer(
    kernel: NDArray[np.float32],
    bias: NDArray[np.float32] | None,
    inputs: LayerInputs,
    *,
    depthwise: bool,
    free: QuantizedLayer | None = None,
) -> QuantizedLayer:
    """Round one convolution's weights and correct its bias.

    Args:
        kernel: (outputs, ..., inputs of a group), of a depthwise convolution (1, ..., outputs).
        bias: (outputs,), if any.
        inputs: what its kernel sees.
        depthwise: whether it is one.
        free: the same layer rounded without this; with it neighbours are kept from overflowing 16
            bits (`onnx_saturation`), which is nothing to a depthwise convolution.
    """
    groups = 1 if depthwise else len(inputs.mean) // kernel[0].size
    if groups > 1:
        return _grouped(kernel, bias, inputs, groups, free)
    rows = (
        kernel[0].reshape(-1, kernel.shape[-1]).T if depthwise else kernel.reshape(len(kernel), -1)
    )
    scale = _scale(rows, inputs, depthwise=depthwise)
    if depthwise:
        multiplier = len(rows) // len(inputs.mean)
        mean = np.repeat(inputs.mean, multiplier, axis=0)
        chosen = _depthwise(rows, scale, inputs.covariance, multiplier)
    else:
        mean = inputs.mean[None, :]
        chosen, scale = _dense(rows, scale, inputs.covariance, free)
    moved = ((chosen * scale[:, None] - rows) * mean).sum(axis=1)
    old = 0.0 if bias is None else bias.astype(np.float64)
    laid_out = chosen.T if depthwise else chosen
    return QuantizedLayer(
        np.ascontiguousarray(laid_out.reshape(kernel.shape)),
        scale,
        old - moved,
        _DEPTHWISE_AXIS if depthwise else 0,
    )


def _grouped(
    kernel: NDArray[np.float32],
    bias: NDArray[np.float32] | None,
    inputs: LayerInputs,
    groups: int,
    free: QuantizedLayer | None,
) -> QuantizedLayer:
    """Each group is a convolution of its own, which reads its share of the channels."""
    channels = kernel.shape[-1]
    taps = kernel[0].size // channels
    places = np.arange(taps * groups * channels).reshape(taps, groups, channels)
    kernels = np.split(kernel, groups)
    biases = [None] * groups if bias is None else np.split(bias, groups)
    parts = []
    for group in range(groups):
        own = places[:, group].reshape(-1)
        covariance = inputs.covariance
        seen = LayerInputs(
            inputs.mean[own],
            inputs.power[own],
            None if covariance is None else covariance[np.ix_(own, own)],
        )
        own_free = None if free is None else _part(free, group, groups)
        parts.append(
            quantize_layer(kernels[group], biases[group], seen, depthwise=False, free=own_free)
        )
    return QuantizedLayer(
        np.concatenate([part.weights for part in parts]),
        np.concatenate([part.scale for part in parts]),
        np.concatenate([part.bias for part in parts]),
        0,
    )


def _part(layer: QuantizedLayer, group: int, groups: int) -> QuantizedLayer:
    """The outputs of one group of a layer whose first axis counts them."""
    own = slice(group * len(layer.scale) // groups, (group + 1) * len(layer.scale) // groups)
    return replace(layer, weights=layer.weights[own], scale=layer.scale[own], bias=layer.bias[own])


def _scale(
    rows: NDArray[np.float32], inputs: LayerInputs, *, depthwise: bool
) -> NDArray[np.float64]:
    """Each row's step, from the weights of inputs that stirred.

    Behind a normalization a channel that never stirred can have weights thousands of times larger
    than the others; they are cut off, and the others keep their precision.
    """
    if depthwise:
        return rounding.symmetric_scale(rows)
    live = rows[:, inputs.power > 0]
    return rounding.symmetric_scale(live if live.shape[1] else rows)


def _dense(
    rows: NDArray[np.float32],
    scale: NDArray[np.float64],
    covariance: NDArray[np.float32] | None,
    free: QuantizedLayer | None,
) -> tuple[NDArray[np.int8], NDArray[np.float64]]:
    """Integers and steps."""
    if covariance is not None and free is not None:
        integers = free.weights.reshape(rows.shape)
        return rounding.in_pairs(rows, scale, covariance, (integers, free.scale))
    if covariance is not None:
        return rounding.gptq(rows, scale, covariance), scale
    if free is not None:
        scale = onnx_saturation.safe_scale(rows, scale)
    return rounding.nearest(rows, scale), scale


def _depthwise(
    rows: NDArray[np.float32],
    scale: NDArray[np.float64],
    covariance: NDArray[np.float32] | None,
    multiplier: int,
) -> NDArray[np.int8]:
    if covariance is None:
        return rounding.nearest(rows, scale)
    return rounding.gptq_by_row(rows, scale, np.repeat(covariance, multiplier, axis=0))


def write_layers(graph: Graph, layers: Mapping[str, QuantizedLayer]) -> int:
    """Put the layers into a quantized graph, in place of what its quantizer chose.

    The bias's scale is that of input times weights (TFLite's specification), its dtype stays.

    Returns:
        How many convolutions were found by their output's name.
    """
    written = 0
    shared: dict[bytes, Tensor] = {}
    for operator in graph.operators:
        if operator.name not in affine.CONVOLUTIONS:
            continue
        layer = layers.get(operator.output.name)
        if layer is not None:
            _write_layer(graph, operator, layer, shared)
            written += 1
    return written


def _write_layer(
    graph: Graph, operator: Operator, layer: QuantizedLayer, shared: dict[bytes, Tensor]
) -> None:
    steps_of_input, bias = operator.source.quantization, operator.inputs[_BIAS]
    # A quantized convolution's input has a scale, and `integer` gave every one a bias.
    assert steps_of_input is not None  # noqa: S101 - see above
    assert bias is not None  # noqa: S101 - see above
    input_scale, dtype = steps_of_input.scale[0], bias.numpy_dtype
    values, scale = room_for_bias(layer, float(input_scale), _LARGEST_BIAS[dtype.name])
    bias_scale = (input_scale * scale).astype(np.float32)
    weights = Quantization(scale, _zeros(scale), layer.axis)
    _set(graph, operator, _WEIGHTS, values, weights, shared)
    steps = np.rint(layer.bias / bias_scale).astype(dtype)
    _set(graph, operator, _BIAS, steps, Quantization(bias_scale, _zeros(bias_scale)))


def room_for_bias(
    layer: QuantizedLayer, input_scale: float, largest: float
) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Weights and scales with which every bias can be counted in steps.

    A row whose weights are all but zero (a dead channel, its normalization folded in) would count
    its bias in steps too small for the bias's dtype. Such rows get a larger step.
    """
    smallest = np.maximum(np.abs(layer.bias) / largest, float(np.finfo(np.float32).tiny))
    scale = np.maximum(layer.scale, smallest / input_scale)
    if np.array_equal(scale, layer.scale):
        return layer.weights, scale.astype(np.float32)
    by_row = np.moveaxis(layer.weights, layer.axis, -1) * (layer.scale / scale)
    values = np.moveaxis(np.rint(by_row), -1, layer.axis).astype(np.int8)
    return np.ascontiguousarray(values), scale.astype(np.float32)


def _zeros(scale: NDArray[np.float32]) -> NDArray[np.int64]:
    return np.zeros(len(scale), np.int64)


def _set(
    graph: Graph,
    operator: Operator,
    position: int,
    values: NDArray[np.integer],
    quantization: Quantization,
    shared: dict[bytes, Tensor] | None = None,
) -> None:
    """Give one convolution a constant of its own, though it may have shared it before.

    Those that shared one and were given the same values share it again.
    """
    tensor = operator.inputs[position]
    assert tensor is not None  # noqa: S101 - the caller looked
    if shared is not None and len(graph.consumers(tensor)) > 1:
        content = tensor.name.encode() + values.tobytes() + quantization.scale.tobytes()
        twin = shared.get(content)
        if twin is not None:
            operator.inputs[position] = twin
            return
        tensor = graph.add_like(tensor, f"{tensor.name}_{len(graph.tensors)}")
        operator.inputs[position] = tensor
        shared[content] = tensor
    elif len(graph.consumers(tensor)) > 1:
        tensor = graph.add_like(tensor, f"{tensor.name}_{len(graph.tensors)}")
        operator.inputs[position] = tensor
    tensor.data, tensor.quantization = values, quantization
