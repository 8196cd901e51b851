"""Convolutions: weights as constants in TFLite's order, pads as SAME where they are that."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from edgecnn.convert.onnx_import.lazy import tf
from edgecnn.convert.onnx_import.table import operator
from edgecnn.convert.onnx_import.value import constant
from edgecnn.convert.onnx_import.windows import Windows, over_one_axis, windows

if TYPE_CHECKING:
    from edgecnn.convert.onnx_import.node import Node
    from edgecnn.convert.onnx_import.value import Value

_PLANE, _VOLUME = 2, 3


@operator("Conv", note="the weights must be constant where there are groups")
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
    if 1 < groups < channels and weights.array is None:
        raise node.refused("its weights are computed while the model runs, and it has groups")
    return _grouped(over, weights, *over.operand())


def _grouped(over: Windows, weights: Value, image: Any, padding: str) -> Any:  # noqa: ANN401 - tf.Tensor
    """A convolution over two axes whose kernel tells the groups: (kh, kw, C/groups, M)."""
    if weights.shape[2] == 1 and int(image.shape[-1]) > 1:
        return _depthwise(over, weights, image, padding)
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
    weights = kernel_last(node.value(1), over)
    if node.get("group", 1) != 1:
        return _volume_in_groups(node, over, weights)
    return tf.raw_ops.Conv3D(
        input=over.padded(),
        filter=weights.plain(),
        strides=[1, *over.strides, 1],
        dilations=[1, *over.dilations, 1],
        padding="VALID",
    )


def _volume_in_groups(node: Node, over: Windows, weights: Value) -> Any:  # noqa: ANN401 - tf.Tensor
    """The sum, over the kernel's first axis, of convolutions over the other two.

    TFLite's CONV_3D has no groups; CONV_2D has, and the depthwise one is quick.
    """
    if weights.array is None:
        raise node.refused("its weights are computed while the model runs, and it has groups")
    batch, _, *sizes, channels = (int(size) for size in over.padded().shape)
    plane = replace(
        over, kernel=over.kernel[1:], strides=over.strides[1:], dilations=over.dilations[1:],
        sizes=over.sizes[1:], pads=over.pads[1:], full=over.full[1:],
    )  # fmt: skip
    depth, stride = over.steps[0], over.strides[0]
    total = None
    for index in range(over.kernel[0]):
        first = index * over.dilations[0]
        layers = over.padded()[:, first : first + (depth - 1) * stride + 1 : stride]
        image = tf.reshape(layers, (batch * depth, *sizes, channels))
        part = _grouped(plane, constant(weights.array[index]), image, "VALID")
        total = part if total is None else tf.add(total, part)
    return tf.reshape(total, (batch, depth, *plane.steps, -1))
