"""What only rearranges elements."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn.convert.onnx_import.broadcasting import common_order, elementwise
from edgecnn.convert.onnx_import.edges import with_edges
from edgecnn.convert.onnx_import.lazy import tf
from edgecnn.convert.onnx_import.reshaping import reshaped
from edgecnn.convert.onnx_import.table import operator
from edgecnn.convert.onnx_import.value import Value, channels_last, constant, inverse

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from edgecnn.convert.onnx_import.node import Node


@operator("Reshape", note="to a constant shape")
def reshape(node: Node) -> Value:
    """Reshape; 0 copies a size, -1 is what is left."""
    value = node.viewed(0)
    shape = node.option(1, "shape", node.get("shape"))
    if not node.get("allowzero", 0):
        shape = [value.shape[i] if size == 0 else size for i, size in enumerate(shape)]
    known = int(np.prod([size for size in shape if size != -1]))
    return reshaped(value, [value.size // max(known, 1) if size == -1 else size for size in shape])


@operator("Flatten")
def flatten(node: Node) -> Value:
    """To two axes."""
    value = node.viewed(0)
    axis = node.get("axis", 1)
    axis = axis + value.rank if axis < 0 else axis
    rows = int(np.prod(value.shape[:axis], dtype=int))
    return reshaped(value, (rows, value.size // max(rows, 1)))


@operator("Squeeze")
def squeeze(node: Node) -> Value:
    """Without some axes of size 1, or all of them."""
    value = node.viewed(0)
    axes = node.option(1, "axes", node.get("axes"))
    if axes is None:
        axes = [axis for axis, size in enumerate(value.shape) if size == 1]
    gone = {axis % value.rank for axis in axes}
    return reshaped(value, [size for axis, size in enumerate(value.shape) if axis not in gone])


@operator("Unsqueeze")
def unsqueeze(node: Node) -> Value:
    """With more axes of size 1."""
    value = node.viewed(0)
    axes = node.option(1, "axes", node.get("axes"))
    shape, rank = list(value.shape), value.rank + len(axes)
    for axis in sorted(axis % rank for axis in axes):
        shape.insert(axis, 1)
    return reshaped(value, shape)


@operator("Transpose")
def transpose(node: Node) -> Value:
    """A renaming of axes: nothing moves."""
    value = node.value(0)
    axes = node.get("perm", list(reversed(range(value.rank))))
    if value.array is not None:
        return constant(value.array.transpose(axes))
    return replace(value, order=tuple(value.order[axis] for axis in axes))


@operator("Concat")
def concat(node: Node) -> Value:
    """Concat, in the order of axes that moves the least."""
    values = [value for value in node.values() if 0 not in value.shape]
    if len(values) == 1:
        return values[0]
    axis = node.axis(rank=values[0].rank)
    order = common_order(values)
    tensors = [value.stored(order) for value in values]
    nonnegative = all(value.nonnegative for value in values)
    return Value(tf.concat(tensors, order[axis]), order, nonnegative=nonnegative)


@operator("Split")
def split(node: Node) -> tuple[Value, ...]:
    """Split into parts of given or like sizes."""
    value = node.value(0)
    axis = node.axis()
    sizes = node.option(1, "sizes", node.get("split"))
    if sizes is None:
        count, whole = node.get("num_outputs", len(node.outputs)), value.shape[axis]
        size = -(-whole // count)
        sizes = [min(size, whole - i * size) for i in range(count)]
    stored = value.stored(value.order)
    if len(set(sizes)) == 1:  # one number is SPLIT, a list SPLIT_V, which XNNPACK leaves
        parts = tf.split(stored, len(sizes), value.order[axis])
    else:
        parts = _slices(stored, value.order[axis], sizes)
    return tuple(replace(value, tensor=part) for part in parts)


def _slices(tensor: Any, axis: int, sizes: Sequence[int]) -> list[Any]:  # noqa: ANN401 - tf.Tensor
    shape, start, parts = [int(size) for size in tensor.shape], 0, []
    for size in sizes:
        begin = [start if i == axis else 0 for i in range(len(shape))]
        extent = [size if i == axis else whole for i, whole in enumerate(shape)]
        parts.append(tf.slice(tensor, begin, extent))
        start += size
    return parts


def _limit_pad(attributes: Mapping[str, Any]) -> str:
    return "" if attributes.get("mode", "constant") != "wrap" else "TFLite cannot pad by wrapping"


@operator("Pad", limit=_limit_pad, note="by constant sizes; not wrapping")
def pad(node: Node) -> Value:
    """Pad by constants, by reflection, or by repeating the edge; negative pads cut off."""
    value = node.value(0)
    flat = node.option(1, "pads", node.get("pads"))
    axes = node.option(3, "axes") if node.has(3) else list(range(value.rank))
    pads = [(0, 0)] * value.rank
    for i, axis in enumerate(axes):
        pads[axis % value.rank] = (int(flat[i]), int(flat[i + len(axes)]))
    stored = [pads[axis] for axis in inverse(value.order)]
    tensor = _cut(value.stored(value.order), stored)
    return replace(value, tensor=_padded(node, tensor, stored), nonnegative=False)


def _cut(tensor: Any, pads: Sequence[tuple[int, int]]) -> Any:  # noqa: ANN401 - tf.Tensor
    if all(count >= 0 for pair in pads for count in pair):
        return tensor
    begin = [max(-front, 0) for front, _ in pads]
    sizes = [
        int(size) - start - max(-behind, 0)
        for size, start, (_, behind) in zip(tensor.shape, begin, pads, strict=True)
    ]
    return tf.slice(tensor, begin, sizes)


def _padded(node: Node, tensor: Any, pads: Sequence[tuple[int, int]]) -> Any:  # noqa: ANN401 - tf.Tensor
    positive = [(max(front, 0), max(behind, 0)) for front, behind in pads]
    mode = node.get("mode", "constant")
    if not any(sum(pair) for pair in positive):
        return tensor
    if mode == "edge":
        return with_edges(tensor, positive)
    if mode == "reflect":
        return tf.pad(tensor, positive, "REFLECT")
    filler = node.option(2, "value", node.get("value", 0)) or 0
    filler = filler[0] if isinstance(filler, list) else filler
    if filler == 0:
        return tf.pad(tensor, positive)
    return tf.pad(tensor, positive, constant_values=tf.constant(filler, tensor.dtype))


@operator("Expand", note="to a constant shape")
def expand(node: Node) -> Value:
    """Broadcast to a shape, if it is not that already."""
    value = node.value(0)
    target = np.broadcast_shapes(value.shape, tuple(node.option(1, "shape")))
    if target == value.shape:
        return value
    anchor = np.zeros(target, bool)
    return elementwise(
        [value, constant(anchor)],
        lambda x, like: tf.broadcast_to(x, like.shape),
        keep_rank=True,
    )


@operator("Tile", note="by constant counts")
def tile(node: Node) -> Value:
    """Repeat along axes."""
    value = node.value(0)
    counts = node.option(1, "repeats")
    stored = [counts[axis] for axis in inverse(value.order)]
    return value.map(lambda x: tf.tile(x, stored), nonnegative=value.nonnegative)


@operator("DepthToSpace")
def depth_to_space(node: Node) -> Value:
    """DCR is TensorFlow's own order; for CRD the channels change places first."""
    value, block = node.value(0), node.get("blocksize")
    order = channels_last(value.rank)
    if node.get("mode", "DCR") == "CRD":
        batch, channels, height, width = value.shape
        depth = channels // block**2
        parted = reshaped(value, (batch, depth, block, block, height, width))
        turned = replace(parted, order=tuple(parted.order[axis] for axis in (0, 1, 4, 2, 5, 3)))
        return reshaped(turned, (batch, depth, height * block, width * block))
    return Value(tf.nn.depth_to_space(value.stored(order), block), order)


@operator("SpaceToDepth")
def space_to_depth(node: Node) -> Value:
    """SpaceToDepth: ONNX counts the block's rows first, as TensorFlow does."""
    value = node.value(0)
    order = channels_last(value.rank)
    return Value(tf.nn.space_to_depth(value.stored(order), node.get("blocksize")), order)


@operator("Identity", "Dropout")
def identity(node: Node) -> tuple[Value, ...]:
    """The value itself; a Dropout's mask is all true."""
    value = node.viewed(0)
    if len(node.outputs) > 1 and node.outputs[1]:
        return value, constant(np.ones(value.shape, bool))
    return (value,)
