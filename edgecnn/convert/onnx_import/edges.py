"""Edges repeated outwards, by slices and a concatenation, both of which XNNPACK takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgecnn.convert.onnx_import.lazy import tf

if TYPE_CHECKING:
    from collections.abc import Sequence


def with_edges(tensor: Any, pads: Sequence[tuple[int, int]]) -> Any:  # noqa: ANN401 - tf.Tensor
    """Each stored axis with its first and last elements repeated so often."""
    for axis, (front, behind) in enumerate(pads):
        if not front and not behind:
            continue
        shape = [int(size) for size in tensor.shape]
        edge = [*shape[:axis], 1, *shape[axis + 1 :]]
        first = tf.slice(tensor, [0] * len(shape), edge) if front else None
        start = [shape[axis] - 1 if i == axis else 0 for i in range(len(shape))]
        last = tf.slice(tensor, start, edge) if behind else None
        tensor = tf.concat([first] * front + [tensor] + [last] * behind, axis)
    return tensor
