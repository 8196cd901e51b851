"""Convolutions: weights as constants in TFLite's order, pads as SAME where they are that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgecnn.convert.onnx_import.lazy import tf
from edgecnn.convert.onnx_import.table import operator
from edgecnn.convert.onnx_import.value import constant
from edgecnn.convert.onnx_import.windows import Windows, over_one_axis, windows

if TYPE_CHECKING:
    from edgecnn.convert.onnx_import.node import Node
    from edgecnn.convert.onnx_import.value import Value

_PLANE, _VOLUME = 2, 3


@operator("Conv", note="3-D without groups; the weights must be constant where there are groups")
def conv(node: Node) -> Value:
    """Conv (N, C, spatial...) by (M, C/groups, kernel...)."""
    value, weights = node.value(0), node.value(1)
    if value.rank == _PLANE + 1:
        return over_one_axis(node, conv, 2)
    over = windows(node, weights.shape[2:])
    if value.rank == _PLANE + 2:
        tensor = _plane(node, over, value.shape[1])
    elif value.rank == _VOLUME + 2:
        tensor = _volume(node, over)
    else:
        raise node.refused(f"TFLite has no convolution over {value.rank - 2} axes")
    return over.result(with_bias(node, tensor))


def with_bias(node: Node, tensor: Any) -> Any:  # noqa: ANN401 - tf.Tensor
    """The third operand, where there is one, added to channels that are last."""
    return tf.add(tensor, node.value(2).plain()) if node.has(2) else tensor


def kernel_last(weights: Value, over: Windows) -> Value:
    """(M, C, kernel...) as (kernel..., C, M), the kernel's axes as the data's are stored."""
    axes = [*(axis + 2 for axis in over.spatial), 1, 0]
    if weights.array is not None:
        return constant(weights.array.transpose(axes))
    order = tuple(axes.index(axis) for axis in range(weights.rank))
    tensor = weights.stored(order)
    return type(weights)(tensor, tuple(range(weights.rank)))


def _plane(node: Node, over: Windows, channels: int) -> Any:  # noqa: ANN401 - tf.Tensor
    groups = node.get("group", 1)
    weights = kernel_last(node.value(1), over)
    image, padding = over.operand()
    if groups == channels and groups > 1:
        return _depthwise(over, weights, image, padding)
    if groups > 1 and weights.array is None:
        raise node.refused("its weights are computed while the model runs, and it has groups")
    return tf.raw_ops.Conv2D(
        input=image,
        filter=weights.plain(),
        strides=[1, *over.strides, 1],
        dilations=[1, *over.dilations, 1],
        padding=padding,
    )


def _depthwise(over: Windows, weights: Value, image: Any, padding: str) -> Any:  # noqa: ANN401 - tf.Tensor
    """(kh, kw, 1, C * multiplier) as (kh, kw, C, multiplier): both count the channel first."""
    channels = int(image.shape[-1])
    shape = (*weights.shape[:2], channels, weights.shape[3] // channels)
    known = weights.array
    filters = (
        tf.reshape(weights.plain(), shape) if known is None else tf.constant(known.reshape(shape))
    )
    return tf.raw_ops.DepthwiseConv2dNative(
        input=image,
        filter=filters,
        strides=[1, *over.strides, 1],
        dilations=[1, *over.dilations, 1],
        padding=padding,
    )


def _volume(node: Node, over: Windows) -> Any:  # noqa: ANN401 - tf.Tensor
    if node.get("group", 1) != 1:
        raise node.refused("TFLite has no convolution over three axes with groups")
    return tf.raw_ops.Conv3D(
        input=over.padded(),
        filter=kernel_last(node.value(1), over).plain(),
        strides=[1, *over.strides, 1],
        dilations=[1, *over.dilations, 1],
        padding="VALID",
    )
