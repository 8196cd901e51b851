"""Windows that slide over spatial axes: what convolutions and poolings have in common."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from edgecnn.convert.onnx_import.lazy import tf
from edgecnn.convert.onnx_import.reshaping import reshaped, settled
from edgecnn.convert.onnx_import.value import Value, channels_last

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from edgecnn.convert.onnx_import.node import Node

Pads = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Windows:
    """Windows over a channels-last tensor (N, spatial..., C), spatial axes as they are stored.

    Attributes:
        tensor: the tf.Tensor.
        order: how ONNX's axes are stored in it, and in what comes out.
        spatial: ONNX's spatial axes, from 0, in stored order.
        sizes: of the spatial axes.
        kernel: window sizes.
        strides: steps.
        dilations: distance between a window's elements.
        pads: elements in front and behind, as far as windows reach.
        full: the pads that were written down.
    """

    tensor: Any
    order: tuple[int, ...]
    spatial: tuple[int, ...]
    sizes: tuple[int, ...]
    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    pads: Pads
    full: Pads

    @property
    def steps(self) -> tuple[int, ...]:
        """Number of windows along each axis."""
        return tuple(
            (size + sum(pad) - (kernel - 1) * dilation - 1) // stride + 1
            for size, pad, kernel, dilation, stride in zip(
                self.sizes, self.pads, self.kernel, self.dilations, self.strides, strict=True
            )
        )

    @property
    def same(self) -> bool:
        """Whether the pads are those of TensorFlow's SAME."""
        return any(sum(pad) for pad in self.pads) and self.pads == tuple(
            same_pad(size, (kernel - 1) * dilation + 1, stride)
            for size, kernel, dilation, stride in zip(
                self.sizes, self.kernel, self.dilations, self.strides, strict=True
            )
        )

    def padded(self) -> Any:  # noqa: ANN401 - tf.Tensor
        """The tensor with zeros around it."""
        if not any(sum(pad) for pad in self.pads):
            return self.tensor
        return tf.pad(self.tensor, [(0, 0), *self.pads, (0, 0)])

    def operand(self) -> tuple[Any, str]:
        """The tensor, and TensorFlow's name of the padding it still needs."""
        return (self.tensor, "SAME") if self.same else (self.padded(), "VALID")

    def result(self, tensor: Any, *, nonnegative: bool = False) -> Value:  # noqa: ANN401 - tf.Tensor
        """What was computed, with the axes ONNX has."""
        return Value(tensor, self.order, nonnegative=nonnegative)


def same_pad(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """TensorFlow's SAME (and ONNX's SAME_UPPER): elements in front and behind."""
    total = max((math.ceil(size / stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def spatial_order(value: Value) -> tuple[int, ...]:
    """Its own order where that has the batch first and the channels last, else the usual one."""
    last = value.rank - 1
    own = value.array is None and value.order[0] == 0 and value.order[1] == last
    return value.order if own else channels_last(value.rank)


def windows(node: Node, kernel: Sequence[int]) -> Windows:
    """The windows of a node over its first operand (N, C, spatial...)."""
    value = node.value(0)
    count = value.rank - 2
    order = spatial_order(value)
    spatial = tuple(sorted(range(count), key=lambda axis: order[axis + 2]))
    sizes = value.shape[2:]
    strides = tuple(node.get("strides", [1] * count))
    dilations = tuple(node.get("dilations", [1] * count))
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
    full = _pads(node, sizes, reach, strides)
    used = tuple(
        (pad[0], _end(size, pad, k, stride, bool(node.get("ceil_mode", 0))))
        for size, pad, k, stride in zip(sizes, full, reach, strides, strict=True)
    )

    def sorted_(values: Sequence[Any]) -> tuple[Any, ...]:
        return tuple(values[axis] for axis in spatial)

    return Windows(
        value.stored(order), order, spatial, sorted_(sizes), sorted_(kernel), sorted_(strides),
        sorted_(dilations), sorted_(used), sorted_(full),
    )  # fmt: skip


def _pads(node: Node, sizes: Sequence[int], reach: Sequence[int], strides: Sequence[int]) -> Pads:
    mode, count = node.get("auto_pad", "NOTSET"), len(sizes)
    if mode == "VALID":
        return ((0, 0),) * count
    if mode in {"SAME_UPPER", "SAME_LOWER"}:
        pads = [same_pad(*axis) for axis in zip(sizes, reach, strides, strict=True)]
        return tuple(pads if mode == "SAME_UPPER" else [(end, begin) for begin, end in pads])
    flat = node.get("pads", [0] * (2 * count))
    return tuple(zip(flat[:count], flat[count:], strict=True))


def _end(size: int, pad: tuple[int, int], reach: int, stride: int, ceil: bool) -> int:  # noqa: FBT001 - internal
    """Elements behind the axis that windows really reach; a last one may be cut off."""
    span = size + sum(pad) - reach
    steps = (math.ceil(span / stride) if ceil else span // stride) + 1
    if ceil and (steps - 1) * stride >= size + pad[0]:
        steps -= 1  # a window that begins behind the last element
    return max((steps - 1) * stride + reach - size - pad[0], 0)


def over_one_axis(node: Node, lowering: Callable[[Node], Value], operands: int) -> Value:
    """A node over (N, C, W) by its lowering over (N, C, 1, W): TFLite's windows have two axes.

    Args:
        node: with operands of rank 3.
        lowering: of the same operator.
        operands: how many of them, from the first, have the axis.
    """
    widened = tuple(_with_height(node.value(index)) for index in range(operands))
    wide = replace(
        node,
        operands=(*widened, *node.operands[operands:]),
        attributes=_with_height_attributes(node),
    )
    result = lowering(wide)
    return settled(reshaped(result, (*result.shape[:2], result.shape[3])))


def _with_height(value: Value) -> Value:
    return settled(reshaped(value, (*value.shape[:2], 1, value.shape[2])))


def _with_height_attributes(node: Node) -> dict[str, Any]:
    """Attributes of a window over one axis, for two: the first of them has size 1."""
    attributes = dict(node.attributes)
    neutral = {"strides": 1, "dilations": 1, "kernel_shape": 1, "output_padding": 0}
    for name, filler in neutral.items():
        if name in attributes:
            attributes[name] = [filler, *attributes[name]]
    if "pads" in attributes:
        begin, end = attributes["pads"]
        attributes["pads"] = [0, begin, 0, end]
    if "output_shape" in attributes:
        attributes["output_shape"] = [1, *attributes["output_shape"][-1:]]
    return attributes
