"""Views of a float graph that several passes share: convolutions and affine chains."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edgecnn.formats.tflite_graph import Graph, Operator, Tensor

CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
# Data only moves through these; the last axis stays the channels, or becomes position x channels.
_WEIGHTS, _BIAS = 1, 2


@dataclass(frozen=True)
class Affine:
    """tensor = scale * source + shift, element by element along the channels (float64)."""

    source: Tensor
    scale: NDArray[np.float64]
    shift: NDArray[np.float64]

    @property
    def shifts(self) -> bool:
        """Whether it moves zero, which a padded convolution would notice."""
        return bool(np.any(self.shift != 0))


def channel_constant(operator: Operator) -> tuple[Tensor, NDArray[np.float64]] | None:
    """(variable input, constant for each channel) of a MUL or ADD with a constant, else None."""
    for variable, fixed in ((0, 1), (1, 0)):
        values, tensor = operator.constant(fixed), operator.inputs[variable]
        if values is None or tensor is None or not tensor.shape:
            continue
        channels = tensor.channels
        if values.size not in (1, channels) or (values.size == channels > 1
                                                and values.shape[-1] != channels):  # fmt: skip
            return None
        return tensor, np.broadcast_to(values.reshape(-1).astype(np.float64), (channels,))
    return None


def fused_activation(operator: Operator) -> int:
    """The activation fused into an operator, 0 for none (schema.fbs: ActivationFunctionType)."""
    return int(getattr(operator.options, "fusedActivationFunction", 0) or 0)


def affine_chain(graph: Graph, tensor: Tensor) -> Affine:
    """Follow MULs and ADDs of constants upwards from a tensor."""
    channels = tensor.channels
    scale, shift = np.ones(channels), np.zeros(channels)
    while (operator := graph.producer(tensor)) is not None:
        if operator.name not in {"MUL", "ADD"} or fused_activation(operator):
            break
        constant = channel_constant(operator)
        if constant is None or len(constant[1]) != channels:
            break
        tensor, values = constant
        if operator.name == "MUL":
            scale = scale * values
        else:
            shift = shift + scale * values
    return Affine(tensor, scale, shift)


def is_padded(operator: Operator) -> bool:
    """Whether a convolution reads zeros from beyond its input's border."""
    if operator.name == "FULLY_CONNECTED":
        return False
    options, weights = operator.options, operator.inputs[_WEIGHTS]
    if options.padding != 0 or weights is None:  # VALID (schema.fbs: SAME is 0)
        return False
    _, height, width, _ = operator.source.shape
    _, kernel_h, kernel_w, _ = weights.shape
    return _pads(height, kernel_h, options.strideH, options.dilationHFactor) or _pads(
        width, kernel_w, options.strideW, options.dilationWFactor
    )


def _pads(size: int, kernel: int, stride: int, dilation: int) -> bool:
    outputs = -(-size // stride)
    return bool((outputs - 1) * stride + (kernel - 1) * dilation + 1 > size)


def weights(operator: Operator) -> NDArray[np.float32] | None:
    """A convolution's constant float32 weights as schema.fbs lays them out, else None.

    None too where no pass can work on it: a grouped convolution, whose outputs read some of the
    channels each, and one whose bias is computed.
    """
    values = kernel(operator)
    if values is None or _computes_bias(operator):
        return None
    channels = operator.source.channels
    grouped = operator.name == "CONV_2D" and values.shape[-1] != channels
    return None if grouped or values.shape[-1] % channels else values


def known_weights(operator: Operator) -> NDArray[np.float32] | None:
    """As `weights`, of grouped convolutions too; None only where weights or bias are computed."""
    values = kernel(operator)
    if operator.name != "CONV_2D" or values is None or _computes_bias(operator):
        return weights(operator)
    return None if operator.source.channels % values.shape[-1] else values


def kernel(operator: Operator) -> NDArray[np.float32] | None:
    """As `weights`, of grouped convolutions too."""
    values = operator.constant(_WEIGHTS)
    return None if values is None or values.dtype != np.float32 else values


def _computes_bias(operator: Operator) -> bool:
    return operator.input(_BIAS) is not None and bias(operator) is None


def bias(operator: Operator) -> NDArray[np.float32] | None:
    """A convolution's constant float32 bias; None where it has none."""
    values = operator.constant(_BIAS)
    return None if values is None or values.dtype != np.float32 else values


def set_weights(graph: Graph, operator: Operator, values: NDArray[Any]) -> None:
    """Give one convolution weights of its own, though it may have shared them before."""
    old = operator.inputs[_WEIGHTS]
    assert old is not None  # noqa: S101 - no convolution goes without
    operator.inputs[_WEIGHTS] = _own_constant(graph, old, values, "weights")


def set_bias(graph: Graph, operator: Operator, values: NDArray[Any]) -> None:
    """Give one convolution a bias of its own, adding it where there was none."""
    like = operator.input(_BIAS) or operator.inputs[_WEIGHTS]
    assert like is not None  # noqa: S101 - no convolution goes without weights
    operator.inputs = [*operator.inputs[:_BIAS], _own_constant(graph, like, values, "bias")]


def _own_constant(graph: Graph, like: Tensor, values: NDArray[Any], kind: str) -> Tensor:
    tensor = like
    if len(graph.consumers(like)) != 1 or like.shape != values.shape:
        tensor = graph.add_like(like, f"{like.name}/{kind}_{len(graph.tensors)}")
    tensor.data = values.astype(np.float32)
    return tensor


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
