"""Views of a float graph that several passes share: convolutions and affine chains."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn.formats import tflite_file as tfl

if TYPE_CHECKING:
    from numpy.typing import NDArray

CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
# Data only moves through these; the last axis stays the channels, or becomes position x channels.
_WEIGHTS, _BIAS = 1, 2


@dataclass(frozen=True)
class Affine:
    """tensor = scale * source + shift, element by element along the channels (float64)."""

    source: int
    scale: NDArray[np.float64]
    shift: NDArray[np.float64]

    @property
    def shifts(self) -> bool:
        """Whether it moves zero, which a padded convolution would notice."""
        return bool(np.any(self.shift != 0))


def channel_constant(
    model: tfl.ModelT, graph: tfl.SubGraphT, operator: tfl.OperatorT
) -> tuple[int, NDArray[np.float64]] | None:
    """(variable input, constant for each channel) of a MUL or ADD with a constant, else None."""
    for variable, fixed in ((0, 1), (1, 0)):
        values = tfl.constant(model, graph, int(operator.inputs[fixed]))
        tensor = graph.tensors[int(operator.inputs[variable])]
        if values is None or tensor.shape is None or len(tensor.shape) == 0:
            continue
        channels = int(tensor.shape[-1])
        if values.size not in (1, channels) or (values.size == channels > 1
                                                and values.shape[-1] != channels):  # fmt: skip
            return None
        flat = values.reshape(-1).astype(np.float64)
        return int(operator.inputs[variable]), np.broadcast_to(flat, (channels,))
    return None


def fused_activation(operator: tfl.OperatorT) -> int:
    """The activation fused into an operator, 0 for none (schema.fbs: ActivationFunctionType)."""
    return int(getattr(operator.builtinOptions, "fusedActivationFunction", 0) or 0)


def affine_chain(model: tfl.ModelT, graph: tfl.SubGraphT, tensor: int) -> Affine:
    """Follow MULs and ADDs of constants upwards from a tensor."""
    made_by = tfl.producers(graph)
    channels = int(graph.tensors[tensor].shape[-1])
    scale, shift = np.ones(channels), np.zeros(channels)
    while tensor in made_by:
        operator = graph.operators[made_by[tensor]]
        name = tfl.operator_name(model, operator)
        if name not in {"MUL", "ADD"} or fused_activation(operator):
            break
        found = channel_constant(model, graph, operator)
        if found is None or len(found[1]) != channels:
            break
        tensor, values = found
        if name == "MUL":
            scale = scale * values
        else:
            shift = shift + scale * values
    return Affine(tensor, scale, shift)


def is_padded(model: tfl.ModelT, graph: tfl.SubGraphT, operator: tfl.OperatorT) -> bool:
    """Whether a convolution reads zeros from beyond its input's border."""
    if tfl.operator_name(model, operator) == "FULLY_CONNECTED":
        return False
    options = operator.builtinOptions
    if options.padding != 0:  # VALID (schema.fbs: SAME is 0)
        return False
    _, height, width, _ = graph.tensors[int(operator.inputs[0])].shape
    _, kernel_h, kernel_w, _ = graph.tensors[int(operator.inputs[_WEIGHTS])].shape
    return _pads(height, kernel_h, options.strideH, options.dilationHFactor) or _pads(
        width, kernel_w, options.strideW, options.dilationWFactor
    )


