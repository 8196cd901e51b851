"""Slices, gathers and scatters."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn.convert.onnx_import.lazy import tf
from edgecnn.convert.onnx_import.table import operator
from edgecnn.convert.onnx_import.value import Value, plain, without_axes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from edgecnn.convert.onnx_import.node import Node


@operator("Slice", note="between constant bounds")
def slice_(node: Node) -> Value:
    """Slice with steps, backwards too."""
    value = node.value(0)
    starts, ends = (node.option(1, "starts", node.get("starts")),
                    node.option(2, "ends", node.get("ends")))  # fmt: skip
    axes = node.option(3, "axes", node.get("axes")) or list(range(len(starts)))
    steps = node.option(4, "steps", None) or [1] * len(starts)
    parts: list[slice] = [slice(None)] * value.rank
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        parts[value.order[axis % value.rank]] = slice(start, end, step)
    return replace(value, tensor=_cut(value.tensor, parts))


def _cut(tensor: Any, parts: Sequence[slice]) -> Any:  # noqa: ANN401 - tf.Tensor
    """A plain slice where all steps are 1: XNNPACK takes it, and not the strided one."""
    shape = [int(size) for size in tensor.shape]
    ranges = [range(*part.indices(size)) for part, size in zip(parts, shape, strict=True)]
    if all(span == range(size) for span, size in zip(ranges, shape, strict=True)):
        return tensor
    backwards = [axis for axis, span in enumerate(ranges) if span.step < 0 and len(span) > 0]
    if all(span.step == 1 for span in ranges):
        return tf.slice(tensor, [span.start for span in ranges], [len(span) for span in ranges])
    for axis in backwards:  # forwards through the reversed tensor
        first = shape[axis] - 1 - ranges[axis].start
        ranges[axis] = range(
            first, first + len(ranges[axis]) * -ranges[axis].step, -ranges[axis].step
        )
    for axis in backwards:  # the kernel takes neighbouring axes only
        tensor = tf.reverse(tensor, [axis])
    return tf.strided_slice(
        tensor,
        [span.start for span in ranges],
        [min(span.stop, size) for span, size in zip(ranges, shape, strict=True)],
        [span.step for span in ranges],
    )


@operator("Gather")
def gather(node: Node) -> Value:
    """Gather along an axis: one constant index or neighbouring ones are a slice."""
    value, indices = node.value(0), node.value(1)
    axis = node.axis(0)
    if indices.array is not None and value.array is None:
        return _gather_known(value, axis, indices.array)
    size = value.shape[axis]
    index = tf.cast(indices.plain(), tf.int32)
    index = tf.where(index < 0, index + size, index) if indices.array is None else index % size
    return _gathered(value, axis, index, indices.rank)


def _gather_known(value: Value, axis: int, indices: NDArray[Any]) -> Value:
    stored, size = value.order[axis], value.shape[axis]
    index = indices % size
    flat = index.reshape(-1)
    if index.ndim <= 1 and flat.size and np.all(np.diff(flat) == 1):
        parts = [slice(None)] * value.rank
        parts[stored] = slice(int(flat[0]), int(flat[-1]) + 1)
        tensor = _cut(value.tensor, parts)
        if index.ndim:
            return replace(value, tensor=tensor)
        shape = [int(n) for i, n in enumerate(tensor.shape) if i != stored]
        order = without_axes(value.order, [axis])
        return replace(value, tensor=tf.reshape(tensor, shape), order=order)
    return _gathered(value, axis, tf.constant(index.astype(np.int32)), index.ndim)


def _gathered(value: Value, axis: int, index: Any, rank: int) -> Value:  # noqa: ANN401 - tf.Tensor
    """The index's axes take the gathered one's place, as stored and in ONNX's order."""
    place = value.order[axis]
    tensor = tf.gather(value.stored(value.order), index, axis=place)
    others = [stored + (rank - 1) * (stored > place) for stored in value.order]
    order = (*others[:axis], *range(place, place + rank), *others[axis + 1 :])
    return Value(tensor, order, nonnegative=value.nonnegative)


