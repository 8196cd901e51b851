"""Transposed convolutions: SAME where ONNX's pads are that, else VALID and cut."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn.convert.onnx_import.lazy import tf
from edgecnn.convert.onnx_import.operators.conv import with_bias
from edgecnn.convert.onnx_import.table import operator
from edgecnn.convert.onnx_import.value import Value, channels_last
from edgecnn.convert.onnx_import.windows import over_one_axis, same_pad

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edgecnn.convert.onnx_import.node import Node

# Zero itself would be folded away.
_NEXT_TO_NOTHING = 1e-30


@dataclass(frozen=True)
class _Axis:
    """One spatial axis: input, kernel and stride, what is cut off in front, and what is left."""

    size: int
    kernel: int
    stride: int
    begin: int
    out: int

    @property
    def full(self) -> int:
        """Size before anything is cut off."""
        return (self.size - 1) * self.stride + self.kernel

    @property
    def same(self) -> bool:
        """Whether TensorFlow's SAME cuts the same."""
        fits = -(-self.out // self.stride) == self.size and self.full >= self.out
        return fits and same_pad(self.out, self.kernel, self.stride)[0] == self.begin


@operator("ConvTranspose", note="over one to three axes; constant weights")
def conv_transpose(node: Node) -> Value:
    """ConvTranspose (N, C, spatial...) by (C, M/groups, kernel...)."""
    value = node.value(0)
    if value.rank == 3:  # noqa: PLR2004 - N, C and one spatial axis
        return over_one_axis(node, conv_transpose, 2)
    if value.rank > 5:  # noqa: PLR2004 - N, C and three spatial axes
        raise node.refused(f"TFLite has no transposed convolution over {value.rank - 2} axes")
    kernel = _dense_kernel(node)
    axes = _axes(node, value.shape[2:], kernel.shape[:-2])
    order = channels_last(value.rank)
    tensor = _computed(value.stored(order), kernel, axes)
    if not node.has(2):
        # TFLite's converter fuses a scalar that is added next as a bias of one element, and the
        # kernel reads as many as there are channels. A bias that is there already is safe.
        return Value(tf.add(tensor, tf.fill([kernel.shape[-2]], _NEXT_TO_NOTHING)), order)
    return Value(with_bias(node, tensor), order)


def _dense_kernel(node: Node) -> NDArray[Any]:
    """(kernel..., M, C) with zeros between groups, and between the elements of a dilated kernel."""
    weights, groups = node.known(1, "weights"), node.get("group", 1)
    channels, width = weights.shape[:2]
    if groups > 1:
        dense = np.zeros((channels, width * groups, *weights.shape[2:]), weights.dtype)
        size = channels // groups
        for group in range(groups):
            rows = slice(group * size, (group + 1) * size)
            dense[rows, group * width : (group + 1) * width] = weights[rows]
        weights = dense
    dilations = node.get("dilations", [1] * (weights.ndim - 2))
    sizes = [(k - 1) * d + 1 for k, d in zip(weights.shape[2:], dilations, strict=True)]
    spread = np.zeros((*weights.shape[:2], *sizes), weights.dtype)
    spread[(slice(None), slice(None), *(slice(None, None, step) for step in dilations))] = weights
    return spread.transpose(*range(2, weights.ndim), 1, 0)


def _axes(node: Node, sizes: Sequence[int], kernel: Sequence[int]) -> list[_Axis]:
    count = len(sizes)
    strides, extra = node.get("strides", [1] * count), node.get("output_padding", [0] * count)
    pads, output_shape = node.get("pads", [0] * (2 * count)), node.get("output_shape")
    mode = node.get("auto_pad", "NOTSET")
    axes = []
    for i, (size, k, stride) in enumerate(zip(sizes, kernel, strides, strict=True)):
        whole = (size - 1) * stride + k + extra[i]
        begin, out = pads[i], whole - pads[i] - pads[i + count]
        if output_shape is not None or mode.startswith("SAME"):
            out = size * stride if output_shape is None else output_shape[i - count]
            total = max(whole - out, 0)
            # ONNX: SAME_UPPER has the odd element behind, everything else in front.
            begin = total // 2 if mode == "SAME_UPPER" else total - total // 2
        axes.append(_Axis(size, k, stride, begin, out))
    return axes


def _computed(image: Any, kernel: NDArray[Any], axes: Sequence[_Axis]) -> Any:  # noqa: ANN401 - tf.Tensor
    same = all(axis.same for axis in axes)
    sizes = [axis.out if same else axis.full for axis in axes]
    batch, outputs = int(image.shape[0]), kernel.shape[-2]
    plane = len(axes) == 2  # noqa: PLR2004 - spatial axes
    tensor = (tf.nn.conv2d_transpose if plane else tf.nn.conv3d_transpose)(
        image,
        tf.constant(kernel),
        [batch, *sizes, outputs],
        [1, *(axis.stride for axis in axes), 1],
        "SAME" if same else "VALID",
    )
    if same:
        return tensor
    ends = [min(axis.begin + axis.out, axis.full) for axis in axes]
    if any(axis.begin or end < axis.full for axis, end in zip(axes, ends, strict=True)):
        begins = [0, *(axis.begin for axis in axes), 0]
        tensor = tf.slice(
            tensor,
            begins,
            [batch, *(e - a.begin for a, e in zip(axes, ends, strict=True)), outputs],
        )
    missing = [axis.begin + axis.out - end for axis, end in zip(axes, ends, strict=True)]
    if any(missing):
        tensor = tf.pad(tensor, [(0, 0), *((0, count) for count in missing), (0, 0)])
    return tensor