def _pads(size: int, kernel: int, stride: int, dilation: int) -> bool:
    outputs = -(-size // stride)
    return bool((outputs - 1) * stride + (kernel - 1) * dilation + 1 > size)


def weights(
    model: tfl.ModelT, graph: tfl.SubGraphT, operator: tfl.OperatorT
) -> NDArray[np.float32] | None:
    """A convolution's constant float32 weights as schema.fbs lays them out, else None.

    None too where no pass can work on it: a grouped convolution, whose outputs read some of the
    channels each, and one whose bias is computed.
    """
    values = kernel(model, graph, operator)
    if values is None or _computes_bias(model, graph, operator):
        return None
    channels = int(graph.tensors[int(operator.inputs[0])].shape[-1])
    grouped = tfl.operator_name(model, operator) == "CONV_2D" and values.shape[-1] != channels
    return None if grouped or values.shape[-1] % channels else values


def kernel(
    model: tfl.ModelT, graph: tfl.SubGraphT, operator: tfl.OperatorT
) -> NDArray[np.float32] | None:
    """As `weights`, of grouped convolutions too."""
    values = tfl.constant(model, graph, int(operator.inputs[_WEIGHTS]))
    return None if values is None or values.dtype != np.float32 else values


def _computes_bias(model: tfl.ModelT, graph: tfl.SubGraphT, operator: tfl.OperatorT) -> bool:
    named = len(operator.inputs) > _BIAS and int(operator.inputs[_BIAS]) != tfl.NO_TENSOR
    return named and bias(model, graph, operator) is None


def bias(
    model: tfl.ModelT, graph: tfl.SubGraphT, operator: tfl.OperatorT
) -> NDArray[np.float32] | None:
    """A convolution's constant float32 bias; None where it has none."""
    if len(operator.inputs) <= _BIAS:
        return None
    values = tfl.constant(model, graph, int(operator.inputs[_BIAS]))
    return None if values is None or values.dtype != np.float32 else values


def set_weights(
    model: tfl.ModelT, graph: tfl.SubGraphT, operator: tfl.OperatorT, values: NDArray[Any]
) -> None:
    """Give one convolution weights of its own, though it may have shared them before."""
    operator.inputs = np.array(operator.inputs, np.int32)
    operator.inputs[_WEIGHTS] = _own_constant(
        model, graph, int(operator.inputs[_WEIGHTS]), values, "weights"
    )


def set_bias(
    model: tfl.ModelT, graph: tfl.SubGraphT, operator: tfl.OperatorT, values: NDArray[Any]
) -> None:
    """Give one convolution a bias of its own, adding it where there was none."""
    inputs = [int(i) for i in operator.inputs[:_BIAS]]
    old = int(operator.inputs[_BIAS]) if len(operator.inputs) > _BIAS else tfl.NO_TENSOR
    like = inputs[_WEIGHTS] if old == tfl.NO_TENSOR else old
    operator.inputs = np.asarray(
        [*inputs, _own_constant(model, graph, like, values, "bias")], np.int32
    )


def _own_constant(
    model: tfl.ModelT, graph: tfl.SubGraphT, like: int, values: NDArray[Any], kind: str
) -> int:
    template = graph.tensors[like]
    if len(tfl.consumers(graph)[like]) == 1 and list(template.shape) == list(values.shape):
        index = like
    else:
        name = f"{tfl.tensor_name(template)}/{kind}_{len(graph.tensors)}"
        index = tfl.add_tensor(graph, template, name)
    tfl.set_constant(model, graph, index, values.astype(np.float32))
    return index


def scale_inputs(
    kernel: NDArray[np.float32], operator_name: str, scale: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Weights that see `x` as the old ones saw `scale * x`.

    CONV_2D has OHWI weights, FULLY_CONNECTED OI with I = positions x channels, DEPTHWISE_CONV_2D
    1HW(C * multiplier).
    """
    values = kernel.astype(np.float64)
    if operator_name == "DEPTHWISE_CONV_2D":
        return values * np.repeat(scale, values.shape[-1] // len(scale))
    return values * np.tile(scale, values.shape[-1] // len(scale))


def response(
    kernel: NDArray[np.float32], operator_name: str, shift: NDArray[np.float64]
) -> NDArray[np.float64]:
    """What an unpadded convolution answers to an input that is `shift` everywhere, by channel."""
    scaled = scale_inputs(kernel, operator_name, shift)
    by_output = (
        scaled if operator_name == "DEPTHWISE_CONV_2D" else scaled.reshape(len(scaled), -1).T
    )
    summed: NDArray[np.float64] = by_output.reshape(-1, by_output.shape[-1]).sum(axis=0)
    return summed


def remove_dead(model: tfl.ModelT, graph: tfl.SubGraphT) -> None:
    """Remove operators whose results nobody reads, then what only they named."""
    while True:
        needed = {int(t) for op in graph.operators for t in op.inputs}
        needed |= {int(t) for t in graph.outputs}
        kept = [op for op in graph.operators if needed & {int(t) for t in op.outputs}]
        if len(kept) == len(graph.operators):
            break
        graph.operators = kept
    tfl.drop_unused(model)