@operator("GatherElements")
def gather_elements(node: Node) -> Value:
    """GatherElements, through GATHER_ND over coordinates."""
    value, indices = node.value(0), node.value(1)
    index = tf.cast(indices.plain(), tf.int32)
    coordinates = _coordinates(index, indices.shape, node.axis(0), value.shape)
    return plain(tf.gather_nd(value.plain(), coordinates))


def _coordinates(index: Any, shape: Sequence[int], axis: int, data: Sequence[int]) -> Any:  # noqa: ANN401 - tf.Tensor
    """Where each element of an index along an axis points to, one coordinate for each axis."""
    index = tf.where(index < 0, index + data[axis], index)
    grid = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), -1).astype(np.int32)
    parts = [tf.constant(grid[..., i]) for i in range(len(shape))]
    parts[axis] = index
    return tf.stack(parts, -1)


@operator("GatherND", note="without batch axes")
def gather_nd(node: Node) -> Value:
    """GatherND."""
    if node.get("batch_dims", 0):
        raise node.refused("TFLite's GATHER_ND has no batch axes")
    value, indices = node.value(0), node.value(1)
    index = tf.cast(indices.plain(), tf.int32)
    sizes = tf.constant(value.shape[: indices.shape[-1]], tf.int32)
    return plain(tf.gather_nd(value.plain(), tf.where(index < 0, index + sizes, index)))


def _limit_scatter(attributes: Mapping[str, Any]) -> str:
    mode = attributes.get("reduction", "none")
    return "" if mode in {"none", "add"} else f"its reduction is {mode!r}"


@operator("ScatterND", limit=_limit_scatter, note="written or added at constant places")
def scatter_nd(node: Node) -> Value:
    """ScatterND: what is written over is taken out by a constant mask first."""
    value, updates = node.value(0), node.value(2)
    return _scattered(node, value, node.known(1, "indices"), updates.plain())


@operator("ScatterElements", "Scatter", limit=_limit_scatter, note="as ScatterND")
def scatter_elements(node: Node) -> Value:
    """ScatterElements, through SCATTER_ND over coordinates."""
    value, updates = node.value(0), node.value(2)
    index = node.known(1, "indices")
    axis = node.axis(0)
    grid = np.stack(np.meshgrid(*map(np.arange, index.shape), indexing="ij"), -1)
    grid[..., axis] = index
    return _scattered(node, value, grid, updates.plain())


def _scattered(node: Node, value: Value, indices: NDArray[Any], updates: Any) -> Value:  # noqa: ANN401 - tf.Tensor
    shape = value.shape
    places = (indices % np.asarray(shape[: indices.shape[-1]])).astype(np.int32)
    scattered = tf.scatter_nd(tf.constant(places), updates, tf.constant(shape, tf.int32))
    if node.get("reduction", "none") == "add":
        return plain(value.plain() + scattered)
    kept = np.ones(shape, value.dtype.as_numpy_dtype)
    kept[tuple(np.moveaxis(places, -1, 0))] = 0
    return plain(value.plain() * tf.constant(kept) + scattered)


@operator("OneHot", note="of a constant depth")
def one_hot(node: Node) -> Value:
    """OneHot over a new axis."""
    indices, values = node.value(0), node.known(2, "values")
    depth = int(node.known(1, "depth").reshape(-1)[0])
    axis = node.axis(-1, rank=indices.rank + 1)
    index = tf.cast(indices.plain(), tf.int32)
    index = tf.where(index < 0, index + depth, index)
    off, on = values.tolist()
    kind = tf.as_dtype(values.dtype)
    return plain(tf.one_hot(index, depth, on, off, axis=axis, dtype=kind))


@operator("Trilu", note="above or below a constant diagonal")
def trilu(node: Node) -> Value:
    """The upper or lower triangle of matrices; infinities outside of it become zero too."""
    value = node.value(0)
    diagonal = int(node.known(1, "diagonal").item()) if node.has(1) else 0
    triangle = np.triu if node.get("upper", 1) else np.tril
    kept = triangle(np.ones(value.shape[-2:], bool), diagonal)
    tensor = value.plain()
    masked = tf.where(tf.constant(kept), tensor, tf.zeros([], tensor.dtype))
    return replace(plain(masked), nonnegative=value.nonnegative)
